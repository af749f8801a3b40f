"""Medplum's send API: `POST /email/v1/send` takes Nodemailer's message options and answers with OperationOutcomes.

Its client repeats a request after 429 and 5xx. So the status of a final failure is 400, as at Medplum, and 503 means
that provably nothing was accepted.
"""

import re
from collections.abc import Mapping
from copy import replace
from http import HTTPStatus
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body
from mailer.api.dialects.dialect import Dialect, facts, retry_headers
from mailer.api.dialects.nodemailer import REFUSED, MessageOptions, translate_options
from mailer.api.dialects.translation import Translation
from mailer.api.emails.responses import SendResult, SentEmail, result_status
from mailer.api.exchange import Answer, answer
from mailer.api.problems import InternalError, status_of
from mailer.api.route import ErrorShape
from mailer.errors import Forbidden, InvalidRequest, MailerError, ProjectSmtpInvalid
from mailer.problem import Problem

ROUTE = "POST /email/v1/send"

# Errors with these statuses get 400, as at Medplum.
_ANSWERED_400 = frozenset(
    (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.FAILED_DEPENDENCY,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
)
_TEXTS = {"/to": "To is required", "/subject": "Subject is required"}
_EMPTY = frozenset(("required", "blank", "address-empty"))
_ISSUE_TYPES: Mapping[int, str] = {
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-long",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
    HTTPStatus.SERVICE_UNAVAILABLE: "transient",
}
_INDEX = re.compile(r"/(\d+)(?=/|\Z)")


class Extension(Body, frozen=True, kw_only=True, rename="camel"):
    """A fact for which FHIR has no member; `url` is `urn:project-smtp:` and the fact's name."""

    url: str
    value_string: str


class Details(Body, frozen=True):
    """The text of an issue."""

    text: str


class Issue(Body, frozen=True, kw_only=True):
    """One issue of an OperationOutcome; `expression` names the place in the request."""

    severity: Literal["information", "warning", "error"]
    code: str
    details: Details
    expression: tuple[str, ...] | UnsetType = UNSET
    diagnostics: str | UnsetType = UNSET


class OperationOutcome(Body, frozen=True, kw_only=True, rename="camel"):
    """FHIR's OperationOutcome, as in Medplum's answers."""

    resource_type: Literal["OperationOutcome"] = "OperationOutcome"
    id: str | UnsetType = UNSET
    extension: tuple[Extension, ...]
    issue: Annotated[tuple[Issue, ...], Meta(min_length=1)]


def translate(body: object) -> Translation:
    """Translate message options."""
    translation = Translation()
    options = translation.members(body, "", MessageOptions, REFUSED)
    translate_options(options, "", translation)
    return translation


def show(result: SendResult) -> Answer:
    """Answer `All OK` or `Accepted`, with a warning for each recipient that was refused."""
    status = result_status(result)
    is_sent = status is HTTPStatus.OK
    refused = result.rejected if isinstance(result, SentEmail) else ()
    outcome = OperationOutcome(
        id="ok" if is_sent else "accepted",
        extension=_extensions(facts(result)),
        issue=(
            Issue(severity="information", code="informational", details=Details("All OK" if is_sent else "Accepted")),
            *(
                Issue(severity="warning", code="processing", details=Details(f"Not accepted: {each.recipient}"))
                for each in refused
            ),
        ),
    )
    return answer(outcome, status)


def refuse(error: MailerError, instance: str = "") -> Answer:
    """Answer with one issue for each problem.

    After a bug the status is 400: the client would repeat the request after 500, but the message may have been sent.
    """
    status = _status_of(error.code)
    issues = [_issue(status, *_described(problem)) for problem in _problems(error)]
    if not isinstance(error, InvalidRequest):
        issues.insert(0, _issue(status, _text(error)))
    if isinstance(error, InternalError):
        issues = [replace(issues[0], code="exception", diagnostics=instance)]
    extension = _extensions({"code": error.code, "retryable": str(error.retryable).lower()})
    return answer(OperationOutcome(extension=extension, issue=tuple(issues)), status).with_headers(
        **retry_headers(error)
    )


def _status_of(code: str) -> HTTPStatus:
    status = status_of(code)
    return HTTPStatus.BAD_REQUEST if status in _ANSWERED_400 else status


def _problems(error: MailerError) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, InvalidRequest | ProjectSmtpInvalid) else ()


def _text(error: MailerError) -> str:
    match error:
        case ProjectSmtpInvalid():
            return "Project SMTP configuration is incomplete or invalid"
        case Forbidden():
            return "Only project administrators can send emails"
        case _ if error.failure is not None or isinstance(error, InternalError):
            return f"Error sending email: {error.detail}"
        case _:
            return error.detail


def _described(problem: Problem) -> tuple[str, str | None]:
    if problem.entry is not None:
        return f"{problem.entry}: {problem.detail}", None
    pointer = problem.pointer or ""
    if problem.code in _EMPTY and pointer in _TEXTS:
        return _TEXTS[pointer], pointer[1:]
    expression = _INDEX.sub(r"[\1]", pointer).replace("/", ".").lstrip(".")
    return problem.detail, expression or None


def _issue(status: HTTPStatus, text: str, expression: str | None = None) -> Issue:
    return Issue(
        severity="error",
        code=_ISSUE_TYPES.get(status, "invalid"),
        details=Details(text),
        expression=UNSET if expression is None else (expression,),
    )


def _extensions(named: Mapping[str, str]) -> tuple[Extension, ...]:
    return tuple(Extension(url=f"urn:project-smtp:{name}", value_string=fact) for name, fact in named.items())


DIALECT = Dialect(
    name="Medplum",
    route=ROUTE,
    summary="Send a message with Nodemailer's options",
    request=MessageOptions,
    answers={200: OperationOutcome, 202: OperationOutcome},
    translate=translate,
    show=show,
    errors=ErrorShape(refuse, OperationOutcome, statuses=lambda code: (_status_of(code),)),
)
