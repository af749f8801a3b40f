"""Map an attempt that delivered nothing to the error that the caller gets."""

from collections.abc import Mapping

from mailer.diagnosis.diagnosis import Diagnosis
from mailer.diagnosis.relay import diagnose_provider
from mailer.errors import (
    AttemptContext,
    AttemptFailed,
    MessageRejected,
    MessageTooLarge,
    RecipientsRejected,
    RelayDeferred,
    RelayMisconfigured,
    RelayUnreachable,
    ServerTransportFailed,
)
from mailer.ledger.record import Record
from mailer.message.address import Address
from mailer.problem import Problem
from mailer.relay.provider import Provider
from mailer.service.sending.decide import Target
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, RelayError, Verdict

type Verdicts = Mapping[Address, Verdict]
# RFC 3463: message too big for system, message length exceeds administrative limit.
_TOO_LARGE_CODES = frozenset({"5.3.4", "5.2.3"})
# RFC 1870 has 552. Courier writes enhanced status codes as reply codes: 534 is 5.3.4, and 523 is 5.2.3.
_SIZE_REFUSED_AT_MAIL = frozenset({552, 534, 523})
BEFORE_ANY_REPLY = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.TLS})


def attempt_error(verdicts: Verdicts, target: Target, record: Record) -> AttemptFailed:
    """Return the error of the worst verdict: first relay errors, then deferrals, then rejections.

    No verdict may be accepted or unknown. `target` was asked last; the record has the attempts before it.
    """
    context = AttemptContext(target.transport.value, record.diverted_to, record.failovers)
    for verdict in verdicts.values():
        if isinstance(verdict, RelayError):
            return _misconfigured(verdict, target.provider, context)
    for verdict in verdicts.values():
        if isinstance(verdict, Deferred):
            return _deferred(verdict.failure, verdicts, target.provider, context)
    rejected = [verdict for verdict in verdicts.values() if isinstance(verdict, Rejected)]
    return _rejected(rejected[0].failure, verdicts, target.provider, context)


def _misconfigured(error: RelayError, provider: Provider | None, context: AttemptContext) -> AttemptFailed:
    if provider is None:
        return ServerTransportFailed(error.failure, context=context)
    diagnosis = diagnose_provider(error.failure, provider)
    problem = Problem(code=error.fault.value, detail=diagnosis.remedy, entry=diagnosis.entry)
    return RelayMisconfigured(error.fault, error.failure, diagnosis.reason, problems=(problem,), context=context)


def _deferred(
    failure: Failure, verdicts: Verdicts, provider: Provider | None, context: AttemptContext
) -> AttemptFailed:
    diagnosis = _diagnosis(failure, provider)
    if failure.reply is None and failure.phase in BEFORE_ANY_REPLY:
        problem = Problem(code=failure.cause.value, detail=diagnosis.remedy, entry=diagnosis.entry)
        problems = (problem,) if diagnosis.entry is not None else ()
        return RelayUnreachable(failure, diagnosis.text, problems=problems, context=context)
    return RelayDeferred(failure, diagnosis.text, verdicts, context=context)


def _rejected(
    failure: Failure, verdicts: Verdicts, provider: Provider | None, context: AttemptContext
) -> AttemptFailed:
    enhanced_code = failure.reply.enhanced_code if failure.reply is not None else None
    is_announced_size = failure.phase is Phase.MAIL and failure.code in _SIZE_REFUSED_AT_MAIL
    if failure.cause is Cause.TOO_LARGE or enhanced_code in _TOO_LARGE_CODES or is_announced_size:
        return MessageTooLarge(failure, context=context)
    if failure.phase is Phase.RCPT:
        return RecipientsRejected(failure, verdicts=verdicts, context=context)
    return MessageRejected(failure, _diagnosis(failure, provider).text, context=context)


def _diagnosis(failure: Failure, provider: Provider | None) -> Diagnosis:
    if provider is None:
        return Diagnosis("The platform's own transport did not accept the message.", "Its reply, if any, says why.")
    return diagnose_provider(failure, provider)
