"""Replace the placeholders in a subject, a text or an HTML body by values.

A placeholder is `{name}` or `{name.name}`: up to five names of letters, digits and `_`. No name starts with a digit.
`{{name}}` is the literal `{name}`. Every other brace is literal, also in style sheets. Values are never searched for
placeholders. In HTML a value is always escaped, is allowed only in the places of `mailer.template.html_context`, and
never chooses the scheme of an address. A placeholder without a value, or a line break in the subject, is an error.
"""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from mailer.input.inspection import Inspection
from mailer.message.address import FORBIDDEN
from mailer.template.html_context import Place, Region, regions

MAX_OUTPUT = 1024 * 1024
MAX_NAME = 64
MAX_DEPTH = 5
MAX_VALUES = 500
MAX_VALUE = 256 * 1024

# Values by path: {"user.name": "Ada"}.
type Values = Mapping[str, str]

_ONE_NAME = rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}+"
NAME_PATTERN = re.compile(rf"{_ONE_NAME}\Z")
_PATH = rf"{_ONE_NAME}(?:\.{_ONE_NAME}){{0,{MAX_DEPTH - 1}}}+"
_PLACEHOLDER = re.compile(rf"\{{\{{(?P<literal>{_PATH})\}}\}}|\{{(?P<path>{_PATH})\}}")
_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;"}
_IN_HTML = str.maketrans(_ENTITIES)
# Two hyphens could end the comment.
_IN_COMMENT = str.maketrans({**_ENTITIES, "-": "&#45;"})
# A value after this could complete a character reference: "&" and then "lt;".
_OPEN_REFERENCE = re.compile(r"&#?[A-Za-z0-9]{0,40}\Z")
_TAIL = 64
_STYLE_VALUE = re.compile(r"[A-Za-z0-9#%., _-]*\Z")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*+):")
_HARMLESS_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms", "cid"})
_RUNNING_SCHEMES = frozenset({"javascript", "vbscript", "data"})
# Browsers remove `_DROPPED` anywhere in an address, and `_EDGES` at both ends.
_DROPPED = re.compile(r"[\t\n\r]")
_EDGES = "".join(map(chr, range(0x21)))


def paths(text: str) -> tuple[str, ...]:
    """Return the paths of the placeholders in a text, in order, without duplicates."""
    return tuple(dict.fromkeys(found["path"] for found in _PLACEHOLDER.finditer(text) if found["path"]))


def read_values(value: object, pointer: str, inspection: Inspection) -> Values:
    """Return the texts, numbers and booleans of an object and its inner objects, each with its path.

    Null means absent. Numbers and booleans are written as in JSON.
    """
    if not isinstance(value, dict):
        inspection.report(pointer, "wrong-type", "Give an object of names and their values.")
        return {}
    values = dict(_read_members(value, "", pointer, inspection, depth=1))
    if len(values) > MAX_VALUES:
        inspection.report(pointer, "too-many-values", f"Give at most {MAX_VALUES} values.")
    return values


def _read_members(
    members: dict[object, object], prefix: str, pointer: str, inspection: Inspection, *, depth: int
) -> Iterator[tuple[str, str]]:
    for name, member in members.items():
        place, path = f"{pointer}/{name}", f"{prefix}{name}"
        if not isinstance(name, str) or not NAME_PATTERN.match(name):
            detail = f"Use names of 1 to {MAX_NAME} letters, digits and underscores that do not start with a digit."
            inspection.report(pointer, "name-malformed", detail)
        elif isinstance(member, dict) and depth < MAX_DEPTH:
            yield from _read_members(member, f"{path}.", place, inspection, depth=depth + 1)
        elif isinstance(member, dict):
            inspection.report(place, "too-deep", f"Nest objects at most {MAX_DEPTH} deep.")
        elif member is not None and (text := _read_value(member, place, inspection)) is not None:
            yield path, text


def _read_value(value: object, pointer: str, inspection: Inspection) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str() if len(value) > MAX_VALUE:
            inspection.report(pointer, "too-long", f"Give at most {MAX_VALUE} characters.")
        case str() if _CONTROL_IN_TEXT.search(value):
            inspection.report(pointer, "control-character", "Remove control characters other than tabs and line ends.")
        case str():
            return value
        case _:
            inspection.report(pointer, "wrong-type", "Give a string, a number, a boolean, or an object of them.")
    return None


def check_html(text: str, pointer: str, inspection: Inspection) -> None:
    """Report placeholders in places that allow no value. The values need not be known yet."""
    misplaced = (region for region in regions(text) if region.place is Place.NOWHERE)
    if any(paths(text[region.start : region.end]) for region in misplaced):
        inspection.report(pointer, *_WRONG_PLACE)


