"""Errors as API callers see them: problem documents (RFC 9457), and the status of each error.

Callers may repeat a request only if the answer says `retryable`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body, ErrorStatus, fill, one_of
from mailer.api.checks import CheckResult
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.verdicts import (
    DivertedTo,
    Failover,
    RefusedRecipient,
    SmtpFailure,
    diversion_view,
    failovers_view,
    refused_view,
    smtp_view,
)
from mailer.errors import KeyInFlight, LimitReached, MailerError, RecipientsRejected, RelayDeferred, RelayPaused
from mailer.ledger.limits import QuotaStatus
from mailer.smtp.outcome import Deferred, Rejected, RelayError

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 30
# A request takes at most half a minute; most take less than two seconds.
IN_FLIGHT_RETRY_AFTER_SECONDS = 3

INTERNAL_ERROR = "internal-error"


class InternalError(MailerError):
    """A bug. The caller gets only the request's id, and must not repeat: the message may have been sent."""

    code = INTERNAL_ERROR
    detail = "The service failed. The message may or may not have been sent."


# The status and the title of each error in `mailer.errors`, by its code.
_ERRORS: Mapping[str, tuple[HTTPStatus, str]] = {
    "invalid-request": (HTTPStatus.BAD_REQUEST, "The request is invalid"),
    "project-smtp-invalid": (HTTPStatus.BAD_REQUEST, "The project's SMTP configuration is invalid"),
    "not-found": (HTTPStatus.NOT_FOUND, "Not found"),
    "forbidden": (HTTPStatus.FORBIDDEN, "The token does not allow this"),
    "project-smtp-disabled": (HTTPStatus.FORBIDDEN, "Project relays are switched off"),
    "sender-not-approved": (HTTPStatus.FORBIDDEN, "The sender is not approved"),
    "idempotency-key-in-flight": (HTTPStatus.CONFLICT, "A request with this Idempotency-Key is still in progress"),
    "email-state-conflict": (HTTPStatus.CONFLICT, "The message's state does not allow this"),
    "configuration-changed": (HTTPStatus.CONFLICT, "The project's configuration has changed"),
    "limit-reached": (HTTPStatus.TOO_MANY_REQUESTS, "A limit is reached"),
    "template-not-found": (HTTPStatus.NOT_FOUND, "The template does not exist"),
    "template-changed": (HTTPStatus.PRECONDITION_FAILED, "The template has changed"),
    "message-too-large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The message is too large"),
    "idempotency-key-reused": (HTTPStatus.UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for another request"),
    "recipients-rejected": (HTTPStatus.UNPROCESSABLE_ENTITY, "Every recipient was rejected"),
    "message-rejected": (HTTPStatus.UNPROCESSABLE_ENTITY, "The message was rejected"),
    "relay-auth-rejected": (HTTPStatus.FAILED_DEPENDENCY, "The relay rejected the credentials"),
    "relay-tls-failed": (HTTPStatus.FAILED_DEPENDENCY, "The relay could not be reached over verified TLS"),
    "relay-host-blocked": (HTTPStatus.FAILED_DEPENDENCY, "The relay's host is not allowed"),
    "server-transport-failed": (HTTPStatus.BAD_GATEWAY, "The platform's transport cannot send"),
    "relay-unreachable": (HTTPStatus.SERVICE_UNAVAILABLE, "The relay is unreachable"),
    "relay-deferred": (HTTPStatus.SERVICE_UNAVAILABLE, "The relay refused temporarily"),
    "secrets-unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "The project's configuration cannot be read"),
    "ledger-unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "The ledger is unavailable"),
    "acceptance-unknown": (HTTPStatus.GATEWAY_TIMEOUT, "It is not known whether the message is stored"),
    "content-unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "The message cannot be stored"),
}
STATUS: Mapping[str, HTTPStatus] = {code: status for code, (status, _title) in _ERRORS.items()}

type ErrorCode = Annotated[str, one_of((*STATUS, INTERNAL_ERROR), "See docs/problems.md.")]
type _StoppingChecks = Annotated[
    tuple[CheckResult, ...], Meta(description="The checks of the validation that stopped a configuration change.")
]


class ProblemDocument(Body, frozen=True, kw_only=True):
    """A problem document (RFC 9457)."""

    type: Annotated[str, Meta(description="/problems/ and the code.")]
    title: str
    status: ErrorStatus
    detail: Annotated[str, Meta(description="What is wrong and what to do.")]
    instance: Annotated[str, Meta(description="The id of the request.")]
    code: ErrorCode
    retryable: Annotated[bool, Meta(description="Whether the same request may succeed later.")]
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    smtp: SmtpFailure | UnsetType = UNSET
    diverted_to: DivertedTo | UnsetType = UNSET
    failovers: tuple[Failover, ...] | UnsetType = UNSET
    rejected: tuple[RefusedRecipient, ...] | UnsetType = UNSET
    deferred: tuple[RefusedRecipient, ...] | UnsetType = UNSET
    checks: _StoppingChecks | UnsetType = UNSET


def status_of(code: str) -> HTTPStatus:
    """Return the status of an error's code; an unknown code is an internal error."""
    return STATUS.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)


def retry_after_seconds(error: MailerError) -> int | None:
    """Return the seconds after which to repeat the request; None if the error is not retryable."""
    if not error.retryable:
        return None
    if isinstance(error, LimitReached | RelayPaused):
        return error.retry_after
    return IN_FLIGHT_RETRY_AFTER_SECONDS if isinstance(error, KeyInFlight) else RETRY_AFTER_SECONDS


def limit_headers(quota: QuotaStatus | None) -> dict[str, str]:
    """Return the RateLimit headers of a limit; empty if no limit applies."""
    if quota is None:
        return {}
    return {
        "RateLimit-Limit": str(quota.counter.limit.maximum),
        "RateLimit-Remaining": str(quota.remaining),
        "RateLimit-Reset": str(quota.resets_in),
    }


def error_headers(error: MailerError) -> dict[str, str]:
    """Return the headers of an error: Retry-After, and RateLimit headers if a limit is reached."""
    seconds = retry_after_seconds(error)
    headers = {"Retry-After": str(seconds)} if seconds is not None else {}
    return headers | limit_headers(error.quota if isinstance(error, LimitReached) else None)


def problem_document(error: MailerError, *, instance: str) -> ProblemDocument:
    """Describe an error; `instance` is the id of the request."""
    verdicts = error.verdicts if isinstance(error, RecipientsRejected | RelayDeferred) else {}
    status, title = _ERRORS.get(error.code, (HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error"))
    report = " Report `instance` to the operator." if isinstance(error, InternalError) else ""
    return fill(
        ProblemDocument,
        error,
        type=f"/problems/{error.code}",
        title=title,
        status=int(status),
        detail=error.detail + report,
        instance=instance,
        problems=problem_views(error.problems) or None,
        smtp=smtp_view(error.failure) if error.failure is not None else None,
        diverted_to=diversion_view(error.diverted_to),
        failovers=failovers_view(error.failovers),
        rejected=refused_view(verdicts, Rejected, RelayError) or None,
        deferred=refused_view(verdicts, Deferred) or None,
    )
