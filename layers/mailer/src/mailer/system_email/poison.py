"""The failure queue's record of a refused event.

It has enough to find the event's producer, and no link, code, address or person's name.
"""

import re
from collections.abc import Mapping

from mailer.errors import InvalidRequest
from mailer.ledger.event import plain_request_id
from mailer.problem import Problem
from mailer.project import parse_project_id
from mailer.system_email.event import LINK_NOT_ALLOWED, UNKNOWN_EVENT_TYPE, decode_event

# These patterns match the values that EventBridge writes. They match no link and no address.
_NAME = re.compile(r"[A-Za-z0-9._/-]{1,256}\Z")
_POINTER = re.compile(r"(?:/[A-Za-z0-9_-]{1,64})*\Z")
# An event of an unknown type may be about something else, so its fields do not matter.
_REASONS = (UNKNOWN_EVENT_TYPE, LINK_NOT_ALLOWED)
_TIME = re.compile(r"[0-9TZ:.+-]{1,40}\Z", re.IGNORECASE)


def poison_record(body: bytes | str, problems: tuple[Problem, ...]) -> Mapping[str, object]:
    """Return the reason and the problems of a refused event, and its ids and names from `identify`."""
    codes = [problem.code for problem in problems]
    return {
        # These problems are the most important, so the first of them is the reason.
        "reason": next((code for code in _REASONS if code in codes), codes[0]),
        "problems": [
            {"pointer": _shown(problem.pointer), "code": problem.code, "detail": problem.detail} for problem in problems
        ],
        **identify(body),
    }


def identify(body: bytes | str) -> dict[str, str]:
    """Return the ids and names of the event that are readable and well formed."""
    try:
        envelope = decode_event(body)
    except InvalidRequest:
        return {}
    detail = envelope.get("detail")
    members = detail if isinstance(detail, Mapping) else {}
    project_id = members.get("projectId")
    found = {
        "eventId": _matching(_NAME, envelope.get("id")),
        "detailType": _matching(_NAME, envelope.get("detail-type")),
        "source": _matching(_NAME, envelope.get("source")),
        "time": _matching(_TIME, envelope.get("time")),
        "requestId": plain_request_id(members.get("requestId")),
        "projectId": parse_project_id(project_id) if isinstance(project_id, str) else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _shown(pointer: str | None) -> str:
    """Return the pointer; if the field's name may be a value, the pointer of its parent."""
    if pointer is None or _POINTER.match(pointer):
        return pointer or ""
    return _shown(pointer.rpartition("/")[0])


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.match(value) else None