class Filling:
    """Inserts values into the texts of one message. If it reports a problem, the returned texts must not be used."""

    def __init__(self, values: Values, inspection: Inspection, *, values_pointer: str = "/template_data") -> None:
        self._values = values
        self._inspection = inspection
        self._values_pointer = values_pointer
        self._reported: set[tuple[str, str]] = set()
        self._left = MAX_OUTPUT
        # The end of the HTML written so far.
        self._tail = ""

    def subject(self, text: str) -> str:
        """Return the subject with its values."""
        return self._joined(text, partial(self._plain, is_line=True), "/subject")

    def text(self, text: str) -> str:
        """Return the text body with its values, unescaped."""
        return self._joined(text, partial(self._plain, is_line=False), "/text")

    def html(self, text: str) -> str:
        """Return the HTML body with its values as text: no value can create or change an element or attribute."""
        return self._joined(text, self._in_html, "/html")

    def _joined(self, text: str, fill: Callable[[str], Iterator[str]], pointer: str) -> str:
        """Return the joined pieces. A text that is too long without its values is not read."""
        written: list[str] = []
        for piece in fill(text) if len(text) <= self._left else (text,):
            self._left -= len(piece.encode())
            if self._left < 0:
                self._report_once(pointer, "too-long", f"Shorten the message to {MAX_OUTPUT} octets with its values.")
                break
            written.append(piece)
        return "".join(written)

    def _plain(self, text: str, *, is_line: bool) -> Iterator[str]:
        for piece, path in _pieces(text):
            yield piece
            value = self._value(path)
            if is_line and path is not None and FORBIDDEN.search(value):
                self._report_value(path, "control-character", "Remove line breaks from values for the subject.")
            yield value

    def _in_html(self, text: str) -> Iterator[str]:
        self._tail = ""
        for region in regions(text):
            part = text[region.start : region.end]
            for piece in self._in_url(part, region) if region.place is Place.URL else self._in_region(part, region):
                yield piece
                self._tail = (self._tail + piece[-_TAIL:])[-_TAIL:]

    def _in_region(self, text: str, region: Region) -> Iterator[str]:
        for piece, path in _pieces(text):
            yield piece
            if path is None:
                continue
            if region.place is Place.NOWHERE:
                self._report_once("/html", *_WRONG_PLACE)
            value = self._value(path)
            if region.place is Place.STYLE and not _STYLE_VALUE.match(value):
                self._report_value(path, "not-allowed-here", "In a style, use only letters, digits, spaces and #%.,_-.")
            yield _escape(value, region, is_after_reference=_OPEN_REFERENCE.search(self._tail) is not None)

    def _in_url(self, text: str, region: Region) -> Iterator[str]:
        found = next((found for found in _PLACEHOLDER.finditer(text) if found["path"]), None)
        written: list[str] = []
        for piece in self._in_region(text, region):
            written.append(piece)
            yield piece
        if found is None:
            return
        before = _scheme(text[: found.start()])
        if before in _RUNNING_SCHEMES:
            self._report_once("/html", *_WRONG_PLACE)
        elif before is None and (_scheme("".join(written)) or "https") not in _HARMLESS_SCHEMES:
            self._report_value(
                found["path"], "not-allowed-here", "Start the address with https:// or another web scheme."
            )

    def _value(self, path: str | None) -> str:
        if path is None:
            return ""
        value = self._values.get(path)
        if value is None:
            self._report_value(path, "value-missing", "Give a value for the placeholder of this name.")
        return value or ""

    def _report_value(self, path: str, code: str, detail: str) -> None:
        self._report_once(f"{self._values_pointer}/{path.replace('.', '/')}", code, detail)

    def _report_once(self, pointer: str, code: str, detail: str) -> None:
        if (pointer, code) not in self._reported:
            self._reported.add((pointer, code))
            self._inspection.report(pointer, code, detail)


_WRONG_PLACE = (
    "placeholder-misplaced",
    "Use placeholders only in text and in quoted attributes, not in tags, scripts, styles or addresses that run code. "
    "Write {{name}} for a literal {name}, and &lt; for a literal <.",
)


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield each literal piece with the path of the placeholder after it; None after the last piece."""
    position = 0
    for found in _PLACEHOLDER.finditer(text):
        literal = text[position : found.start()]
        position = found.end()
        if found["literal"]:
            yield literal + "{" + found["literal"] + "}", None
        else:
            yield literal, found["path"]
    yield text[position:], None


def _escape(value: str, region: Region, *, is_after_reference: bool) -> str:
    table = _IN_COMMENT if region.in_comment else _IN_HTML
    if value and is_after_reference:
        return f"&#{ord(value[0])};" + value[1:].translate(table)
    return value.translate(table)


def _scheme(attribute: str) -> str | None:
    """Return the scheme that a browser reads in an address; None if the address is relative."""
    address = _DROPPED.sub("", html.unescape(attribute)).strip(_EDGES)
    found = _SCHEME.match(address)
    return None if found is None else found[1].lower()
