"""Requests to send: the log line and the metrics of each outcome."""

from collections.abc import Sequence
from typing import assert_never

from mailer.ledger.record import State
from mailer.observation.messages import record_fields
from mailer.observation.metrics import Metric
from mailer.observation.observation import NO_TRANSPORT, Observation
from mailer.observation.verdicts import recipient_domains, reply_codes, verdict_counts
from mailer.service.sending.accept_emails import Accepted, BatchItem
from mailer.service.sending.send_email import Replayed, Resumed, SendReport


def observe_report(report: SendReport, *, project_id: str, subject: str) -> Observation:
    """Audit a sent message: its decision, and its verdicts by code and domain."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "id": report.id,
        "status": report.status.value,
        "transport": report.transport.value,
        "from_reason": report.decision.sender.reason.value,
        "from_domain": report.decision.sender.used.address.domain,
        "recipients": len(report.verdicts),
        "recipient_domains": recipient_domains(report.verdicts),
        "reply_codes": reply_codes(report.verdicts),
    }
    if report.target.version_id is not None:
        fields["version_id"] = report.target.version_id
    counts = verdict_counts(report.verdicts)
    if report.record.diverted_to is not None:
        fields["is_diverted"] = True
    if report.status is State.HELD:
        counts[Metric.MESSAGES_HELD] = 1
    if report.record.failovers:
        counts[Metric.FAILOVERS] = len(report.record.failovers)
    if report.status is State.SUPPRESSED:
        counts[Metric.MESSAGES_SUPPRESSED] = 1
    return Observation("message sent", fields, report.transport.value, counts)


def observe_accepted(accepted: Accepted, *, project_id: str, subject: str) -> Observation:
    """Audit a queued message: how it would leave now."""
    decision = accepted.decision
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "id": accepted.id,
        "transport": decision.first.transport.value,
        "from_reason": decision.sender.reason.value,
        "from_domain": decision.sender.used.address.domain,
    }
    if decision.first.version_id is not None:
        fields["version_id"] = decision.first.version_id
    return Observation("message queued", fields, decision.first.transport.value, {Metric.MESSAGES_QUEUED: 1})


def observe_batch(items: Sequence[BatchItem], *, project_id: str, subject: str) -> Observation:
    """Audit a batch: which messages are queued, and why the others are not."""
    queued = [item.id for item in items if item.is_new]
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "ids": queued,
        "known": sum(item.id is not None for item in items) - len(queued),
        "not_accepted": sum(item.id is None for item in items),
        "error_codes": sorted({item.code for item in items if item.code is not None}),
    }
    counts = {Metric.MESSAGES_QUEUED: len(queued)} if queued else {}
    return Observation("batch queued", fields, NO_TRANSPORT, counts)


def observe_repeated(repeated: Replayed | Resumed, *, project_id: str, subject: str) -> Observation:
    """Log that an earlier request with the same key was served already."""
    fields: dict[str, object] = {"project_id": project_id, "subject": subject}
    match repeated:
        case Replayed(stored):
            fields["http_status"] = stored.status
        case Resumed(record):
            fields |= record_fields(record, project_id, subject)
        case unreachable:
            assert_never(unreachable)
    return Observation("request served before", fields)
