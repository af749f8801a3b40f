"""Tags: names and values that callers give to their messages."""

import re
from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, field_names, matches
from mailer.input.inspection import Inspection

MAX_TAGS = 20
MAX_VALUE = 256

NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

type TagName = Annotated[str, matches(NAME_PATTERN.pattern)]


class TagBody(Body, frozen=True, kw_only=True):
    """A tag of a message."""

    name: TagName
    value: Annotated[str, Meta(min_length=1, max_length=MAX_VALUE)] | None = None


type TagsField = Annotated[list[TagName | TagBody], Meta(max_length=MAX_TAGS, description="Each name is allowed once.")]


def read_tags(value: object, pointer: str, inspection: Inspection) -> tuple[tuple[str, str], ...]:
    """Return the tags. A tag without a value has an empty value."""
    tags: dict[str, str] = {}
    for index, item in enumerate(inspection.items(value, pointer, maximum=MAX_TAGS, name="tags")):
        place = f"{pointer}/{index}"
        if isinstance(item, dict):
            members = inspection.members(item, place, field_names(TagBody))
            name = _read_name(members.get("name"), f"{place}/name", inspection)
            value_text = members.get("value")
            text = "" if value_text is None else inspection.text(value_text, f"{place}/value", maximum=MAX_VALUE)
        else:
            name, text = _read_name(item, place, inspection), ""
        if name is None or text is None:
            continue
        if name in tags:
            inspection.report(place, "duplicate-tag", "Give each name once.")
        tags[name] = text
    return tuple(tags.items())


def _read_name(value: object, pointer: str, inspection: Inspection) -> str | None:
    if value is None:
        inspection.report(pointer, "required", "Give the tag's name.")
    elif not isinstance(value, str):
        inspection.report(pointer, "wrong-type", "Give a tag as its name, or as an object of name and value.")
    elif not NAME_PATTERN.match(value):
        inspection.report(pointer, "name-malformed", "A name has 1 to 64 letters, digits, underscores and hyphens.")
    else:
        return value
    return None
