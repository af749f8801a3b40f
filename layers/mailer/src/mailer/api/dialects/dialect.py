"""A dialect: it translates the requests of another API into ours, and our answers into the shapes of that API.

Everything else (tokens, idempotency keys, limits, the ledger) is the same as for our own requests.
"""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from mailer.api.body import Body, present
from mailer.api.dialects.translation import Translation
from mailer.api.emails.answers import answer_replayed, answer_result
from mailer.api.emails.request import read_email
from mailer.api.emails.responses import QueuedEmail, SendResult
from mailer.api.exchange import Answer
from mailer.api.problems import error_headers
from mailer.api.route import ErrorShape
from mailer.errors import InvalidRequest, MailerError
from mailer.input.inspection import Inspection
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.service.sending.accept_emails import Accepted, EmailRequest
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_outcome import SendReport


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One route of another API.

    `name` is the API's name. `check_path` raises if a parameter of the path is not allowed. `with_query` adds query
    parameters to the body; only a route with more of them than `projectId` needs it.
    Only the documentation reads `summary`, `request` (the type of the JSON body) and `answers` (types by status).
    """

    name: str
    route: str
    summary: str
    request: type[Body]
    answers: Mapping[int, type[Body]]
    translate: Callable[[object], Translation]
    show: Callable[[SendResult], Answer]
    errors: ErrorShape
    parameters: tuple[str, ...] = ("projectId",)
    check_path: Callable[[Mapping[str, str]], None] = lambda _parameters: None
    with_query: Callable[[object, Mapping[str, str]], object] = lambda body, _parameters: body

    def route_of(self, parameters: Mapping[str, str] | None) -> str:
        """Return the route's name for a fingerprint, with the query parameters except `projectId`."""
        named = {name: value for name, value in sorted((parameters or {}).items()) if name != "projectId"}
        return f"{self.route} {named}" if named else self.route


def read_in_dialect(dialect: Dialect, value: object) -> tuple[EmailRequest, Translation]:
    """Translate a decoded body; return its message and the translation.

    Raises `InvalidRequest` with every problem, each at its place in the body.
    """
    translation = dialect.translate(value)
    if not isinstance(value, dict):
        translation.inspection.finish()
    inspection = Inspection()
    request = read_email(translation.value, inspection)
    finish(translation, inspection)
    return request, translation


def finish(translation: Translation, inspection: Inspection) -> None:
    """Raise `InvalidRequest` if the translation or the request that it wrote has problems."""
    try:
        with translation.translated_problems():
            inspection.finish()
    except InvalidRequest as error:
        raise InvalidRequest(*_all_problems(translation, error.problems)) from None
    translation.inspection.finish()


def _all_problems(translation: Translation, found: tuple[Problem, ...]) -> list[Problem]:
    """Return all problems. A member that the translation refused gets no second problem from `found`."""
    try:
        translation.inspection.finish()
    except InvalidRequest as error:
        refused = tuple(problem.pointer for problem in error.problems if problem.pointer)
        return [*error.problems, *(each for each in found if not (each.pointer or "").startswith(refused))]
    return list(found)


def facts(result: SendResult) -> dict[str, str]:
    """Return, as strings, the members of our own answer that other APIs do not have."""
    named = {
        "id": result.id,
        "status": result.status,
        "transport": result.transport,
        "from": result.sender.used if result.sender is not None else None,
        "from-reason": result.sender.reason if result.sender is not None else None,
        "diverted-to": present(result.diverted_to),
        "suppressed": "true" if is_suppressed(result) else None,
    }
    return {name: fact for name, fact in named.items() if fact is not None}


def is_suppressed(result: SendResult) -> bool:
    """Tell whether the message was queued on a stage that sends no messages."""
    return isinstance(result, QueuedEmail) and result.suppressed is True


def answer_in_dialect(
    dialect: Dialect, outcome: SendReport | Accepted | Replayed | Resumed, *, project_id: ProjectId
) -> Answer:
    """Answer a request to send.

    Headers have the values for which the bodies of other APIs have no members. `Location` is the path of the message's
    history in our own API. `Email-Status` is the message's status. `Email-Diverted-To` is the address that gets the
    message on a stage that is not production.
    """
    if isinstance(outcome, Replayed):
        return answer_replayed(outcome.answer)
    return answer_result(outcome, partial(_show, dialect), project_id=project_id)


def _show(dialect: Dialect, result: SendResult) -> Answer:
    return dialect.show(result).with_headers(
        Email_Status="suppressed" if is_suppressed(result) else result.status,
        Email_Diverted_To=present(result.diverted_to),
    )


def retry_headers(error: MailerError) -> Mapping[str, str | None]:
    """Return Retry-After and the RateLimit headers of an error."""
    return {name.replace("-", "_"): value for name, value in error_headers(error).items()}
