"""A project's stored templates: what a message is made of where its request leaves it out."""

import re
from collections.abc import Mapping
from typing import NewType

import msgspec
from msgspec import field

from mailer.message.address import Mailbox

TemplateName = NewType("TemplateName", str)

NAME_PATTERN = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,64}\Z")

# As it is stored, in JSON; an item of the ledger's table has at most 400 KB.
MAX_TEMPLATE = 300 * 1024


class Template(msgspec.Struct, frozen=True):
    """What a project's admin wrote; `defaults` are values for placeholders, as requests give them.

    `sender_name` is the name for the default From, without a `sender`.
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
        """Octets that storing it takes."""
        return len(msgspec.json.encode(self))


class TemplateSummary(msgspec.Struct, frozen=True):
    """Which template there is: `etag` names what it holds now, `updated_at` is in seconds since the epoch."""

    name: TemplateName
    etag: str
    updated_at: float


class StoredTemplate(msgspec.Struct, frozen=True):
    """A template as the store has it."""

    summary: TemplateSummary
    template: Template


class TemplatePage(msgspec.Struct, frozen=True):
    """Some templates in the order of their names, and the name after which the next page begins, if there is one."""

    templates: tuple[TemplateSummary, ...]
    cursor: TemplateName | None = None


class Precondition(msgspec.Struct, frozen=True):
    """What must be true of a template for it to be changed: it has this `etag`, or it is there, or it is not."""

    etag: str | None = None
    exists: bool | None = None

    def holds(self, found: TemplateSummary | None) -> bool:
        """Judge what was found."""
        if self.etag is not None:
            return found is not None and found.etag == self.etag
        return self.exists is None or self.exists is (found is not None)


def parse_template_name(text: str) -> TemplateName | None:
    """Return the name, or None where the text cannot be one: it becomes part of a key and of a path."""
    return TemplateName(text) if NAME_PATTERN.match(text) else None
