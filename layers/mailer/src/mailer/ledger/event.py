"""Events for the bus: ids, codes and tags; no subject, body, address, link or secret."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec import field

from mailer.ledger.health import Health
from mailer.ledger.record import AttemptRecord, Record, State
from mailer.project import ProjectId

SOURCE = "project-smtp"


class EventName(StrEnum):
    """The events' detail-types."""

    EMAIL_SENT = "EmailSent"
    EMAIL_REJECTED = "EmailRejected"
    EMAIL_DEFERRED = "EmailDeferred"
    EMAIL_OUTCOME_UNKNOWN = "EmailOutcomeUnknown"
    EMAIL_HELD = "EmailHeld"
    EMAIL_RELEASED = "EmailReleased"
    EMAIL_EXPIRED = "EmailExpired"
    EMAIL_SUPPRESSED = "EmailSuppressed"
    PROJECT_SMTP_VERIFIED = "ProjectSmtpVerified"
    PROJECT_SMTP_INVALID = "ProjectSmtpInvalid"


class Event(msgspec.Struct, frozen=True):
    """One event: its detail-type and its detail."""

    name: EventName
    detail: Mapping[str, object] = field(default_factory=dict)


_NAME_OF_STATE = {
    State.SENT: EventName.EMAIL_SENT,
    State.PARTIALLY_SENT: EventName.EMAIL_SENT,
    State.REJECTED: EventName.EMAIL_REJECTED,
    State.FAILED: EventName.EMAIL_REJECTED,
    State.DEFERRED: EventName.EMAIL_DEFERRED,
    State.UNKNOWN: EventName.EMAIL_OUTCOME_UNKNOWN,
    State.HELD: EventName.EMAIL_HELD,
    State.EXPIRED: EventName.EMAIL_EXPIRED,
    State.SUPPRESSED: EventName.EMAIL_SUPPRESSED,
}


def email_event(record: Record) -> Event | None:
    """Return the event of a message's new state; None for states without one."""
    name = _NAME_OF_STATE.get(record.state)
    return None if name is None else Event(name, _email_detail(record))


def released_event(record: Record) -> Event:
    """Return the event of a held message that was put back into the queue."""
    return Event(EventName.EMAIL_RELEASED, _email_detail(record))


def health_event(project_id: ProjectId, health: Health, name: EventName) -> Event:
    """Return the event of a project's new health."""
    return Event(
        name,
        {
            "projectId": project_id,
            "state": health.state.value,
            "versionId": health.version_id,
            "problems": [{"code": problem.code, "entry": problem.entry} for problem in health.problems],
        },
    )


def failovers_detail(failovers: Sequence[AttemptRecord]) -> list[dict[str, object]]:
    """Describe the attempts that were followed by the next provider."""
    return [
        {
            "provider": each.provider,
            "result": each.result.value if each.result is not None else None,
            "cause": each.failure.cause.value if each.failure is not None else None,
            "code": each.failure.reply.code if each.failure is not None and each.failure.reply is not None else None,
        }
        for each in failovers
    ]


def _email_detail(record: Record) -> dict[str, object]:
    detail: dict[str, object] = {
        "id": record.id,
        "status": record.state.value,
        "recipients": len(record.recipients),
        "accepted": record.accepted,
        "attempts": len(record.attempts),
    }
    optional = {
        "projectId": record.project_id,
        "type": record.origin,
        "requestId": record.request_id,
        "transport": record.transport,
        "messageId": record.message_id,
        "reason": record.reason,
    }
    detail.update({name: value for name, value in optional.items() if value is not None})
    if record.tags:
        detail["tags"] = [{"name": name, "value": value} for name, value in record.tags]
    if record.diverted_to is not None:
        detail["diverted"] = True
    if record.failovers:
        detail["failovers"] = failovers_detail(record.failovers)
    failure = record.attempts[-1].failure if record.attempts else None
    if failure is not None:
        detail["phase"] = failure.phase.value
        detail["cause"] = failure.cause.value
        if failure.reply is not None:
            detail["code"] = failure.reply.code
            detail["enhancedCode"] = failure.reply.enhanced_code
    return detail
