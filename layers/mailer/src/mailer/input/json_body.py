"""Decode a JSON body. A body that is too large, too deep or ambiguous is refused before it costs much time."""

import re

import msgspec

from mailer.errors import InvalidRequest
from mailer.problem import Problem

_MEGABYTE = 1024 * 1024
MAX_BODY = 10 * _MEGABYTE

# The first alternative is fast, which matters for attachments: a string ends at its first quote that is not escaped.
# The second alternative always matches, even at the end of a broken body, so every octet is read at most twice.
_STRING = re.compile(
    rb'"(?:[^"]*+(?<!\\)"|[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))([ \t\r\n]*+:)?',
    re.DOTALL,
)


class Bounds(msgspec.Struct, frozen=True):
    """The limits of a body: octets, strings, and octets outside strings.

    The largest message within all other limits has about 1,400 strings.
    """

    octets: int = MAX_BODY
    strings: int = 5_000
    outside_strings: int = 128 * 1024


_ONE_MESSAGE = Bounds()


def decode_body(body: bytes | str, bounds: Bounds = _ONE_MESSAGE) -> object:
    """Return the JSON value of the body; raises `InvalidRequest` if the body is refused.

    A duplicate name in an object is refused: parsers disagree on which value counts (RFC 8259 section 4).
    """
    try:
        octets = body.encode() if isinstance(body, str) else body
        if len(octets) > bounds.octets:
            raise _invalid("body-too-large", f"Send at most {bounds.octets // _MEGABYTE} MB.")
        names = _count_names(octets, bounds)
        value: object = msgspec.json.decode(octets)
    except UnicodeError:
        raise _invalid("invalid-json", "Send the body as UTF-8.") from None
    except msgspec.DecodeError:
        raise _invalid("invalid-json", "Send one valid JSON value, without unpaired surrogates.") from None
    except RecursionError:
        raise _invalid("invalid-json", "Send JSON with less nesting.") from None
    if _members(value) != names:
        raise _invalid("duplicate-field", "Give each field of an object only once.")
    return value


def _count_names(body: bytes, bounds: Bounds) -> int:
    """Count the names of all objects, and refuse a body that would take too long to decode."""
    names = within = 0
    for strings, matched in enumerate(_STRING.finditer(body)):
        if strings >= bounds.strings:
            raise _invalid("too-many-values", "Send fewer fields and items.")
        start, end = matched.span()
        within += end - start
        names += matched[1] is not None
    if len(body) - within > bounds.outside_strings:
        raise _invalid("too-many-values", "Send fewer fields and items, and less white space between them.")
    return names


def _members(value: object) -> int:
    members = 0
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            members += len(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return members


def _invalid(code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(Problem(code, detail, pointer=""))
