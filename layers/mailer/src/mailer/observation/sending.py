"""Requests to send, retry or cancel, and refused requests: the log line and the metrics of each outcome."""

from collections.abc import Sequence

from mailer.errors import (
    AcceptanceUnknown,
    AttemptFailed,
    LedgerUnavailable,
    LimitReached,
    MailerError,
    ProjectSmtpInvalid,
    RelayPaused,
    SecretsUnavailable,
)
from mailer.ledger.record import Record, State
from mailer.message.address import Address
from mailer.observation.metrics import Metric
from mailer.observation.record import NO_TRANSPORT, Observation
from mailer.observation.verdicts import recipient_domains, reply_codes, verdict_counts
from mailer.service.sending.accept_emails import Accepted, BatchItem
from mailer.service.sending.decide import Decision, Target
from mailer.service.sending.forget_address import Forgotten
from mailer.service.sending.manage_email import Retried
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_outcome import SendReport


def observe_report(report: SendReport) -> Observation:
    """Return the audit line of a sent message: its decision, reply codes and recipients' domains."""
    fields = _decision_fields(report.decision, report.target) | {
        "id": report.id,
        "status": report.status.value,
        "recipients": len(report.verdicts),
        "recipient_domains": recipient_domains(report.verdicts),
        "reply_codes": reply_codes(report.verdicts),
    }
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


def observe_accepted(accepted: Accepted) -> Observation:
    """Return the audit line of a queued message, with the way it would be sent now."""
    decision = accepted.decision
    fields = _decision_fields(decision, decision.first) | {"id": accepted.id}
    return Observation("message queued", fields, decision.first.transport.value, {Metric.MESSAGES_QUEUED: 1})


def observe_batch(items: Sequence[BatchItem]) -> Observation:
    """Return the audit line of a batch: the queued messages, and the error codes of the others."""
    queued = [item.id for item in items if item.is_new]
    fields: dict[str, object] = {
        "ids": queued,
        "known": sum(item.is_queued for item in items) - len(queued),
        "unconfirmed": [item.id for item in items if item.id is not None and item.code is not None],
        "not_accepted": sum(item.id is None for item in items),
        "error_codes": sorted({item.code for item in items if item.code is not None}),
    }
    counts = {Metric.MESSAGES_QUEUED: len(queued)} if queued else {}
    return Observation("batch queued", fields, NO_TRANSPORT, counts)


def observe_repeated(repeated: Replayed | Resumed) -> Observation:
    """Return the line of a repeated request, which gets the result of an earlier request with the same key."""
    if isinstance(repeated, Replayed):
        return Observation("request served before", {"http_status": repeated.answer.status})
    return Observation("request served before", _record_fields(repeated.record))


def observe_retried(retried: Retried) -> Observation:
    """Return the audit line of a retried message."""
    fields = _record_fields(retried.record) | {"may_duplicate": retried.may_duplicate}
    return Observation("message retried", fields, retried.record.transport or NO_TRANSPORT, {Metric.MESSAGES_QUEUED: 1})


def observe_cancelled(record: Record) -> Observation:
    """Return the audit line of a cancelled message."""
    fields = _record_fields(record)
    return Observation("message cancelled", fields, record.transport or NO_TRANSPORT, {Metric.MESSAGES_CANCELLED: 1})


def observe_forgotten(forgotten: Forgotten, address: Address) -> Observation:
    """Return the audit line of a forgotten address: its domain, and how many messages were erased."""
    fields: dict[str, object] = {
        "recipient_domain": address.domain.lower(),
        "erased": forgotten.erased,
        "waiting": forgotten.waiting,
        "is_complete": forgotten.cursor is None,
    }
    counts = {Metric.MESSAGES_CANCELLED: forgotten.cancelled} if forgotten.cancelled else {}
    return Observation("address forgotten", fields, NO_TRANSPORT, counts)


def observe_error(error: MailerError) -> Observation:
    """Return the line of a refused request: the codes of its error, and the metrics for that kind of error."""
    fields: dict[str, object] = {"error_code": error.code}
    if error.problems:
        fields["problem_codes"] = sorted({problem.code for problem in error.problems})
    if error.failure is not None:
        fields["phase"] = error.failure.phase.value
        fields["cause"] = error.failure.cause.value
        if error.failure.reply is not None:
            fields["reply_code"] = error.failure.reply.code
            fields["enhanced_code"] = error.failure.reply.enhanced_code
    match error:
        case ProjectSmtpInvalid() | SecretsUnavailable():
            counts: dict[Metric, int] = {Metric.REFUSED_BY_CONFIGURATION: 1}
        case LedgerUnavailable() | AcceptanceUnknown():
            counts = {Metric.LEDGER_UNAVAILABLE: 1}
        case LimitReached():
            counts = {Metric.REFUSED_BY_LIMIT: 1}
        case RelayPaused():
            counts = {Metric.REFUSED_BY_BREAKER: 1}
        case AttemptFailed():
            counts = verdict_counts(error.verdicts)
        case _:
            counts = {}
    if error.failovers:
        counts[Metric.FAILOVERS] = len(error.failovers)
    return Observation("request refused", fields, error.transport or NO_TRANSPORT, counts)


def _record_fields(record: Record) -> dict[str, object]:
    return {"id": record.id, "status": record.state.value}


def _decision_fields(decision: Decision, target: Target) -> dict[str, object]:
    fields: dict[str, object] = {
        "transport": target.transport.value,
        "from_reason": decision.sender.reason.value,
        "from_domain": decision.sender.used.address.domain,
    }
    return fields if target.version_id is None else fields | {"version_id": target.version_id}
