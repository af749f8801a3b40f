"""Find the parts of an HTML text that may contain a value.

The text is read as browsers read it (WHATWG, tokenization), as far as needed. If it is not certain that a part is a
known place, the part is `NOWHERE`: tags, scripts, style sheets, declarations, unclosed constructs. An attribute counts
only if its value is quoted and its name is on a list.
"""

import re
from collections.abc import Generator, Iterator
from enum import StrEnum

import msgspec


class Place(StrEnum):
    """The context of a value: visible text, or a quoted attribute (a URL, a style, or any other)."""

    TEXT = "text"
    ATTRIBUTE = "attribute"
    URL = "url"
    STYLE = "style"
    NOWHERE = "nowhere"


class Region(msgspec.Struct, frozen=True):
    """A part of the text with one context; `in_comment` is true inside a comment."""

    start: int
    end: int
    place: Place
    in_comment: bool = False


# A generator that yields regions and returns the position after them.
type _Regions = Generator[Region, None, int]

_SPACES = re.compile(r"[ \t\n\f\r]*+")
_BETWEEN_ATTRIBUTES = re.compile(r"[ \t\n\f\r/]*+")
# Any other "<" is text.
_MARKUP = re.compile(r"<(?=[A-Za-z!?/{])")
_TAG = re.compile(r"</?+([A-Za-z][^ \t\n\f\r/>]*+)")
_ATTRIBUTE_NAME = re.compile(r"[^ \t\n\f\r/>][^ \t\n\f\r/>=]*+")
_UNQUOTED = re.compile(r"[^ \t\n\f\r>]*+")
_EMPTY_COMMENT = re.compile(r"<!---?>")
_COMMENT_END = re.compile(r"--!?>")
# Outlook reads this kind of comment: <!--[if mso]> ... <![endif]-->
_CONDITION = re.compile(r"<!--\[if[^\]>]*+\]>", re.IGNORECASE)

# The content of these elements ends at their own end tag. A title's content is text if it contains no markup.
_RAW = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes", "noscript"})
_TITLES = frozenset({"title", "textarea"})
# Elements that run, load or change something, or change how addresses are resolved.
_CLOSED = frozenset({"script", "style", "base", "meta", "object", "embed", "applet", "param", "set", "animate"})
_URLS = frozenset({"href", "src", "action", "background", "cite", "poster", "longdesc", "xlink:href"})
_PLAIN = frozenset(
    {
        "abbr", "align", "alt", "bgcolor", "border", "cellpadding", "cellspacing", "class", "color", "cols", "colspan",
        "datetime", "dir", "face", "fillcolor", "height", "id", "itemprop", "label", "lang", "name", "placeholder",
        "role", "rows", "rowspan", "size", "strokecolor", "summary", "title", "valign", "value", "width",
    }
)  # fmt: skip
_PLAIN_PREFIXES = ("data-", "aria-")


def regions(html: str) -> Iterator[Region]:
    """Return the regions in order; together they are the whole text."""
    return _scan(html, 0, len(html), in_comment=False)


def _scan(html: str, start: int, end: int, *, in_comment: bool) -> Iterator[Region]:
    position = start
    while position < end:
        found = _MARKUP.search(html, position, end)
        text_end = end if found is None else found.start()
        if position < text_end:
            yield Region(position, text_end, Place.TEXT, in_comment)
        if found is None:
            return
        position = yield from _markup(html, text_end, end, in_comment=in_comment)


def _markup(html: str, start: int, end: int, *, in_comment: bool) -> _Regions:
    """Yield the regions of the construct with the `<` at `start`, and return the position after it."""
    if html.startswith("<!--", start, end):
        return (yield from _comment(html, start, end, in_comment=in_comment))
    tag = _TAG.match(html, start, end)
    if tag is not None:
        return (yield from _tag(html, tag, end, in_comment=in_comment))
    if html[start + 1] == "{":
        # A value after this "<" could make it a tag.
        following = html.find("<", start + 1, end)
        after = _after(html, "}", start, end if following < 0 else following)
    else:
        after = _after(html, ">", start, end)
    yield Region(start, after, Place.NOWHERE, in_comment)
    return after


