"""The languages of system e-mails, and times written in these languages."""

import re
from datetime import UTC, datetime
from enum import StrEnum

_SUBTAG = re.compile(r"[A-Za-z]+")
_MONTHS_EN = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_MONTHS_DE = (
    "Januar", "Februar", "März", "April", "Mai", "Juni",
    "Juli", "August", "September", "Oktober", "November", "Dezember",
)  # fmt: skip


class Language(StrEnum):
    """The languages that have templates."""

    EN = "en"
    DE = "de"


def choose_language(locale: str | None) -> Language:
    """Return the language of a locale such as `de` or `de_CH.UTF-8`; English if the language has no templates."""
    subtag = _SUBTAG.match(locale or "")
    name = subtag[0].lower() if subtag else ""
    return next((language for language in Language if language.value == name), Language.EN)


def time_in_words(seconds: float, language: Language) -> str:
    """Return a time as text, in UTC and without seconds."""
    at = datetime.fromtimestamp(seconds, UTC)
    match language:
        case Language.EN:
            return f"{at.day} {_MONTHS_EN[at.month - 1]} {at.year} at {at:%H:%M} UTC"
        case Language.DE:
            return f"{at.day}. {_MONTHS_DE[at.month - 1]} {at.year}, {at:%H:%M} Uhr (UTC)"
