"""What a worker's look at a message leaves in the log and in the metrics: ids, codes, counts and domains."""

from mailer.ledger.record import Record, State
from mailer.observation.observation import Observation, recipient_domains, reply_codes, verdict_counts
from mailer.service.sending.decide import TransportName
from mailer.service.sending.deliver_email import Delivered
from mailer.service.sending.sweep import SweepResult
from mailer.smtp.outcome import Attempt, Cause, Deferred
from mailer.system_email.poison import plain_request_id

_COUNT_OF_STATE = {
    State.HELD: "MessagesHeld",
    State.EXPIRED: "MessagesExpired",
    State.FAILED: "MessagesFailed",
    State.UNKNOWN: "MessagesUnknown",
    State.SUPPRESSED: "MessagesSuppressed",
}
_NO_TRANSPORT = "none"


def observe_delivery(delivered: Delivered, *, project_id: str | None, id: str) -> Observation:
    """Say what a look came to."""
    fields: dict[str, object] = {"project_id": project_id, "id": id, "result": delivered.result.value}
    if delivered.record is None:
        return Observation("message looked at", fields)
    fields |= _record_fields(delivered.record)
    if delivered.attempt is None:
        return Observation("message looked at", fields, _transport(delivered.record), _state_counts(delivered.record))
    verdicts = delivered.attempt.verdicts
    fields["recipient_domains"] = recipient_domains(verdicts)
    fields["reply_codes"] = reply_codes(verdicts)
    counts = verdict_counts(verdicts)
    if delivered.record.state is State.HELD:
        counts["MessagesHeld"] = 1
    if delivered.failovers:
        counts["Failovers"] = delivered.failovers
    if _is_throttled(delivered.record, delivered.attempt):
        counts["ServerThrottled"] = 1
    return Observation("message attempted", fields, _transport(delivered.record), counts)


def observe_settled(record: Record) -> Observation:
    """Say what time alone has decided about a message."""
    fields: dict[str, object] = {"project_id": record.project_id, "id": record.id, **_record_fields(record)}
    return Observation("message settled by the clock", fields, _transport(record), _state_counts(record))


def observe_sweep(round_: SweepResult) -> Observation:
    """Say what a round of the clock came to."""
    fields = {
        "queued": round_.queued,
        "settled": len(round_.settled),
        "failed": round_.failed,
        "has_more": round_.has_more,
    }
    return Observation("clock went round", fields)


def _record_fields(record: Record) -> dict[str, object]:
    fields: dict[str, object] = {
        "status": record.state.value,
        "transport": record.transport,
        "reason": record.reason,
        "attempts": len(record.attempts),
        "recipients": len(record.recipients),
        "type": record.origin,
        "request_id": plain_request_id(record.request_id),
    }
    if record.diverted_to is not None:
        fields["is_diverted"] = True
    if record.attempts:
        fields["version_id"] = record.attempts[-1].version_id
    return {name: value for name, value in fields.items() if value is not None}


def _state_counts(record: Record) -> dict[str, int]:
    name = _COUNT_OF_STATE.get(record.state)
    return {name: 1} if name is not None else {}


def _is_throttled(record: Record, attempt: Attempt) -> bool:
    return record.transport == TransportName.SERVER_SES.value and any(
        isinstance(verdict, Deferred) and verdict.failure.cause is Cause.THROTTLED
        for verdict in attempt.verdicts.values()
    )


def _transport(record: Record) -> str:
    return record.transport or _NO_TRANSPORT
