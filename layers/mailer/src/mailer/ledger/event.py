"""Events that the service publishes: ids, codes and tags, but no subject, body, address, link or secret."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from mailer.ledger.health import Health, HealthState
from mailer.ledger.record import AttemptRecord, AttemptResult, PassedOver, PassReason, Record, State
from mailer.project import ProjectId
from mailer.smtp.outcome import Cause, Phase, Rejected, Unknown, Verdict

SOURCE = "project-smtp"
# The result of a provider that was not asked.
PASSED_OVER = "passed-over"
_PLAIN_REQUEST_ID = re.compile(r"[A-Za-z0-9._:#+-]{1,256}\Z")


class EventName(StrEnum):
    """The detail-types."""

    EMAIL_SENT = "EmailSent"
    EMAIL_REJECTED = "EmailRejected"
    EMAIL_DEFERRED = "EmailDeferred"
    EMAIL_OUTCOME_UNKNOWN = "EmailOutcomeUnknown"
    EMAIL_HELD = "EmailHeld"
    EMAIL_RELEASED = "EmailReleased"
    EMAIL_EXPIRED = "EmailExpired"
    EMAIL_CANCELLED = "EmailCancelled"
    EMAIL_FAILED = "EmailFailed"
    EMAIL_SUPPRESSED = "EmailSuppressed"
    PROJECT_SMTP_VERIFIED = "ProjectSmtpVerified"
    PROJECT_SMTP_INVALID = "ProjectSmtpInvalid"


class Event(msgspec.Struct, frozen=True):
    """One event: its detail-type and its detail."""

    name: EventName
    detail: Mapping[str, object] = field(default_factory=dict)


def _one_of(values: Iterable[str]) -> Meta:
    return Meta(extra_json_schema={"enum": [str(value) for value in values]})


class Tag(msgspec.Struct, frozen=True):
    """A tag of a message."""

    name: str
    value: str


type FailoverResult = Annotated[str, _one_of((*AttemptResult, PASSED_OVER))]
type FailoverCause = Annotated[str, _one_of((*Cause, *PassReason))]


class Failover(msgspec.Struct, frozen=True):
    """A provider that did not accept the message, or was passed over; `code` is its reply code."""

    provider: str | None
    result: FailoverResult | None
    cause: FailoverCause | None
    code: int | None


class EmailDetail(msgspec.Struct, frozen=True, rename="camel"):
    """The detail of the events about a message: counts of recipients and attempts, and the last attempt's failure.

    If some recipients were accepted and others were not, the status is `partially_sent` and the counts say how many.
    """

    id: str
    status: State
    recipients: int
    accepted: int
    rejected: int
    unknown: int
    attempts: int
    project_id: ProjectId | UnsetType = UNSET
    type: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    transport: str | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    tags: list[Tag] | UnsetType = UNSET
    diverted: bool | UnsetType = UNSET
    failovers: list[Failover] | UnsetType = UNSET
    phase: Phase | UnsetType = UNSET
    cause: Cause | UnsetType = UNSET
    code: int | UnsetType = UNSET
    enhanced_code: str | UnsetType | None = UNSET


class EntryProblem(msgspec.Struct, frozen=True):
    """A problem of the project's secret."""

    code: str
    entry: str | None


class HealthDetail(msgspec.Struct, frozen=True, rename="camel"):
    """The detail of the events about a project's configuration; `versionId` is that of the secret."""

    project_id: ProjectId
    state: HealthState
    version_id: str | None
    problems: list[EntryProblem]


_NAME_OF_STATE = {
    State.SENT: EventName.EMAIL_SENT,
    State.PARTIALLY_SENT: EventName.EMAIL_SENT,
    State.REJECTED: EventName.EMAIL_REJECTED,
    State.FAILED: EventName.EMAIL_FAILED,
    State.CANCELLED: EventName.EMAIL_CANCELLED,
    State.DEFERRED: EventName.EMAIL_DEFERRED,
    State.UNKNOWN: EventName.EMAIL_OUTCOME_UNKNOWN,
    State.HELD: EventName.EMAIL_HELD,
    State.EXPIRED: EventName.EMAIL_EXPIRED,
    State.SUPPRESSED: EventName.EMAIL_SUPPRESSED,
}


def detail_type(name: EventName) -> type[EmailDetail | HealthDetail]:
    """Return the type of an event's detail."""
    return HealthDetail if name.value.startswith("Project") else EmailDetail


def email_event(record: Record) -> Event | None:
    """Return the event of a message's state; None for states that are not published."""
    name = _NAME_OF_STATE.get(record.state)
    return None if name is None else Event(name, _email_detail(record))


def released_event(record: Record) -> Event:
    """Return the event of a held message that was released."""
    return Event(EventName.EMAIL_RELEASED, _email_detail(record))


def health_event(project_id: ProjectId, health: Health, name: EventName) -> Event:
    """Return the event of a validation."""
    problems = [EntryProblem(problem.code, problem.entry) for problem in health.problems]
    detail = HealthDetail(project_id, health.state, health.version_id, problems)
    return Event(name, msgspec.to_builtins(detail))


def _email_detail(record: Record) -> Mapping[str, object]:
    failure = record.attempts[-1].failure if record.attempts else None
    reply = failure.reply if failure is not None else None
    detail = EmailDetail(
        id=record.id,
        status=record.state,
        recipients=len(record.recipients),
        accepted=record.accepted,
        rejected=_count(record, Rejected),
        unknown=_count(record, Unknown),
        attempts=len(record.attempts),
        project_id=_set(record.project_id),
        type=_set(record.origin),
        request_id=_set(plain_request_id(record.request_id)),
        transport=_set(record.transport),
        message_id=_set(record.message_id),
        reason=_set(record.reason),
        tags=[Tag(name, value) for name, value in record.tags] or UNSET,
        diverted=UNSET if record.diverted_to is None else True,
        failovers=[failover(each) for each in record.failovers] or UNSET,
        phase=UNSET if failure is None else failure.phase,
        cause=UNSET if failure is None else failure.cause,
        code=UNSET if reply is None else reply.code,
        enhanced_code=UNSET if reply is None else reply.enhanced_code,
    )
    built: Mapping[str, object] = msgspec.to_builtins(detail)
    return built


def plain_request_id(value: object) -> str | None:
    """Return the id of a request; None if it could be an address or a link, so that no log or event may show it."""
    return value if isinstance(value, str) and _PLAIN_REQUEST_ID.match(value) else None


def _count(record: Record, verdict: type[Verdict]) -> int:
    return sum(isinstance(each, verdict) for each in record.verdicts.values())


def _set[T](value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def failover(attempt: AttemptRecord | PassedOver) -> Failover:
    """Describe an attempt that was followed by the next provider, or a provider that was passed over."""
    if isinstance(attempt, PassedOver):
        return Failover(attempt.provider, PASSED_OVER, attempt.reason, None)
    failure = attempt.failure
    cause, code = (failure.cause, failure.code) if failure is not None else (None, None)
    return Failover(attempt.provider, attempt.result, cause, code)
