"""Deliveries from the queue, and the sweep."""

from mailer.ledger.event import plain_request_id
from mailer.ledger.record import Record, State
from mailer.observation.metrics import Metric
from mailer.observation.record import NO_TRANSPORT, Observation
from mailer.observation.verdicts import recipient_domains, reply_codes, verdict_counts
from mailer.service.sending.decide import TransportName
from mailer.service.sending.deliver_email import Delivered
from mailer.service.sending.sweep import SweepResult
from mailer.smtp.outcome import Cause, Deferred

_COUNT_OF_STATE = {
    State.HELD: Metric.MESSAGES_HELD,
    State.EXPIRED: Metric.MESSAGES_EXPIRED,
    State.FAILED: Metric.MESSAGES_FAILED,
    State.UNKNOWN: Metric.MESSAGES_UNKNOWN,
    State.SUPPRESSED: Metric.MESSAGES_SUPPRESSED,
}


def observe_delivery(delivered: Delivered, *, project_id: str | None, id: str) -> Observation:
    """Return the line of a delivery; the metrics count its verdicts or, without an attempt, its new state."""
    fields: dict[str, object] = {"project_id": project_id, "id": id, "result": delivered.result.value}
    record, attempt = delivered.record, delivered.attempt
    if record is None:
        return Observation("message checked", fields)
    fields |= _record_fields(record)
    transport = record.transport or NO_TRANSPORT
    if attempt is None:
        return Observation("message checked", fields, transport, _state_counts(record))
    fields["recipient_domains"] = recipient_domains(attempt.verdicts)
    fields["reply_codes"] = reply_codes(attempt.verdicts)
    counts = verdict_counts(attempt.verdicts)
    if record.state is State.HELD:
        counts[Metric.MESSAGES_HELD] = 1
    if delivered.failovers:
        counts[Metric.FAILOVERS] = delivered.failovers
    if record.transport == TransportName.SERVER_SES.value and any(
        isinstance(verdict, Deferred) and verdict.failure.cause is Cause.THROTTLED
        for verdict in attempt.verdicts.values()
    ):
        counts[Metric.SERVER_THROTTLED] = 1
    return Observation("message attempted", fields, transport, counts)


def observe_settled(record: Record) -> Observation:
    """Return the line of a message that the sweep has settled."""
    fields: dict[str, object] = {"project_id": record.project_id, "id": record.id, **_record_fields(record)}
    return Observation("message settled by the sweep", fields, record.transport or NO_TRANSPORT, _state_counts(record))


def observe_sweep(swept: SweepResult) -> Observation:
    """Return the line of a finished sweep."""
    fields = {
        "queued": swept.queued,
        "settled": len(swept.settled),
        "failed": swept.failed,
        "has_more": swept.has_more,
        "released": swept.released,
    }
    counts = {Metric.RECORDS_UNREADABLE: swept.failed, Metric.MESSAGES_RELEASED: swept.released}
    return Observation("sweep finished", fields, counts={name: count for name, count in counts.items() if count})


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


def _state_counts(record: Record) -> dict[Metric, int]:
    name = _COUNT_OF_STATE.get(record.state)
    return {name: 1} if name is not None else {}
