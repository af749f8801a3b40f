"""Requests about stored messages: retries and cancellations."""

from mailer.ledger.record import Record
from mailer.observation.metrics import Metric
from mailer.observation.observation import NO_TRANSPORT, Observation
from mailer.service.sending.manage_email import Retried


def observe_retried(retried: Retried, *, project_id: str, subject: str) -> Observation:
    """Audit who retried a message."""
    fields = record_fields(retried.record, project_id, subject) | {"may_duplicate": retried.may_duplicate}
    return Observation("message retried", fields, retried.record.transport or NO_TRANSPORT, {Metric.MESSAGES_QUEUED: 1})


def observe_cancelled(record: Record, *, project_id: str, subject: str) -> Observation:
    """Audit who cancelled a message."""
    fields = record_fields(record, project_id, subject)
    return Observation("message cancelled", fields, record.transport or NO_TRANSPORT, {Metric.MESSAGES_CANCELLED: 1})


def record_fields(record: Record, project_id: str, subject: str) -> dict[str, object]:
    """Return the fields that name a message and its caller."""
    return {"project_id": project_id, "subject": subject, "id": record.id, "status": record.state.value}
