"""Counts, domains and reply codes of an attempt's verdicts."""

from collections.abc import Mapping

from mailer.message.address import Address
from mailer.observation.metrics import Metric
from mailer.smtp.outcome import Accepted, Deferred, Rejected, RelayError, Unknown, Verdict


def verdict_counts(verdicts: Mapping[Address, Verdict]) -> dict[Metric, int]:
    """Count the verdicts as metrics; a count of zero is left out."""
    counted = {
        Metric.MESSAGES_ACCEPTED: sum(isinstance(verdict, Accepted) for verdict in verdicts.values()),
        Metric.MESSAGES_REJECTED: sum(isinstance(verdict, Rejected | RelayError) for verdict in verdicts.values()),
        Metric.MESSAGES_DEFERRED: sum(isinstance(verdict, Deferred) for verdict in verdicts.values()),
        Metric.MESSAGES_UNKNOWN: sum(isinstance(verdict, Unknown) for verdict in verdicts.values()),
    }
    return {name: value for name, value in counted.items() if value}


def recipient_domains(verdicts: Mapping[Address, Verdict]) -> list[str]:
    """List the domains of the recipients, sorted."""
    return sorted({recipient.domain.lower() for recipient in verdicts})


def reply_codes(verdicts: Mapping[Address, Verdict]) -> list[int]:
    """List the reply codes, sorted."""
    codes = set()
    for verdict in verdicts.values():
        reply = verdict.reply if isinstance(verdict, Accepted) else verdict.failure.reply
        if reply is not None:
            codes.add(reply.code)
    return sorted(codes)
