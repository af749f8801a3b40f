"""Tags: names and values that a message is found by in the caller's own accounts."""

import re

from mailer.input.inspection import Inspection

MAX_TAGS = 20
MAX_VALUE = 256

FIELDS = ("name", "value")
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def read_tags(value: object, pointer: str, inspection: Inspection) -> tuple[tuple[str, str], ...]:
    """Return the tags: each `{name, value}`, or a name alone, whose value is empty then."""
    if not isinstance(value, list):
        inspection.report(pointer, "wrong-type", "Give a list of tags.")
        return ()
    if len(value) > MAX_TAGS:
        inspection.report(pointer, "too-many-tags", f"Give at most {MAX_TAGS} tags.")
        return ()
    tags: dict[str, str] = {}
    for index, item in enumerate(value):
        place = f"{pointer}/{index}"
        if isinstance(item, dict):
            members = inspection.members(item, place, FIELDS)
            name = _read_name(members.get("name"), f"{place}/name", inspection)
            given = members.get("value")
            text = "" if given is None else inspection.text(given, f"{place}/value", maximum=MAX_VALUE)
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
