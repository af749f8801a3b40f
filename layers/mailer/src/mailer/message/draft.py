"""What a caller asked to send, parsed and checked, before any transport is known."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from mailer.message.address import Mailbox

MAX_SUBJECT = 500


class Attachment(msgspec.Struct, frozen=True):
    """A file that travels with the message; one that the HTML body shows by its `content_id` is inline (RFC 2392).

    `filename` is a plain base name, `content_type` a bare `type/subtype`.
    """

    filename: str
    content: bytes
    content_type: str
    content_id: str | None = None


class Draft(msgspec.Struct, frozen=True):
    """A message as requested: at least one recipient, a text or an HTML body or both.

    `sender` is the From that the caller asks for; `mailer.secret.sender` decides whether it is used. `sender_name` is
    the name of the default From where there is no `sender`. `headers` are name and value pairs from the allow-list.
    `preferred_provider` is the id of the one to ask first. `tags` are names and values for the caller's own accounts.
    """

    to: tuple[Mailbox, ...]
    subject: str
    sender: Mailbox | None = None
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    text: str | None = None
    html: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    preferred_provider: str | None = None
    sender_name: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


class TemplateUse(msgspec.Struct, frozen=True):
    """What a draft is still to be completed with: a stored template, and values for the placeholders by their paths.

    `place` is the JSON pointer to the message in the request's body.
    """

    template: str | None
    values: Mapping[str, str]
    place: str = ""


class StoredDraft(msgspec.Struct, frozen=True):
    """A draft with the date that it was accepted at: with them every attempt composes the same octets."""

    draft: Draft
    date: datetime
