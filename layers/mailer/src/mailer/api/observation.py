"""What a request leaves in the log and in the metrics: ids, codes, counts and domains, never an address or a text."""

from collections.abc import Mapping

import msgspec
from msgspec import field

from mailer.address import Address
from mailer.errors import MailerError, ProjectSmtpInvalid, SecretsUnavailable
from mailer.outcome import Accepted, Deferred, Rejected, RelayError, Unknown, Verdict
from mailer.service.check_configuration import CheckStatus, Examination
from mailer.service.decide import ByRelay
from mailer.service.send_email import SendReport

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
        "transport": report.decision.transport.value,
        "from_reason": report.decision.sender.reason.value,
        "from_domain": report.decision.sender.used.address.domain,
        "recipients": len(report.verdicts),
        "recipient_domains": recipient_domains(report.verdicts),
        "reply_codes": reply_codes(report.verdicts),
    }
    if isinstance(route, ByRelay):
        fields["version_id"] = route.version_id
    return Observation("message sent", fields, report.decision.transport.value, verdict_counts(report.verdicts))


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
        case _ if error.failure is None:
            counts = {}
        case _ if error.retryable:
            counts = {"MessagesDeferred": 1}
        case _:
            counts = {"MessagesRejected": 1}
    return Observation("message not sent", fields, error.transport or _NO_TRANSPORT, counts)


def observe_examination(examination: Examination, *, project_id: str, subject: str) -> Observation:
    """Say which check a configuration failed."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "version_id": examination.version_id,
        "valid": examination.is_valid,
        "failed_checks": [check.name.value for check in examination.checks if check.status is CheckStatus.FAILED],
    }
    return Observation("configuration examined", fields)


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
