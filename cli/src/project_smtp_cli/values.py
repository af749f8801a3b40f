"""Untrusted text, made safe for a terminal."""

import re
from collections.abc import Mapping

type Document = Mapping[str, object]

# Characters that a terminal may read as a command, and characters that reorder or hide the text near them.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_MAX_SHOWN = 1000
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(?:Z|\+00:00)\Z")


def shown(value: object) -> str:
    """Return a JSON value as one line of text; an empty text for null."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case _:
            return clean(str(value))


def clean(given: str) -> str:
    """Replace unprintable characters with question marks, and cut the text after 1,000 characters."""
    printable = _UNSHOWN.sub("?", given)
    return printable if len(printable) <= _MAX_SHOWN else f"{printable[:_MAX_SHOWN]}…"


def to_second(time: str) -> str:
    """Return an RFC 3339 time in UTC without fractions of seconds; any other text unchanged."""
    return _TIME.sub(r"\1 \2\3", time)


def to_minute(time: str) -> str:
    """Return an RFC 3339 time in UTC without seconds; any other text unchanged."""
    return _TIME.sub(r"\1 \2", time)
