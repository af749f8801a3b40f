"""From an event to what its templates show.

Names are whatever somebody typed, often a stranger who wants our signature under a text of theirs: they are shown as
text, on one line, cut where they are long, and left out where they carry a web address.
"""

import re
from typing import Protocol

import msgspec

from mailer.message.address import Mailbox
from mailer.settings import Settings
from mailer.system_email.event import EventType, LifecycleEvent
from mailer.system_email.locale import Language, choose_language, time_in_words

MAX_SHOWN = 60

# Programs that show mail make links of these; a bare example.com stays, for companies are named so.
_WEB_ADDRESS = re.compile(r"://|\bwww\.|[^\s/@]\.[^\s/@.]{2,}[/?#:]", re.IGNORECASE)


class Platform(msgspec.Struct, frozen=True):
    """Who writes: the platform's name, and the host that its users know it by."""

    name: str
    host: str


class Values(msgspec.Struct, frozen=True):
    """All that a template may show; None for what the event does not have."""

    platform: str
    host: str
    name: str | None
    project: str | None
    inviter: str | None
    link: str | None
    code: str | None
    valid_until: str | None


class Content(msgspec.Struct, frozen=True):
    """A rendered e-mail."""

    subject: str
    text: str
    html: str


class Templates(Protocol):
    """Renders the platform's own e-mails."""

    def render(self, type: EventType, language: Language, values: Values) -> Content:
        """Return the e-mail of a type in a language."""


def platform_of(settings: Settings) -> Platform:
    """Return the name that the operator gave the server's From address, else the host of the platform's own URL."""
    host = settings.app_base_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return Platform(settings.server_senders.default.display_name or host, host)


def render_event(event: LifecycleEvent, *, platform: Platform, templates: Templates) -> Content:
    """Render the e-mail that an event asks for, in the user's language."""
    language = choose_language(event.user.locale)
    values = Values(
        platform=platform.name,
        host=platform.host,
        name=_shown(event.user.name),
        project=_shown(event.project_name),
        inviter=_shown(event.invited_by),
        link=event.link,
        code=event.code,
        valid_until=None if event.expires_at is None else time_in_words(event.expires_at, language),
    )
    return templates.render(event.type, language, values)


def recipient_of(event: LifecycleEvent) -> Mailbox:
    """Return the mailbox that the e-mail goes to."""
    return Mailbox(event.user.email, _shown(event.user.name))


def _shown(name: str | None) -> str | None:
    if name is None or _WEB_ADDRESS.search(name):
        return None
    flat = " ".join(name.split())
    return flat if len(flat) <= MAX_SHOWN else f"{flat[: MAX_SHOWN - 1].rstrip()}…"