def _after(html: str, mark: str, start: int, end: int) -> int:
    found = html.find(mark, start, end)
    return end if found < 0 else found + 1


def _comment(html: str, start: int, end: int, *, in_comment: bool) -> _Regions:
    empty = _EMPTY_COMMENT.match(html, start, end)
    if empty is not None:
        yield Region(start, empty.end(), Place.NOWHERE, in_comment)
        return empty.end()
    closed = _COMMENT_END.search(html, start + 4, end)
    if closed is None:
        yield Region(start, end, Place.NOWHERE, in_comment)
        return end
    condition = _CONDITION.match(html, start, closed.start())
    inner = start + 4 if condition is None else condition.end()
    yield Region(start, inner, Place.NOWHERE, in_comment)
    if condition is None:
        yield Region(inner, closed.start(), Place.TEXT, in_comment=True)
    else:
        yield from _scan(html, inner, closed.start(), in_comment=True)
    yield Region(closed.start(), closed.end(), Place.NOWHERE, in_comment)
    return closed.end()


def _tag(html: str, tag: re.Match[str], end: int, *, in_comment: bool) -> _Regions:
    name, start, position = tag[1].lower(), tag.start(), tag.end()
    while True:
        position = _end_of(_BETWEEN_ATTRIBUTES, html, position, end)
        if position >= end:
            yield Region(start, end, Place.NOWHERE, in_comment)
            return end
        if html[position] == ">":
            yield Region(start, position + 1, Place.NOWHERE, in_comment)
            if html[tag.start() + 1] == "/":
                return position + 1
            return (yield from _content(html, name, position + 1, end, in_comment=in_comment))
        attribute_end = _end_of(_ATTRIBUTE_NAME, html, position, end)
        attribute = html[position:attribute_end].lower()
        position = _end_of(_SPACES, html, attribute_end, end)
        if not html.startswith("=", position, end):
            continue
        position = _end_of(_SPACES, html, position + 1, end)
        quote = html[position : position + 1] if position < end else ""
        if quote not in {'"', "'"}:
            position = _end_of(_UNQUOTED, html, position, end)
            continue
        closed = html.find(quote, position + 1, end)
        if closed < 0:
            yield Region(start, end, Place.NOWHERE, in_comment)
            return end
        yield Region(start, position + 1, Place.NOWHERE, in_comment)
        yield Region(position + 1, closed, _place_of(name, attribute), in_comment)
        start = closed
        position = closed + 1


def _content(html: str, name: str, start: int, end: int, *, in_comment: bool) -> _Regions:
    """Yield the content of an element in which browsers read no tags; nothing for other elements."""
    if name == "plaintext":
        yield Region(start, end, Place.NOWHERE, in_comment)
        return end
    if name not in _RAW and name not in _TITLES:
        return start
    closing = re.compile(rf"</{re.escape(name)}(?=[ \t\n\f\r/>])", re.IGNORECASE).search(html, start, end)
    after = end if closing is None else closing.start()
    is_text = name in _TITLES and closing is not None and "<" not in html[start:after]
    yield Region(start, after, Place.TEXT if is_text else Place.NOWHERE, in_comment)
    return after


def _place_of(element: str, attribute: str) -> Place:
    if element in _CLOSED:
        return Place.NOWHERE
    if attribute in _URLS:
        return Place.URL
    if attribute == "style":
        return Place.STYLE
    is_plain = attribute in _PLAIN or attribute.startswith(_PLAIN_PREFIXES)
    return Place.ATTRIBUTE if is_plain else Place.NOWHERE


def _end_of(pattern: re.Pattern[str], html: str, start: int, end: int) -> int:
    matched = pattern.match(html, start, end)
    return start if matched is None else matched.end()
