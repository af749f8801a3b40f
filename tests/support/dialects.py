"""Parses a dialect's body: the message, or each problem with its pointer."""

import json
from typing import Any

from mailer.api.dialects.dialect import Dialect, read_in_dialect
from mailer.api.emails.responses import SentEmail
from mailer.api.exchange import Answer
from mailer.errors import InvalidRequest
from mailer.message.draft import Draft


def draft_of(dialect: Dialect, body: object) -> Draft:
    """Return the message of a valid body."""
    return read_in_dialect(dialect, body)[0].draft


def problems_of(dialect: Dialect, body: object) -> dict[str | None, str]:
    """Return the code of each problem by its pointer; empty if the body is valid."""
    try:
        read_in_dialect(dialect, body)
    except InvalidRequest as error:
        return {problem.pointer: problem.code for problem in error.problems}
    return {}


def body_of(answer: Answer) -> Any:
    """Return an answer's body."""
    return json.loads(answer.body)


def sent(id: str, status: str, count: int, **members: Any) -> SentEmail:
    """Return our own answer to a request to send."""
    empty = dict.fromkeys(("accepted", "rejected", "deferred"), ())
    unknown = dict.fromkeys(("transport", "message_id", "sender", "next_attempt_at"))
    return SentEmail(id=id, status=status, count=count, **{**empty, **unknown, **members})
