"""Requests that end with an error."""

from mailer.errors import LedgerUnavailable, LimitReached, MailerError, ProjectSmtpInvalid, SecretsUnavailable
from mailer.observation.metrics import Metric
from mailer.observation.record import NO_TRANSPORT, Observation


def observe_error(error: MailerError) -> Observation:
    """Log the error's codes, and count it by its kind."""
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
        case LedgerUnavailable():
            counts = {Metric.LEDGER_UNAVAILABLE: 1}
        case LimitReached():
            counts = {Metric.REFUSED_BY_LIMIT: 1}
        case _ if error.failure is None:
            counts = {}
        case _ if error.retryable:
            counts = {Metric.MESSAGES_DEFERRED: 1}
        case _:
            counts = {Metric.MESSAGES_REJECTED: 1}
    if error.failovers:
        counts[Metric.FAILOVERS] = len(error.failovers)
    return Observation("request refused", fields, error.transport or NO_TRANSPORT, counts)
