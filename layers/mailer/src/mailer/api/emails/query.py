"""Parse requests about recorded messages: the id of a message, or the query of a page."""

import re
from collections.abc import Mapping

import msgspec

from mailer.api.access import unknown_parameters
from mailer.errors import InvalidRequest, NotFound
from mailer.input.inspection import MAX_PROBLEMS
from mailer.ledger.record import State
from mailer.problem import Problem

MAX_LIMIT = 100
DEFAULT_LIMIT = 25

ID_PATTERN = re.compile(r"[0-9a-f]{32}\Z")
_LIMIT = re.compile(r"[1-9][0-9]{0,2}\Z")
CURSOR_PATTERN = re.compile(r"[A-Za-z0-9._=-]{1,200}\Z")
PARAMETERS = ("status", "cursor", "limit")
# A claimed message is shown as being sent.
STATUSES = tuple(state for state in State if state is not State.CLAIMED)


class PageQuery(msgspec.Struct, frozen=True):
    """The query of a page: the state of its messages, the cursor to start after, and the length of the page."""

    state: State | None
    cursor: str | None
    limit: int


def parse_email_id(text: str) -> str:
    """Return the id of a message; raises `NotFound` if it is malformed."""
    if not ID_PATTERN.match(text):
        raise NotFound
    return text


def demand_no_body(body: bytes | str) -> None:
    """Refuse a body that is not empty; raises `InvalidRequest`. An empty object is allowed."""
    if body.strip() not in ("", "{}", b"", b"{}"):
        raise InvalidRequest(Problem("unexpected-body", "Remove the body: this request has none.", pointer=""))


def parse_page_query(parameters: Mapping[str, str]) -> PageQuery:
    """Return the requested page; raises `InvalidRequest` with every invalid parameter."""
    problems = unknown_parameters(parameters, PARAMETERS)
    status, cursor = parameters.get("status"), parameters.get("cursor")
    state = next((each for each in STATUSES if each.value == status), None)
    if status is not None and state is None:
        problems.append(Problem("unknown-value", f"Give one of {', '.join(STATUSES)}.", parameter="status"))
    if cursor is not None and not CURSOR_PATTERN.match(cursor):
        problems.append(cursor_problem())
    limit = read_limit(parameters, problems)
    if problems:
        raise InvalidRequest(*problems[:MAX_PROBLEMS])
    return PageQuery(state, cursor, limit)


def read_limit(parameters: Mapping[str, str], problems: list[Problem]) -> int:
    """Return the length of a page; an invalid `limit` is added to `problems`."""
    limit = parameters.get("limit", str(DEFAULT_LIMIT))
    if not _LIMIT.match(limit) or int(limit) > MAX_LIMIT:
        problems.append(Problem("out-of-range", f"Give a number from 1 to {MAX_LIMIT}.", parameter="limit"))
        return 0
    return int(limit)


def cursor_problem() -> Problem:
    """Return the problem of a malformed cursor."""
    return Problem(
        "cursor-malformed",
        "Give the cursor from the answer with the previous page, or leave it out for the first page.",
        parameter="cursor",
    )
