"""The relay gate: daily quota, circuit breaker and worker slots in front of a project's providers."""

from copy import replace
from typing import assert_never

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ledger import breaker
from mailer.ledger.limits import QuotaStatus
from mailer.ledger.recipients import is_pending
from mailer.ports import LedgerPorts, WriteConflict
from mailer.project import ProjectId
from mailer.relay.provider import Provider
from mailer.service.sending.decide import ByProviders
from mailer.service.sending.quota import QuotaCounter, Taken, provider_counters
from mailer.smtp.outcome import Attempt, Deferred, Phase, Rejected, RelayError, RelayFault, Verdict

_BEFORE_MAIL = frozenset(
    {Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.AUTH}
)


class WorkerSlot(msgspec.Struct, frozen=True):
    """A worker's request for a slot: the worker's token, the version of the secret, and the lease."""

    version_id: str
    token: str
    lease_seconds: float


class NotAdmitted(msgspec.Struct, frozen=True):
    """No provider of the chain may be asked now: each is paused, or its daily quota is used up."""

    paused: tuple[breaker.Paused, ...]
    exhausted: tuple[QuotaStatus, ...]


class _Entered(msgspec.Struct, frozen=True):
    taken: Taken
    attempt: Attempt | None = None


class RelayGate:
    """The gate for one message; its owner calls `leave_all` after the outcome is recorded.

    Without a `slot` only quotas are checked: the breaker never refuses the message of an API caller who waits.
    With `enforces_quota=False` recipients are counted but never refused, as for system e-mails.
    """

    def __init__(
        self, project_id: ProjectId, ports: LedgerPorts, *, slot: WorkerSlot | None = None, enforces_quota: bool = True
    ) -> None:
        self._project_id = project_id
        self._ports = ports
        self._slot = slot
        self._enforces_quota = enforces_quota
        self._counter = QuotaCounter(project_id, ports)
        self._entered: dict[str, _Entered] = {}

    @property
    def quota(self) -> QuotaStatus | None:
        """The tightest daily quota that the message counts for."""
        return self._counter.status

    def admit(self, route: ByProviders, recipients: int) -> ByProviders | NotAdmitted:
        """Enter the first provider that may be asked now, and return the route without the providers before it.

        Raises `LedgerUnavailable`.
        """
        paused: list[breaker.Paused] = []
        exhausted: list[QuotaStatus] = []
        for index, provider in enumerate(route.chain):
            match self.enter(provider, recipients):
                case None:
                    return replace(route, chain=route.chain[index:])
                case breaker.Paused() as pause:
                    paused.append(pause)
                case QuotaStatus() as quota:
                    exhausted.append(quota)
                case unreachable:
                    assert_never(unreachable)
        return NotAdmitted(tuple(paused), tuple(exhausted))

    def enter(self, provider: Provider, recipients: int) -> breaker.Paused | QuotaStatus | None:
        """Take a slot and the quota, and return None; if the provider may not be asked now, return the reason.

        A second call for the same provider does nothing. Raises `LedgerUnavailable`.
        """
        if provider.id in self._entered:
            return None
        taken = self._counter.take(provider_counters(provider), recipients, is_enforced=self._enforces_quota)
        if isinstance(taken, QuotaStatus):
            return taken
        paused = self._take_slot(provider.id)
        if paused is not None:
            self._counter.give_back(taken, taken.amount)
            return paused
        self._entered[provider.id] = _Entered(taken)
        return None

    def note(self, provider_id: str, attempt: Attempt) -> None:
        """Remember the attempt; `leave` reports it to the breaker and the quota."""
        if provider_id in self._entered:
            self._entered[provider_id] = replace(self._entered[provider_id], attempt=attempt)

    def leave(self, provider_id: str) -> None:
        """Free the slot, report the attempt to the breaker, and give back the quota that the attempt did not use."""
        entered = self._entered.pop(provider_id, None)
        if entered is None:
            return
        self._free_slot(provider_id, entered.attempt)
        unused = entered.taken.amount
        if entered.attempt is not None:
            verdicts = entered.attempt.verdicts.values()
            unused = sum(is_pending(verdict) or isinstance(verdict, Rejected) for verdict in verdicts)
        self._counter.give_back(entered.taken, min(unused, entered.taken.amount))

    def leave_all(self) -> None:
        """Leave every provider that was entered."""
        for provider_id in tuple(self._entered):
            self.leave(provider_id)

    def _take_slot(self, provider_id: str) -> breaker.Paused | None:
        if self._slot is None:
            return None
        version_id, token = self._slot.version_id, self._slot.token
        while True:
            now = self._ports.timestamp()
            known = self._ports.ledger.breaker(self._project_id, provider_id)
            until = now + self._slot.lease_seconds
            admission = breaker.admit(known, version_id=version_id, token=token, now=now, until=until)
            if isinstance(admission, breaker.Paused):
                return admission
            try:
                self._ports.ledger.save_breaker(self._project_id, provider_id, admission.state)
            except WriteConflict:
                continue
            return None

    def _free_slot(self, provider_id: str, attempt: Attempt | None) -> None:
        if self._slot is None:
            return
        version_id, token = self._slot.version_id, self._slot.token
        has_failed = None
        if attempt is not None:
            has_failed = bool(attempt.verdicts) and all(map(_counts_as_failure, attempt.verdicts.values()))
        while True:
            try:
                known = self._ports.ledger.breaker(self._project_id, provider_id)
                now = self._ports.timestamp()
                left = breaker.leave(known, version_id=version_id, token=token, now=now, has_failed=has_failed)
                self._ports.ledger.save_breaker(self._project_id, provider_id, left)
            except WriteConflict:
                continue
            except LedgerUnavailable:
                # The slot is free again when its lease ends.
                return
            return


def _counts_as_failure(verdict: Verdict) -> bool:
    match verdict:
        case RelayError(fault):
            return fault is not RelayFault.SERVER_TRANSPORT_FAILED
        case Deferred(failure):
            return failure.phase in _BEFORE_MAIL
        case _:
            return False
