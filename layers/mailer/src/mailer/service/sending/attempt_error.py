"""Map an attempt that delivered nothing to the error that the caller gets."""

from collections.abc import Mapping, Sequence

import msgspec

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
from mailer.relay.relay import Relay
from mailer.service.sending.decide import Target
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, RelayError, RelayFault, Verdict
from mailer.smtp.refused import Refused, is_size_refused, what_is_refused

type Verdicts = Mapping[Address, Verdict]
BEFORE_ANY_REPLY = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.TLS})


def attempt_error(
    verdicts: Verdicts, target: Target, record: Record, *, has_return_path: bool = False
) -> AttemptFailed:
    """Return the error of the worst verdict: first relay errors, then deferrals, then rejections.

    No verdict may be accepted or unknown. `target` was asked last; the record has the attempts before it.
    `has_return_path` is true if the envelope sender was not the From address.
    """
    blamed = _Blamed(target.provider, has_return_path)
    context = AttemptContext(target.transport.value, record.diverted_to, record.failovers)
    for verdict in verdicts.values():
        if isinstance(verdict, RelayError):
            return _misconfigured(verdict, blamed, context)
    for verdict in verdicts.values():
        if isinstance(verdict, Deferred):
            return _deferred(verdict.failure, verdicts, blamed, context)
    return _rejected(
        [each.failure for each in verdicts.values() if isinstance(each, Rejected)], verdicts, blamed, context
    )


class _Blamed(msgspec.Struct, frozen=True):
    """The provider that was asked; None for the server transport."""

    provider: Provider | None
    has_return_path: bool

    def diagnose(self, failure: Failure) -> Diagnosis:
        if self.provider is None:
            return Diagnosis("The platform's own transport did not accept the message.", "Its reply, if any, says why.")
        return diagnose_provider(failure, self.provider, has_return_path=self.has_return_path)


def _misconfigured(error: RelayError, blamed: _Blamed, context: AttemptContext) -> AttemptFailed:
    if blamed.provider is None:
        return ServerTransportFailed(error.failure, context=context)
    diagnosis = blamed.diagnose(error.failure)
    problem = Problem(code=error.fault.value, detail=diagnosis.remedy, entry=diagnosis.entry)
    return RelayMisconfigured(error.fault, error.failure, diagnosis.reason, problems=(problem,), context=context)


def _deferred(failure: Failure, verdicts: Verdicts, blamed: _Blamed, context: AttemptContext) -> AttemptFailed:
    diagnosis = blamed.diagnose(failure)
    is_busy = failure.cause is Cause.TOO_MANY_CONNECTIONS
    if failure.reply is None and failure.phase in BEFORE_ANY_REPLY and not is_busy:
        problem = Problem(code=failure.cause.value, detail=diagnosis.remedy, entry=diagnosis.entry)
        problems = (problem,) if diagnosis.entry is not None else ()
        return RelayUnreachable(failure, diagnosis.text, problems=problems, context=context)
    return RelayDeferred(failure, diagnosis.text, verdicts, context=context)


def _rejected(
    failures: Sequence[Failure], verdicts: Verdicts, blamed: _Blamed, context: AttemptContext
) -> AttemptFailed:
    if is_size_refused(failures[0]):
        return MessageTooLarge(failures[0], context=context)
    if any(what_is_refused(failure) is Refused.RECIPIENT for failure in failures):
        return RecipientsRejected(failures[0], verdicts=verdicts, context=context)
    failure = failures[0]
    diagnosis = blamed.diagnose(failure)
    problems = _problems(failure, diagnosis, blamed.provider)
    return MessageRejected(failure, diagnosis.text, problems=problems, context=context)


def _problems(failure: Failure, diagnosis: Diagnosis, provider: Provider | None) -> tuple[Problem, ...]:
    """Name the entry of a relay whose login or sender was refused."""
    if provider is None or not isinstance(provider.config, Relay) or diagnosis.entry is None:
        return ()
    is_about_login = what_is_refused(failure) is Refused.LOGIN
    fault = RelayFault.AUTH_REJECTED if is_about_login else RelayFault.SENDER_REFUSED
    return (Problem(fault.value, diagnosis.remedy, entry=diagnosis.entry),)
