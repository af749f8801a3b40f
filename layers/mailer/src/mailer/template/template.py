"""A project's stored templates. A template supplies the parts of a message that the request leaves out."""

import re
from collections.abc import Mapping
from typing import NewType

import msgspec
from msgspec import field

from mailer.message.address import Mailbox

TemplateName = NewType("TemplateName", str)

NAME_PATTERN = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}\Z")

# This limits the size as JSON: an item of the ledger's table has at most 400 KB.
MAX_TEMPLATE = 300 * 1024


class Template(msgspec.Struct, frozen=True):
    """A template; `defaults` are values for placeholders, in the same form as the values of a request.

    `sender_name` is the display name of the default From if there is no `sender`.
    """

    subject: str | None = None
    text: str | None = None
    html: str | None = None
    sender: Mailbox | None = None
    sender_name: str | None = None
    reply_to: tuple[Mailbox, ...] = ()
    defaults: Mapping[str, object] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Size in octets as stored."""
        return len(msgspec.json.encode(self))


class TemplateSummary(msgspec.Struct, frozen=True):
    """One template in a list; `etag` changes with the content, `updated_at` is in seconds since the epoch."""

    name: TemplateName
    etag: str
    updated_at: float


class StoredTemplate(msgspec.Struct, frozen=True):
    """A template as stored."""

    summary: TemplateSummary
    template: Template


class TemplatePage(msgspec.Struct, frozen=True):
    """A page of templates sorted by name; if there is a next page, `cursor` is the last name before it."""

    templates: tuple[TemplateSummary, ...]
    cursor: TemplateName | None = None


class Precondition(msgspec.Struct, frozen=True):
    """A condition for a change: the template has this `etag`, or exists, or does not exist."""

    etag: str | None = None
    exists: bool | None = None

    def holds(self, found: TemplateSummary | None) -> bool:
        """Tell whether the stored template, if there is one, meets the condition."""
        if self.etag is not None:
            return found is not None and found.etag == self.etag
        return self.exists is None or self.exists is (found is not None)


def parse_template_name(text: str) -> TemplateName | None:
    """Return the name; None if it is malformed. The name becomes part of a key and of a path."""
    return TemplateName(text) if NAME_PATTERN.match(text) else None
