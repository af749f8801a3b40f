"""Medplum's send API: `POST /email/v1/send` takes Nodemailer's message options and answers with OperationOutcomes.

Its client repeats what ended with 429 or 5xx. So what failed for good is 400 here, as it is there, and only what
provably left nothing behind is 503.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

from mailer.api.dialects.dialect import Dialect, SendOutcome, retry_headers, shown_status
from mailer.api.dialects.nodemailer import FIELDS, REFUSED, translate_options
from mailer.api.dialects.translation import Translation
from mailer.api.exchange import Answer, answer
from mailer.api.problems import STATUS
from mailer.errors import Forbidden, InvalidRequest, MailerError, ProjectSmtpInvalid
from mailer.problem import Problem

ROUTE = "POST /email/v1/send"

_FAILED = frozenset((HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.FAILED_DEPENDENCY, HTTPStatus.BAD_GATEWAY))
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


def translate(body: object) -> Translation:
    """Say message options in our words."""
    translation = Translation()
    options = translation.members(body, "", FIELDS, REFUSED)
    translate_options(options, "", translation)
    return translation


def show(result: SendOutcome) -> Answer:
    """Answer All OK; what Medplum keeps to itself is in extensions, and who does not get the message in warnings."""
    status = shown_status(result)
    is_sent = status is HTTPStatus.OK
    text = "All OK" if is_sent else "Accepted"
    issues: list[object] = [{"severity": "information", "code": "informational", "details": {"text": text}}]
    issues += [
        {"severity": "warning", "code": "processing", "details": {"text": f"Not accepted: {refused.recipient}"}}
        for refused in result.rejected
    ]
    outcome = {
        "resourceType": "OperationOutcome",
        "id": "ok" if is_sent else "accepted",
        "extension": _extensions(result.facts()),
        "issue": issues,
    }
    return answer(outcome, status)


def refuse(error: MailerError) -> Answer:
    """Answer with one issue for each problem."""
    status = STATUS[error.code]
    if status in _FAILED:
        status = HTTPStatus.BAD_REQUEST
    issues: list[object] = [_issue(status, *_told(problem)) for problem in _problems(error)]
    if not isinstance(error, InvalidRequest):
        issues.insert(0, _issue(status, _text(error)))
    facts = {"code": error.code, "retryable": str(error.retryable).lower()}
    outcome = {"resourceType": "OperationOutcome", "extension": _extensions(facts), "issue": issues}
    return answer(outcome, status).with_headers(**retry_headers(error))


def fail(instance: str) -> Answer:
    """Answer for a bug of ours; 400, because the client would repeat a 500, and the message may have left."""
    text = "Error sending email: something broke on our side, and the message may or may not have left."
    issue = _issue(HTTPStatus.BAD_REQUEST, text) | {"code": "exception", "diagnostics": instance}
    facts = {"code": "internal-error", "retryable": "false"}
    outcome = {"resourceType": "OperationOutcome", "extension": _extensions(facts), "issue": [issue]}
    return answer(outcome, HTTPStatus.BAD_REQUEST)


def _problems(error: MailerError) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, InvalidRequest | ProjectSmtpInvalid) else ()


def _text(error: MailerError) -> str:
    match error:
        case ProjectSmtpInvalid():
            return "Project SMTP configuration is incomplete or invalid"
        case Forbidden():
            return "Only project administrators can send emails"
        case _ if error.failure is not None:
            return f"Error sending email: {error.detail}"
        case _:
            return error.detail


def _told(problem: Problem) -> tuple[str, str | None]:
    if problem.entry is not None:
        return f"{problem.entry}: {problem.detail}", None
    pointer = problem.pointer or ""
    if problem.code in _EMPTY and pointer in _TEXTS:
        return _TEXTS[pointer], pointer[1:]
    expression = _INDEX.sub(r"[\1]", pointer).replace("/", ".").lstrip(".")
    return problem.detail, expression or None


def _issue(status: HTTPStatus, text: str, expression: str | None = None) -> dict[str, object]:
    issue: dict[str, object] = {
        "severity": "error",
        "code": _ISSUE_TYPES.get(status, "invalid"),
        "details": {"text": text},
    }
    if expression is not None:
        issue["expression"] = [expression]
    return issue


def _extensions(facts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"url": f"urn:project-smtp:{name}", "valueString": fact} for name, fact in facts.items()]


DIALECT = Dialect(ROUTE, translate, show, refuse, fail)
