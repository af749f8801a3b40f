"""What a request leaves in the log and in the metrics: ids, codes, counts and domains, never an address or a text."""

from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec
from msgspec import field

from mailer.errors import LedgerUnavailable, LimitReached, MailerError, ProjectSmtpInvalid, SecretsUnavailable
from mailer.ledger.record import Record, State
from mailer.message.address import Address
from mailer.service.configuring.check_configuration import CheckStatus, ValidationReport
from mailer.service.configuring.show_configuration import ConfigurationView
from mailer.service.sending.accept_emails import Accepted as Queued
from mailer.service.sending.accept_emails import BatchItem
from mailer.service.sending.decide import ByProviders
from mailer.service.sending.manage_email import Retried
from mailer.service.sending.send_email import Replayed, Resumed, SendReport
from mailer.smtp.outcome import Accepted, Deferred, Rejected, RelayError, Unknown, Verdict
from mailer.template.template import TemplateSummary

_NO_TRANSPORT = "none"


class Observation(msgspec.Struct, frozen=True):
    """One log line and the metrics that go with it; `message` is a constant."""

    message: str
    fields: Mapping[str, object]
    transport: str = _NO_TRANSPORT
    counts: Mapping[str, int] = field(default_factory=dict)


def observe_report(report: SendReport, *, project_id: str, subject: str) -> Observation:
    """Say what a message that left came to; the audit line of the decision."""
    route = report.decision.route
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
    if isinstance(route, ByProviders):
        fields["version_id"] = route.version_id
    counts = verdict_counts(report.verdicts)
    if report.record.diverted_to is not None:
        fields["is_diverted"] = True
    if report.status is State.HELD:
        counts["MessagesHeld"] = 1
    if report.record.failovers:
        counts["Failovers"] = len(report.record.failovers)
    if report.status is State.SUPPRESSED:
        counts["MessagesSuppressed"] = 1
    return Observation("message sent", fields, report.transport.value, counts)


def observe_error(error: MailerError, *, project_id: str, subject: str) -> Observation:
    """Say why a request ended without a message accepted."""
    fields: dict[str, object] = {"project_id": project_id, "subject": subject, "error_code": error.code}
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
            counts = {"RefusedByConfiguration": 1}
        case LedgerUnavailable():
            counts = {"LedgerUnavailable": 1}
        case LimitReached():
            counts = {"RefusedByLimit": 1}
        case _ if error.failure is None:
            counts = {}
        case _ if error.retryable:
            counts = {"MessagesDeferred": 1}
        case _:
            counts = {"MessagesRejected": 1}
    if error.failovers:
        counts["Failovers"] = len(error.failovers)
    return Observation("request refused", fields, error.transport or _NO_TRANSPORT, counts)


def observe_accepted(accepted: Queued, *, project_id: str, subject: str) -> Observation:
    """Say that a message is queued; the audit line of what the decision would be now."""
    decision = accepted.decision
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "id": accepted.id,
        "transport": decision.first.transport.value,
        "from_reason": decision.sender.reason.value,
        "from_domain": decision.sender.used.address.domain,
    }
    if isinstance(decision.route, ByProviders):
        fields["version_id"] = decision.route.version_id
    return Observation("message queued", fields, decision.first.transport.value, {"MessagesQueued": 1})


def observe_batch(items: Sequence[BatchItem], *, project_id: str, subject: str) -> Observation:
    """Say how many messages of a batch are queued now, and which."""
    queued = [item.id for item in items if item.is_new]
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "ids": queued,
        "known": sum(item.id is not None for item in items) - len(queued),
        "not_accepted": sum(item.id is None for item in items),
        "error_codes": sorted({item.code for item in items if item.code is not None}),
    }
    return Observation("batch queued", fields, counts={"MessagesQueued": len(queued)} if queued else {})


def observe_repeated(repeated: Replayed | Resumed, *, project_id: str, subject: str) -> Observation:
    """Say that a request had been served before."""
    fields: dict[str, object] = {"project_id": project_id, "subject": subject}
    match repeated:
        case Replayed(stored):
            fields["http_status"] = stored.status
        case Resumed(record):
            fields |= _record_fields(record, project_id, subject)
        case unreachable:
            assert_never(unreachable)
    return Observation("request served before", fields)


def observe_retried(retried: Retried, *, project_id: str, subject: str) -> Observation:
    """Say who asked for a message to be tried once more."""
    fields = _record_fields(retried.record, project_id, subject) | {"may_duplicate": retried.may_duplicate}
    return Observation("message retried", fields, retried.record.transport or _NO_TRANSPORT, {"MessagesQueued": 1})


def observe_cancelled(record: Record, *, project_id: str, subject: str) -> Observation:
    """Say who asked for a message not to be tried any more."""
    fields = _record_fields(record, project_id, subject)
    return Observation("message cancelled", fields, record.transport or _NO_TRANSPORT, {"MessagesCancelled": 1})


def _record_fields(record: Record, project_id: str, subject: str) -> dict[str, object]:
    return {"project_id": project_id, "subject": subject, "id": record.id, "status": record.state.value}


def observe_validation(report: ValidationReport, *, project_id: str, subject: str) -> Observation:
    """Say which check a configuration failed."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "version_id": report.version_id,
        "valid": report.is_valid,
        "failed_checks": [check.name.value for check in report.checks if check.status is CheckStatus.FAILED],
    }
    return Observation("configuration validated", fields)


def observe_change(view: ConfigurationView, *, project_id: str, subject: str) -> Observation:
    """Say who changed a configuration, and to which version; the audit line of the change."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "version_id": view.version_id,
        "state": view.state.value,
        "entries": sorted(view.entries),
    }
    return Observation("configuration changed", fields)


def observe_template(
    summary: TemplateSummary, *, project_id: str, subject: str, is_removed: bool = False
) -> Observation:
    """Say who wrote or removed a template; the audit line of the change."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "template": summary.name,
        "etag": summary.etag,
    }
    return Observation("template removed" if is_removed else "template stored", fields)


def verdict_counts(verdicts: Mapping[Address, Verdict]) -> dict[str, int]:
    """Count copies by what became of them, as metrics."""
    counted = {
        "MessagesAccepted": sum(isinstance(verdict, Accepted) for verdict in verdicts.values()),
        "MessagesRejected": sum(isinstance(verdict, Rejected | RelayError) for verdict in verdicts.values()),
        "MessagesDeferred": sum(isinstance(verdict, Deferred) for verdict in verdicts.values()),
        "MessagesUnknown": sum(isinstance(verdict, Unknown) for verdict in verdicts.values()),
    }
    return {name: value for name, value in counted.items() if value}


def recipient_domains(verdicts: Mapping[Address, Verdict]) -> list[str]:
    """Name where the message goes, and no one there."""
    return sorted({recipient.domain.lower() for recipient in verdicts})


def reply_codes(verdicts: Mapping[Address, Verdict]) -> list[int]:
    """List the reply codes that were met."""
    codes = set()
    for verdict in verdicts.values():
        reply = verdict.reply if isinstance(verdict, Accepted) else verdict.failure.reply
        if reply is not None:
            codes.add(reply.code)
    return sorted(codes)
