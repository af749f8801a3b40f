"""The relay gate: circuit breaker, slots and daily quota in front of a project's providers.

Workers and API callers who wait pass the same gate, so a rejected password counts from all of them together.
"""

from copy import replace
from typing import assert_never

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ledger.breaker import AttemptReport, Paused, SlotRequest
from mailer.ledger.idempotency import digest
from mailer.ledger.limits import QuotaStatus
from mailer.ledger.recipients import is_pending
from mailer.ledger.record import PassedOver, PassReason
from mailer.ports import SendPorts
from mailer.project import ProjectId
from mailer.relay.provider import OVERRIDE, Provider
from mailer.relay.relay import Relay
from mailer.service.sending.decide import ByProviders, Target
from mailer.service.sending.quota import NOTHING_TAKEN, QuotaCounter, Taken, provider_counters
from mailer.smtp.outcome import Accepted, Attempt, Cause, Deferred, Phase, Rejected, RelayError, RelayFault, Verdict
from mailer.smtp.refused import asks_for_login

# So often a message waits for a busy provider before the next provider is asked: about twenty minutes.
PATIENT_WAITS = 8
_BEFORE_MAIL = frozenset(
    {Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.AUTH}
)


class GatePass(msgspec.Struct, frozen=True):
    """Who passes the gate for one message: a token of its own, and the longest time that a slot is needed.

    `is_caller` is true for an API caller who waits, false for a worker. With `enforces_quota=False` recipients are
    counted but never refused, as for system e-mails. `waits` is how often the message has waited for a busy provider.
    """

    token: str
    lease_seconds: float
    is_caller: bool = False
    enforces_quota: bool = True
    waits: int = 0


class Admitted(msgspec.Struct, frozen=True):
    """The route that begins with the provider that was entered, and the providers that were passed over before it."""

    route: ByProviders
    passed: tuple[PassedOver, ...] = ()


class NotAdmitted(msgspec.Struct, frozen=True):
    """No provider of the chain may be asked now.

    `busy` is the provider whose turn it is, if all of its slots are in use. The breakers of the `paused` providers are
    open, and the daily quotas in `exhausted` are used up. `passed` are all providers that were passed over.
    """

    busy: Paused | None
    paused: tuple[Paused, ...]
    exhausted: tuple[QuotaStatus, ...]
    passed: tuple[PassedOver, ...] = ()


class _Entered(msgspec.Struct, frozen=True):
    gate_id: str
    version_id: str
    is_override: bool
    taken: Taken = NOTHING_TAKEN
    attempt: Attempt | None = None


