"""What a dialect is: how requests of another API are said in ours, and our answers in its own shapes.

There is one way to send. A dialect only translates, so everything else (who may, idempotency keys, limits, the ledger)
is what it is for our own requests.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import assert_never

import msgspec

from mailer.api.dialects.translation import Translation
from mailer.api.emails.answers import email_path
from mailer.api.emails.request import read_email
from mailer.api.emails.responses import queued_view, resumed_view, send_view
from mailer.api.exchange import Answer
from mailer.api.problems import error_headers, limit_headers
from mailer.errors import InvalidRequest, MailerError
from mailer.input.inspection import Inspection
from mailer.ledger.idempotency import StoredAnswer
from mailer.ledger.record import State
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.service.sending.accept_emails import Accepted, EmailRequest
from mailer.service.sending.send_email import Replayed, Resumed, SendReport


class ShownSender(msgspec.Struct, frozen=True):
    """Which From was asked for, which is used, and why."""

    used: str | None
    reason: str


class RefusedRecipient(msgspec.Struct, frozen=True):
    """Somebody who does not get the message."""

    recipient: str
    code: int | None
    detail: str


class SendOutcome(msgspec.Struct, frozen=True):
    """What became of a message that was taken, in the words of our own answer; `count` is of copies accepted."""

    id: str
    status: str
    count: int
    transport: str | None = None
    sender: ShownSender | None = msgspec.field(default=None, name="from")
    rejected: tuple[RefusedRecipient, ...] = ()
    diverted_to: str | None = None
    suppressed: bool = False

    def facts(self) -> dict[str, str]:
        """Name what other APIs do not tell, as texts."""
        facts = {"id": self.id, "status": self.status}
        if self.transport is not None:
            facts["transport"] = self.transport
        if self.sender is not None:
            facts["from"] = self.sender.used or ""
            facts["from-reason"] = self.sender.reason
        if self.diverted_to is not None:
            facts["diverted-to"] = self.diverted_to
        if self.suppressed:
            facts["suppressed"] = "true"
        return facts


class Dialect(msgspec.Struct, frozen=True):
    """One route of another API; `fail` answers for a bug of ours, given the request's id.

    `asked` puts what the query says into the body, where the query may have more than the project.
    """

    route: str
    translate: Callable[[object], Translation]
    show: Callable[[SendOutcome], Answer]
    refuse: Callable[[MailerError], Answer]
    fail: Callable[[str], Answer]
    parameters: tuple[str, ...] = ("projectId",)
    asked: Callable[[object, Mapping[str, str]], object] = lambda body, _parameters: body

    def route_of(self, parameters: Mapping[str, str] | None) -> str:
        """Name the route for an idempotency key, with what the query says of the message."""
        said = {name: value for name, value in sorted((parameters or {}).items()) if name != "projectId"}
        return f"{self.route} {said}" if said else self.route


def read_in(dialect: Dialect, value: object) -> tuple[EmailRequest, Translation]:
    """Return the message that a body, decoded, asks for, and how it was translated.

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
    """Raise `InvalidRequest` with the problems of a translation and of what it wrote, if there are any."""
    try:
        with translation.retold():
            inspection.finish()
    except InvalidRequest as error:
        raise InvalidRequest(*_together(translation, error.problems)) from None
    translation.inspection.finish()


def _together(translation: Translation, found: tuple[Problem, ...]) -> list[Problem]:
    """Return the problems of both; what was refused already and so left out has no second one."""
    try:
        translation.inspection.finish()
    except InvalidRequest as error:
        refused = tuple(problem.pointer for problem in error.problems if problem.pointer)
        return [*error.problems, *(each for each in found if not (each.pointer or "").startswith(refused))]
    return list(found)


def outcome_of_send(outcome: SendReport | Accepted | Resumed) -> SendOutcome:
    """Return what became of a message."""
    match outcome:
        case SendReport():
            view = send_view(outcome)
        case Accepted():
            view = queued_view(outcome)
        case Resumed(record):
            view = resumed_view(record)
        case unreachable:
            assert_never(unreachable)
    return msgspec.convert(view, SendOutcome)


def answer_in(
    dialect: Dialect, outcome: SendReport | Accepted | Replayed | Resumed, *, project_id: ProjectId
) -> Answer:
    """Answer a request to send; `Location` is where the message's history is, in our own API.

    Where the original has no place in its body for what became of the message, `Email-Status` says it, and
    `Email-Diverted-To` where a stage that is not production sent it to somebody else.
    """
    if isinstance(outcome, Replayed):
        stored = outcome.answer
        return Answer(stored.status, stored.body, stored.content_type).with_headers(Idempotent_Replayed="true")
    result = outcome_of_send(outcome)
    quota = None if isinstance(outcome, Resumed) else outcome.quota
    return dialect.show(result).with_headers(
        **limit_headers(quota),
        Location=email_path(project_id, result.id),
        Email_Status="suppressed" if result.suppressed else result.status,
        Email_Diverted_To=result.diverted_to,
        Preference_Applied="respond-async" if isinstance(outcome, Accepted) else None,
        Idempotent_Replayed="true" if isinstance(outcome, Resumed) else None,
    )


def stored_in(dialect: Dialect, outcome: SendReport | Accepted | MailerError) -> StoredAnswer:
    """Return what is kept under an idempotency key."""
    given = dialect.refuse(outcome) if isinstance(outcome, MailerError) else dialect.show(outcome_of_send(outcome))
    return StoredAnswer(given.status, given.body, given.content_type)


def retry_headers(error: MailerError) -> Mapping[str, str | None]:
    """Say when the same request may succeed, and how a limit stands."""
    return {name.replace("-", "_"): value for name, value in error_headers(error).items()}


def shown_status(result: SendOutcome) -> HTTPStatus:
    """200 where somebody gets the message or nobody is to, 202 where nobody does yet or nobody can say."""
    return HTTPStatus.OK if result.count or result.status == State.SUPPRESSED else HTTPStatus.ACCEPTED
