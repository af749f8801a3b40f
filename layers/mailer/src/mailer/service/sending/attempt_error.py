"""Map an attempt that delivered nothing to the error that the caller gets."""

from collections.abc import Mapping, Sequence
from typing import assert_never

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
from mailer.message.address import Address
from mailer.problem import Problem
from mailer.relay.provider import Provider
from mailer.relay.relay import Relay
from mailer.service.sending.attempt import AttemptedMessage
from mailer.smtp.outcome import Accepted, Deferred, Failure, Rejected, RelayError, RelayFault, Unknown, Verdict
from mailer.smtp.refused import Refused, is_size_refused, what_is_refused

type Verdicts = Mapping[Address, Verdict]


def attempt_error(attempted: AttemptedMessage) -> AttemptFailed:
    """Return the error of the worst verdict: deferrals with an answer, relay errors, other deferrals, rejections.

    No recipient may have a copy, or may have one. The error is about the target whose verdict it is.
    """
    record = attempted.record
    context = AttemptContext(attempted.asked[-1].target.transport.value, record.diverted_to, record.failovers)
    verdicts = record.verdicts
    verdict = max(verdicts.values(), key=_weight)
    blamed = _Blamed(_provider_of(verdict, attempted), attempted.decision.has_return_path)
    match verdict:
        case RelayError():
            return _misconfigured(verdict, verdicts, blamed, context)
        case Deferred(failure):
            return _deferred(failure, verdicts, blamed, context)
        case Rejected():
            failures = [each.failure for each in verdicts.values() if isinstance(each, Rejected)]
            return _rejected(failures, verdicts, blamed, context)
        case Accepted() | Unknown():
            msg = "a copy was accepted, or may have been"
            raise ValueError(msg)
        case unreachable:
            assert_never(unreachable)


def _weight(verdict: Verdict) -> int:
    match verdict:
        case Deferred(failure):
            return 1 if failure.is_unreachable else 3
        case RelayError():
            return 2
        case _:
            return 0


def _provider_of(verdict: Verdict, attempted: AttemptedMessage) -> Provider | None:
    """Return the provider that gave the verdict, the last one if several gave it; None for the server transport."""
    targets = [each.target for each in attempted.asked if verdict in each.result.verdicts.values()]
    return targets[-1].provider


class _Blamed(msgspec.Struct, frozen=True):
    """The provider that was asked; None for the server transport."""

    provider: Provider | None
    has_return_path: bool

    def diagnose(self, failure: Failure) -> Diagnosis:
        if self.provider is None:
            return Diagnosis("The platform's own transport did not accept the message.", "Its reply, if any, says why.")
        return diagnose_provider(failure, self.provider, has_return_path=self.has_return_path)


def _misconfigured(error: RelayError, verdicts: Verdicts, blamed: _Blamed, context: AttemptContext) -> AttemptFailed:
    if blamed.provider is None:
        return ServerTransportFailed(error.failure, verdicts=verdicts, context=context)
    diagnosis = blamed.diagnose(error.failure)
    problem = Problem(code=error.fault.value, detail=diagnosis.remedy, entry=diagnosis.entry)
    return RelayMisconfigured(
        error.fault, error.failure, diagnosis.reason, verdicts, problems=(problem,), context=context
    )


def _deferred(failure: Failure, verdicts: Verdicts, blamed: _Blamed, context: AttemptContext) -> AttemptFailed:
    diagnosis = blamed.diagnose(failure)
    if failure.is_unreachable:
        problem = Problem(code=failure.cause.value, detail=diagnosis.remedy, entry=diagnosis.entry)
        problems = (problem,) if diagnosis.entry is not None else ()
        return RelayUnreachable(failure, diagnosis.text, verdicts, problems=problems, context=context)
    return RelayDeferred(failure, diagnosis.text, verdicts, context=context)


def _rejected(
    failures: Sequence[Failure], verdicts: Verdicts, blamed: _Blamed, context: AttemptContext
) -> AttemptFailed:
    if is_size_refused(failures[0]):
        return MessageTooLarge(failures[0], verdicts=verdicts, context=context)
    if any(what_is_refused(failure) is Refused.RECIPIENT for failure in failures):
        return RecipientsRejected(failures[0], verdicts=verdicts, context=context)
    failure = failures[0]
    diagnosis = blamed.diagnose(failure)
    problems = _problems(failure, diagnosis, blamed.provider)
    return MessageRejected(failure, diagnosis.text, verdicts, problems=problems, context=context)


def _problems(failure: Failure, diagnosis: Diagnosis, provider: Provider | None) -> tuple[Problem, ...]:
    """Name the entry of a relay whose login or sender was refused."""
    if provider is None or not isinstance(provider.config, Relay) or diagnosis.entry is None:
        return ()
    is_about_login = what_is_refused(failure) is Refused.LOGIN
    fault = RelayFault.AUTH_REJECTED if is_about_login else RelayFault.SENDER_REFUSED
    return (Problem(fault.value, diagnosis.remedy, entry=diagnosis.entry),)
