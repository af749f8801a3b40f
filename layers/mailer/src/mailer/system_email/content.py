"""Make the values of an e-mail's template from an event.

Strangers choose names, and may put advertisements into them. So a name is shown as text on one line and is shortened.
A name with a web address is left out.
"""

import re
from typing import Protocol

import msgspec

from mailer.message.address import Mailbox
from mailer.settings import Settings
from mailer.system_email.event import EventType, LifecycleEvent
from mailer.system_email.locale import Language, choose_language, time_in_words

MAX_SHOWN = 60

# Mail programs turn these texts into links. A plain example.com is allowed: companies have such names.
_WEB_ADDRESS = re.compile(r"://|\bwww\.|[^\s/@]\.[^\s/@.]{2,}[/?#:]", re.IGNORECASE)


class Platform(msgspec.Struct, frozen=True):
    """The sender: the platform's name and the host of its pages."""

    name: str
    host: str


class Values(msgspec.Struct, frozen=True):
    """The values of a template; an absent value is None."""

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
    """Renders system e-mails."""

    def render(self, type: EventType, language: Language, values: Values) -> Content:
        """Return the e-mail for this type of event, in this language."""


def platform_of(settings: Settings) -> Platform:
    """Return the platform. Its name is the display name of `ServerFromAddress`, else the host of `AppBaseUrl`."""
    host = settings.app_base_url.partition("://")[2].partition("/")[0].partition(":")[0]
    return Platform(settings.server_senders.default.display_name or host, host)


def render_event(event: LifecycleEvent, *, platform: Platform, templates: Templates) -> Content:
    """Return the e-mail of an event in the user's language."""
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
    """Return the recipient's mailbox, with the name that may be shown."""
    return Mailbox(event.user.email, _shown(event.user.name))


def _shown(name: str | None) -> str | None:
    if name is None or _WEB_ADDRESS.search(name):
        return None
    flat = " ".join(name.split())
    return flat if len(flat) <= MAX_SHOWN else f"{flat[: MAX_SHOWN - 1].rstrip()}…"
