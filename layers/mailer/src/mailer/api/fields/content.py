"""Subjects and bodies in requests: nobody looks into them, but control characters have no meaning in mail."""

import re
from collections.abc import Mapping

from mailer.input.inspection import Inspection
from mailer.message.draft import MAX_SUBJECT

_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_subject(members: Mapping[str, object], inspection: Inspection) -> str | None:
    """Return the subject, None where it is absent."""
    if "subject" not in members:
        return None
    return inspection.text(members["subject"], "/subject", maximum=MAX_SUBJECT)


def read_body(members: Mapping[str, object], name: str, inspection: Inspection) -> str | None:
    """Return a text or an HTML body as it is, None where it is absent."""
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
