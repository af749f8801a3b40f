"""Errors as HTTP callers see them: problem documents (RFC 9457), and which status each error has.

One rule for callers: a 4xx is not repeated as it is, but a 409 that says it is retryable; a 503 may be.
"""

from collections.abc import Mapping
from http import HTTPStatus

from mailer.api.verdicts import deferred_view, diversion_view, failovers_view, rejected_view, smtp_view
from mailer.errors import KeyInFlight, LimitReached, MailerError, RecipientsRejected, RelayDeferred
from mailer.ledger.limits import QuotaStatus
from mailer.problem import Problem

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 30
# A request is served within half a minute; most are within two seconds.
IN_FLIGHT_RETRY_AFTER_SECONDS = 3

# By code: what `mailer.errors` has, and nothing else.
STATUS: Mapping[str, HTTPStatus] = {
    "invalid-request": HTTPStatus.BAD_REQUEST,
    "project-smtp-invalid": HTTPStatus.BAD_REQUEST,
    "not-found": HTTPStatus.NOT_FOUND,
    "forbidden": HTTPStatus.FORBIDDEN,
    "project-smtp-disabled": HTTPStatus.FORBIDDEN,
    "sender-not-approved": HTTPStatus.FORBIDDEN,
    "idempotency-key-in-flight": HTTPStatus.CONFLICT,
    "email-state-conflict": HTTPStatus.CONFLICT,
    "configuration-changed": HTTPStatus.CONFLICT,
    "limit-reached": HTTPStatus.TOO_MANY_REQUESTS,
    "template-not-found": HTTPStatus.NOT_FOUND,
    "template-changed": HTTPStatus.PRECONDITION_FAILED,
    "message-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "idempotency-key-reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "recipients-rejected": HTTPStatus.UNPROCESSABLE_ENTITY,
    "message-rejected": HTTPStatus.UNPROCESSABLE_ENTITY,
    "relay-auth-rejected": HTTPStatus.FAILED_DEPENDENCY,
    "relay-tls-failed": HTTPStatus.FAILED_DEPENDENCY,
    "relay-host-blocked": HTTPStatus.FAILED_DEPENDENCY,
    "server-transport-failed": HTTPStatus.BAD_GATEWAY,
    "relay-unreachable": HTTPStatus.SERVICE_UNAVAILABLE,
    "relay-deferred": HTTPStatus.SERVICE_UNAVAILABLE,
    "secrets-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "ledger-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "content-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}

_TITLES: Mapping[str, str] = {
    "invalid-request": "The request is invalid",
    "project-smtp-invalid": "The project's SMTP configuration is invalid",
    "not-found": "Not found",
    "forbidden": "The token does not allow this",
    "project-smtp-disabled": "Project relays are switched off",
    "sender-not-approved": "The sender is not approved",
    "idempotency-key-in-flight": "A request with this key is being served",
    "email-state-conflict": "The message's state does not allow this",
    "configuration-changed": "The project's configuration has changed meanwhile",
    "limit-reached": "A limit is reached",
    "template-not-found": "There is no such template",
    "template-changed": "The template is not as expected",
    "message-too-large": "The message is too large",
    "idempotency-key-reused": "The key stands for another request",
    "recipients-rejected": "Every recipient was rejected",
    "message-rejected": "The message was rejected",
    "relay-auth-rejected": "The relay rejected the credentials",
    "relay-tls-failed": "The relay could not be reached over verified TLS",
    "relay-host-blocked": "The relay's host is not allowed",
    "server-transport-failed": "The platform's transport cannot send",
    "relay-unreachable": "The relay is unreachable",
    "relay-deferred": "The relay did not accept the message yet",
    "secrets-unavailable": "The project's configuration cannot be read now",
    "ledger-unavailable": "Nothing can be written down now",
    "content-unavailable": "The message cannot be kept for later now",
}


def retry_after_seconds(error: MailerError) -> int | None:
    """Return when the same request may succeed, None where it will not."""
    if not error.retryable:
        return None
    if isinstance(error, LimitReached):
        return error.retry_after
    return IN_FLIGHT_RETRY_AFTER_SECONDS if isinstance(error, KeyInFlight) else RETRY_AFTER_SECONDS


def limit_headers(quota: QuotaStatus | None) -> dict[str, str]:
    """Show how the limit stands that leaves least; nothing where no limit is counted."""
    if quota is None:
        return {}
    return {
        "RateLimit-Limit": str(quota.counter.limit.maximum),
        "RateLimit-Remaining": str(quota.remaining),
        "RateLimit-Reset": str(quota.resets_in),
    }


def error_headers(error: MailerError) -> dict[str, str]:
    """Return what an error's answer has besides its document: when to repeat, and how a limit stands."""
    seconds = retry_after_seconds(error)
    headers = {"Retry-After": str(seconds)} if seconds is not None else {}
    return headers | limit_headers(error.quota if isinstance(error, LimitReached) else None)


def problem_document(error: MailerError, *, instance: str) -> dict[str, object]:
    """Describe the error; `instance` is the id of the request."""
    document: dict[str, object] = {
        "type": f"/problems/{error.code}",
        "title": _TITLES[error.code],
        "status": int(STATUS[error.code]),
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "retryable": error.retryable,
    }
    if error.problems:
        document["problems"] = [problem_view(problem) for problem in error.problems]
    if error.failure is not None:
        document["smtp"] = smtp_view(error.failure)
    document |= diversion_view(error.diverted_to) | failovers_view(error.failovers)
    match error:
        case RecipientsRejected(verdicts=verdicts) | RelayDeferred(verdicts=verdicts):
            for name, view in (("rejected", rejected_view(verdicts)), ("deferred", deferred_view(verdicts))):
                if view:
                    document[name] = view
        case _:
            pass
    return document


def internal_problem(*, instance: str) -> dict[str, object]:
    """Describe a bug of ours: nothing about it is the caller's to know but its id."""
    return {
        "type": "/problems/internal-error",
        "title": "Internal error",
        "status": int(HTTPStatus.INTERNAL_SERVER_ERROR),
        "detail": "Something broke on our side; a message may or may not have left. Quote `instance` to the operator.",
        "instance": instance,
        "code": "internal-error",
        "retryable": False,
    }


def problem_view(problem: Problem) -> dict[str, str]:
    """Show one problem: its place, its code, its remedy."""
    view = {"code": problem.code, "detail": problem.detail}
    if problem.entry is not None:
        view["entry"] = problem.entry
    if problem.pointer is not None:
        view["pointer"] = problem.pointer
    if problem.parameter is not None:
        view["parameter"] = problem.parameter
    return view