class RelayGate:
    """The gate for one message; its owner calls `leave_all` after the outcome is recorded."""

    def __init__(self, project_id: ProjectId, ports: SendPorts, gate_pass: GatePass) -> None:
        self._project_id = project_id
        self._ports = ports
        self._pass = gate_pass
        self._counter = QuotaCounter(project_id, ports)
        self._entered: dict[str, _Entered] = {}

    @property
    def quota(self) -> QuotaStatus | None:
        """The tightest daily quota that the message counts for."""
        return self._counter.status

    def admit(self, route: ByProviders, recipients: int) -> Admitted | NotAdmitted:
        """Enter the first provider that may be asked now.

        An open breaker or a used-up quota passes the turn to the next provider. Without a free slot the message waits:
        it does not pass to the next provider before it has waited `PATIENT_WAITS` times. Raises `LedgerUnavailable`;
        the caller must then call `leave_all`.
        """
        paused: list[Paused] = []
        exhausted: list[QuotaStatus] = []
        passed: list[PassedOver] = []
        for index, provider in enumerate(route.chain):
            refusal = self.enter(provider, route, recipients)
            match refusal:
                case None:
                    return Admitted(replace(route, chain=route.chain[index:]), tuple(passed))
                case Paused(is_open=False) as busy if self.must_wait(busy) or index == len(route.chain) - 1:
                    return NotAdmitted(busy, tuple(paused), tuple(exhausted), tuple(passed))
                case Paused() as pause:
                    paused.append(pause)
                case QuotaStatus() as quota:
                    exhausted.append(quota)
                case unreachable:
                    assert_never(unreachable)
            passed.append(self.passed_over(Target(provider, route.version_id), refusal))
        first_busy = next((each for each in paused if not each.is_open), None)
        return NotAdmitted(first_busy, tuple(paused), tuple(exhausted), tuple(passed))

    def must_wait(self, refusal: Paused | QuotaStatus) -> bool:
        """Whether the message waits for this provider, so that the next one is not asked."""
        return isinstance(refusal, Paused) and not refusal.is_open and self._pass.waits < PATIENT_WAITS

    def passed_over(self, target: Target, refusal: Paused | QuotaStatus) -> PassedOver:
        """Describe a provider that is not asked, for the message's record."""
        match refusal:
            case Paused(is_open=True):
                reason = PassReason.RELAY_PAUSED
            case Paused():
                reason = PassReason.RELAY_BUSY
            case QuotaStatus():
                reason = PassReason.DAILY_LIMIT_REACHED
            case unreachable:
                assert_never(unreachable)
        return PassedOver(self._ports.timestamp(), target.transport.value, target.provider_id or "", reason)

    def enter(self, provider: Provider, route: ByProviders, recipients: int) -> Paused | QuotaStatus | None:
        """Take a slot and the quota, and return None; if the provider may not be asked now, return the reason.

        A second call for the same provider and version of the secret does nothing. Raises `LedgerUnavailable`.
        """
        entered = self._entered.get(provider.id)
        if entered is not None and entered.version_id == route.version_id:
            return None
        self.leave(provider.id)
        now, gate_id = self._ports.timestamp(), _gate_id(provider, route)
        until = now + self._pass.lease_seconds
        request = SlotRequest(route.version_id, self._pass.token, until, self._pass.is_caller)
        paused = self._ports.ledger.take_slot(self._project_id, gate_id, request, now=now)
        if paused is not None:
            return paused
        # If the quota is not taken, `leave` frees the slot.
        self._entered[provider.id] = _Entered(gate_id, route.version_id, route.is_override)
        taken = self._counter.take(provider_counters(provider), recipients, is_enforced=self._pass.enforces_quota)
        if isinstance(taken, QuotaStatus):
            self.leave(provider.id)
            return taken
        self._entered[provider.id] = replace(self._entered[provider.id], taken=taken)
        return None

    def note(self, provider_id: str, attempt: Attempt) -> None:
        """Remember the attempt; `leave` reports it to the breaker and the quota."""
        if provider_id in self._entered:
            self._entered[provider_id] = replace(self._entered[provider_id], attempt=attempt)

    def leave(self, provider_id: str) -> None:
        """Free the slot, report the attempt to the breaker, and give back the quota that the attempt did not use.

        The first fault that an admin must correct, and the first success after it, ask for a validation of the project.
        If the ledger does not answer, the slot is free when its lease ends.
        """
        entered = self._entered.pop(provider_id, None)
        if entered is None:
            return
        self._leave_slot(entered)
        unused = entered.taken.amount
        if entered.attempt is not None:
            verdicts = entered.attempt.verdicts.values()
            unused = sum(is_pending(verdict) or isinstance(verdict, Rejected) for verdict in verdicts)
        self._counter.give_back(entered.taken, min(unused, entered.taken.amount))

    def leave_all(self) -> None:
        """Leave every provider that was entered."""
        for provider_id in tuple(self._entered):
            self.leave(provider_id)

    def _leave_slot(self, entered: _Entered) -> None:
        try:
            asks_for_validation = self._ports.ledger.leave_slot(
                self._project_id,
                entered.gate_id,
                version_id=entered.version_id,
                token=self._pass.token,
                report=None if entered.attempt is None else report_of(entered.attempt),
                now=self._ports.timestamp(),
            )
        except LedgerUnavailable:
            return
        if asks_for_validation and not entered.is_override:
            self._ports.validations.send([self._project_id])


def _gate_id(provider: Provider, route: ByProviders) -> str:
    """Return the name of the provider's breaker; overrides have one for each relay and user name."""
    if route.is_override and isinstance(provider.config, Relay):
        return f"{OVERRIDE}#{digest(OVERRIDE, repr(provider.config.destination))}"
    return provider.id


def report_of(attempt: Attempt) -> AttemptReport:
    """Return what the attempt says about its provider."""
    verdicts = tuple(attempt.verdicts.values())
    if any(isinstance(verdict, Accepted) for verdict in verdicts):
        return AttemptReport(has_accepted=True)
    if is_busy(attempt):
        return AttemptReport(is_busy=True)
    codes = [_failure_code(verdict) for verdict in verdicts]
    is_fault = any(isinstance(verdict, RelayError) for verdict in verdicts)
    return AttemptReport(failure=codes[0] if codes and None not in codes else None, is_fault=is_fault)


def is_busy(attempt: Attempt) -> bool:
    """Whether the provider only took no further connection."""
    verdicts = tuple(attempt.verdicts.values())
    return bool(verdicts) and all(
        isinstance(verdict, Deferred) and verdict.failure.cause is Cause.TOO_MANY_CONNECTIONS for verdict in verdicts
    )


def _failure_code(verdict: Verdict) -> str | None:
    """Return the code of a failure of the provider itself; None if the provider answered about the message."""
    match verdict:
        case RelayError(RelayFault.SERVER_TRANSPORT_FAILED):
            return None
        case RelayError(fault, failure):
            # Most refusals of the envelope are about this message: another From or recipient may be accepted.
            is_about_message = failure.phase in (Phase.MAIL, Phase.RCPT) and not asks_for_login(
                failure.phase, failure.code
            )
            return None if is_about_message else fault.value
        case Deferred(failure) if failure.phase in _BEFORE_MAIL:
            return failure.cause.value
        case _:
            return None
