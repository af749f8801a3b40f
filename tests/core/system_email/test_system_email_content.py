"""The values of an e-mail's template, made from an event: names, languages, times."""

from copy import replace
from dataclasses import dataclass, field

import pytest
from mailer.message.address import Mailbox, parse_address
from mailer.system_email.content import Content, Platform, Values, platform_of, recipient_of, render_event
from mailer.system_email.event import EventType
from mailer.system_email.locale import Language, choose_language, time_in_words

from tests.support.lifecycle import CODE, LINK, lifecycle_event
from tests.support.projects import settings

PLATFORM = Platform("Platform", "app.platform.example")


@dataclass
class RecordingTemplates:
    """Implements `Templates`: records its arguments."""

    given: list[tuple[EventType, Language, Values]] = field(default_factory=list)

    def render(self, type: EventType, language: Language, values: Values) -> Content:
        self.given.append((type, language, values))
        return Content("subject", "text", "html")


def values_of(**changes: object) -> Values:
    templates = RecordingTemplates()
    render_event(lifecycle_event(**changes), platform=PLATFORM, templates=templates)
    return templates.given[0][2]


def test_a_template_gets_the_values_of_the_event() -> None:
    assert values_of() == Values(
        platform="Platform",
        host="app.platform.example",
        name="Ada Lovelace",
        project="Acme",
        inviter="Grace Hopper",
        link=LINK,
        code=CODE,
        valid_until="2 January 2026 at 04:04 UTC",
    )


def test_an_event_without_expiry_has_no_validity_text() -> None:
    assert values_of(expiresAt=None).valid_until is None


LOCALES = [
    (None, "en"), ("de", "de"), ("de-AT", "de"), ("de_CH.UTF-8", "de"), ("DE", "de"), ("en-GB", "en"), ("fr", "en"),
    ("den", "en"), ("deu", "en"), ("", "en"), ("-de", "en"), ("*", "en"), ("../de", "en"),
]  # fmt: skip


@pytest.mark.parametrize(("locale", "language"), LOCALES)
def test_the_locale_chooses_the_language_and_english_is_the_default(locale: str | None, language: str) -> None:
    assert choose_language(locale) == language


def test_a_time_is_written_in_the_language() -> None:
    assert time_in_words(1767326699.9, Language.EN) == "2 January 2026 at 04:04 UTC"
    assert time_in_words(1771995600, Language.DE) == "25. Februar 2026, 05:00 Uhr (UTC)"


def test_every_month_has_a_name() -> None:
    for language in Language:
        assert len({time_in_words(month * 31 * 86_400, language).split()[1] for month in range(12)}) == 12


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("Ada   Lovelace", "Ada Lovelace"),
        ("Acme.io", "Acme.io"),
        ("ada@acme.example", "ada@acme.example"),
        ("J.R. Smith / Partner", "J.R. Smith / Partner"),
        ("Win at https://evil.example", None),
        ("Win at WWW.evil.example", None),
        ("Win at evil.example/prize", None),
        ("Win at evil.example:8080", None),
        ("evil.example?x", None),
    ],
)
def test_a_name_is_shortened_and_dropped_if_it_has_a_web_address(name: str, shown: str | None) -> None:
    values = values_of(user={"email": "a@b.example", "name": name}, projectName=name, invitedBy=name)

    assert (values.name, values.project, values.inviter) == (shown, shown, shown)


def test_the_recipient_has_the_shown_name() -> None:
    event = lifecycle_event()

    assert recipient_of(event) == Mailbox(parse_address("ada@example.net"), "Ada Lovelace")
    assert recipient_of(replace(event, user=replace(event.user, name="www.evil.example"))).display_name is None


def test_the_platform_has_the_name_of_its_sender() -> None:
    assert platform_of(settings()) == Platform("Platform", "app.platform.example")


def test_a_platform_without_a_name_has_its_host_as_name() -> None:
    anonymous = settings(SERVER_FROM_ADDRESS="no-reply@platform.example", APP_BASE_URL="http://localhost:3000/app")

    assert platform_of(anonymous) == Platform("localhost", "localhost")
