"""Which error an attempt is that provably ended without a copy accepted."""

from typing import assert_never

from mailer.diagnosis.diagnosis import Diagnosis
from mailer.diagnosis.relay import diagnose_provider
from mailer.errors import (
    MailerError,
    MessageRejected,
    MessageTooLarge,
    RecipientsRejected,
    RelayDeferred,
    RelayMisconfigured,
    RelayUnreachable,
    ServerTransportFailed,
)
from mailer.problem import Problem
from mailer.service.sending.decide import ByProviders, ByServer, Decision
from mailer.smtp.outcome import Attempt, Cause, Deferred, Failure, Phase, Rejected, RelayError

# RFC 3463: message too big for system, message length exceeds administrative limit.
_TOO_LARGE_CODES = frozenset({"5.3.4", "5.2.3"})
BEFORE_ANY_REPLY = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.TLS})


def unsent(attempt: Attempt, decision: Decision) -> MailerError:
    """Return the error that tells who has to act: an admin, then time, then the caller."""
    error = _error(attempt, decision)
    error.transport = decision.transport.value
    return error


def _error(attempt: Attempt, decision: Decision) -> MailerError:
    verdicts = attempt.verdicts.values()
    for verdict in verdicts:
        if isinstance(verdict, RelayError):
            return _misconfigured(verdict, decision)
    for verdict in verdicts:
        if isinstance(verdict, Deferred):
            return _deferred(verdict.failure, attempt, decision)
    rejected = [verdict for verdict in verdicts if isinstance(verdict, Rejected)]
    return _rejected(rejected[0].failure, attempt, decision)


def _misconfigured(error: RelayError, decision: Decision) -> MailerError:
    match decision.route:
        case ByServer():
            detail = (
                "The platform's own transport refused to send: its sending identity, quota or permission needs the "
                "operator. The project's configuration is not at fault."
            )
            return ServerTransportFailed(detail, failure=error.failure)
        case ByProviders(chain):
            diagnosis = diagnose_provider(error.failure, chain[0])
            code = error.fault.value if error.failure.cause is Cause.REPLY else error.failure.cause.value
            problem = Problem(code=code, detail=diagnosis.remedy, entry=diagnosis.entry)
            return RelayMisconfigured(error.fault, error.failure, diagnosis.reason, (problem,))
        case unreachable:
            assert_never(unreachable)


def _deferred(failure: Failure, attempt: Attempt, decision: Decision) -> MailerError:
    diagnosis = _diagnosis(failure, decision)
    if failure.reply is None and failure.phase in BEFORE_ANY_REPLY:
        problem = Problem(code=failure.cause.value, detail=diagnosis.remedy, entry=diagnosis.entry)
        return RelayUnreachable(failure, diagnosis.text, (problem,) if diagnosis.entry is not None else ())
    return RelayDeferred(failure, diagnosis.text, attempt.verdicts)


def _rejected(failure: Failure, attempt: Attempt, decision: Decision) -> MailerError:
    enhanced_code = failure.reply.enhanced_code if failure.reply is not None else None
    announced = failure.phase is Phase.MAIL and failure.reply is not None and failure.reply.code == 552
    if failure.cause is Cause.TOO_LARGE or enhanced_code in _TOO_LARGE_CODES or announced:
        detail = "The message is larger than the transport takes. Send fewer or smaller attachments."
        return MessageTooLarge(detail, failure=failure)
    if failure.phase is Phase.RCPT:
        return RecipientsRejected(attempt.verdicts, failure)
    return MessageRejected(failure, _diagnosis(failure, decision).text)


def _diagnosis(failure: Failure, decision: Decision) -> Diagnosis:
    match decision.route:
        case ByProviders(chain):
            return diagnose_provider(failure, chain[0])
        case ByServer():
            reason = "The platform's own transport did not take the message."
            return Diagnosis(reason, "Its reply, where there is one, says why.")
        case unreachable:
            assert_never(unreachable)
