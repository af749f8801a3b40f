"""Drafts: messages that a caller asked to send, parsed and checked, before a transport is chosen."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from mailer.message.address import Mailbox
from mailer.project import ProjectId

MAX_SUBJECT = 500
_TRIAL_TEXT = """This is a test of the e-mail configuration of the project {project}.

If you can read it, messages of the project arrive with you. Its headers show by which relay it came and which
signatures it carries. No answer is needed.
"""


class Attachment(msgspec.Struct, frozen=True):
    """An attached file. It is inline if the HTML body shows it by its `content_id` (RFC 2392).

    `filename` is a plain base name, `content_type` a bare `type/subtype`.
    """

    filename: str
    content: bytes
    content_type: str
    content_id: str | None = None


class Draft(msgspec.Struct, frozen=True):
    """A message as requested: at least one recipient, a text or an HTML body or both.

    `sender` is the requested From; `mailer.secret.sender` decides whether it is used. If there is no `sender`,
    `sender_name` is the name for the default From. `headers` are names and values from the allow-list.
    `preferred_provider` is the id of the provider to ask first. `tags` are the caller's own names and values.
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
    """What completes a draft: a stored template, and the values of placeholders by their paths.

    `place` is the message's JSON pointer in the request's body.
    """

    template: str | None
    values: Mapping[str, str]
    place: str = ""


class StoredDraft(msgspec.Struct, frozen=True):
    """A draft and its acceptance date: every attempt composes the same octets from them."""

    draft: Draft
    date: datetime


def trial_draft(project_id: ProjectId, to: Mailbox) -> Draft:
    """Return the test message for a project admin who tries a configuration; its From is the default sender."""
    return Draft(
        to=(to,), subject=f"Test message of the project {project_id}", text=_TRIAL_TEXT.format(project=project_id)
    )
