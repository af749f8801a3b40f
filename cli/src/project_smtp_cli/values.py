"""Reading JSON values of unknown form, and showing text of unknown origin."""

import re
from collections.abc import Mapping

type Document = Mapping[str, object]

# Everything that a terminal could take for an order, and what reorders or hides what stands beside it.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_MAX_SHOWN = 1000
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(?:Z|\+00:00)\Z")


def find(value: object, *path: str | int) -> object:
    """Follow keys and indexes into a JSON value; None where they lead nowhere."""
    for step in path:
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def text(value: object, *path: str | int) -> str:
    """Return what stands at a place as a person reads it, on one line; an empty text where nothing does."""
    match find(value, *path):
        case None:
            return ""
        case bool(found):
            return "yes" if found else "no"
        case found:
            return clean(str(found))


def when(value: object, *path: str | int) -> str:
    """Return a time as people read it, without the fractions of its seconds."""
    return _TIME.sub(r"\1 \2\3", text(value, *path))


def minute(value: object, *path: str | int) -> str:
    """Return a time to the minute, for lists."""
    return _TIME.sub(r"\1 \2", text(value, *path))


def items(value: object, *path: str | int) -> list[Document]:
    """Return the objects of the list at a place."""
    found = find(value, *path)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def texts(value: object, *path: str | int) -> list[str]:
    """Return the texts of the list at a place."""
    found = find(value, *path)
    return [clean(item) for item in found if isinstance(item, str)] if isinstance(found, list) else []


def clean(given: str) -> str:
    """Return the text without anything but printable characters, and not longer than anybody reads."""
    shown = _UNSHOWN.sub("?", given)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"
