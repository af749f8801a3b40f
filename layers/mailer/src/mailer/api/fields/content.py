"""Subjects and bodies in requests. Bodies may contain tabs and line ends, but no other control characters."""

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from mailer.input.inspection import Inspection
from mailer.message.draft import MAX_SUBJECT

type SubjectField = Annotated[
    str, Meta(min_length=1, max_length=MAX_SUBJECT, description="One line without control characters.")
]
type TextField = Annotated[str, Meta(description="Tabs and line ends are the only control characters.")]

_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_subject(members: Mapping[str, object], inspection: Inspection) -> str | None:
    """Return the subject; None if it is absent or invalid."""
    if "subject" not in members:
        return None
    return inspection.text(members["subject"], "/subject", maximum=MAX_SUBJECT)


def read_body(members: Mapping[str, object], name: str, inspection: Inspection) -> str | None:
    """Return a text or HTML body without changes; None if it is absent or invalid."""
    if name not in members:
        return None
    value = members[name]
    if not isinstance(value, str):
        inspection.report(f"/{name}", "wrong-type", "Give a string.")
    elif _CONTROL_IN_TEXT.search(value):
        inspection.report(f"/{name}", "control-character", "Remove control characters other than tabs and line ends.")
    else:
        return value
    return None
