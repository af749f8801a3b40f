"""What requests and attempts take of the limits, counted in the ledger before anything leaves.

The operator's limits are taken when a message is accepted, sent or queued, and count whatever transport is used. A
relay's daily limit is taken when the relay is about to be asked, and given back for whom it provably took nothing, so
that it counts the mail that the relay itself may have counted. What is never given back, because its worker was lost,
errs on the side of fewer messages.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from copy import replace
from datetime import datetime
from typing import assert_never

import msgspec

from mailer.errors import LedgerUnavailable, LimitReached
from mailer.ledger.lifecycle import is_pending
from mailer.ledger.limits import (
    Counter,
    Limit,
    QuotaStatus,
    Window,
    forget_page_at,
    page_of,
    quota_statuses,
    tightest,
)
from mailer.ports import Ledger
from mailer.project import ProjectId
from mailer.relay.provider import Provider
from mailer.relay.relay import Relay
from mailer.service.sending.decide import ByProviders, ByServer, Decision
from mailer.settings import Settings
from mailer.smtp.outcome import Attempt, Rejected

_LOGGER = logging.getLogger(__name__)


class _Taken(msgspec.Struct, frozen=True):
    page: str
    slots: tuple[str, ...]
    amount: int


class Allowance:
    """What one message, or one batch, takes of the limits. Every method that counts raises `LedgerUnavailable`.

    `must_pass` counts and refuses nothing, as for system e-mails.
    """

    def __init__(
        self, project_id: ProjectId, *, ledger: Ledger, now: Callable[[], datetime], must_pass: bool = False
    ) -> None:
        self._project_id = project_id
        self._ledger = ledger
        self._now = now
        self._must_pass = must_pass
        self._taken: _Taken | None = None
        self._taken_of: dict[str, _Taken] = {}
        self._attempts: dict[str, Attempt] = {}
        self.quota: QuotaStatus | None = None

    def demand(self, counters: tuple[Counter, ...], recipients: int) -> None:
        """Take from the operator's limits; raises `LimitReached` and takes nothing where one has not enough left."""
        taken = self._take(counters, recipients)
        if isinstance(taken, QuotaStatus):
            raise LimitReached(taken, asked_for=recipients)
        self._taken = taken

    def narrow(self, decision: Decision, recipients: int) -> Decision:
        """Return the decision from the first provider on that may still be asked today, and take from its limit.

        Raises `LimitReached` where none may, and gives everything back then.
        """
        match decision.route:
            case ByServer():
                return decision
            case ByProviders(chain) as route:
                pass
            case unreachable:
                assert_never(unreachable)
        exhausted: list[QuotaStatus] = []
        for index, provider in enumerate(chain):
            quota = self.enter(provider, recipients)
            if quota is None:
                return decision if index == 0 else replace(decision, route=replace(route, chain=chain[index:]))
            exhausted.append(quota)
        self.give_back()
        raise LimitReached(_most_hopeful(exhausted, recipients), asked_for=recipients)

    def enter(self, provider: Provider, recipients: int, *, must_pass: bool = False) -> QuotaStatus | None:
        """Take from a provider's daily limit, or say how it stands where it has not enough left."""
        if provider.id in self._taken_of:
            return None
        taken = self._take(provider_counters(provider), recipients, must_pass=must_pass)
        if isinstance(taken, QuotaStatus):
            return taken
        if taken is not None:
            self._taken_of[provider.id] = taken
        return None

    def note(self, provider_id: str, attempt: Attempt) -> None:
        """Note what a provider came to; what is given back is given back when it is left."""
        self._attempts[provider_id] = attempt

    def leave(self, provider_id: str) -> None:
        """Give back for whom the provider provably took nothing; for all where there was no attempt."""
        taken, attempt = self._taken_of.pop(provider_id, None), self._attempts.pop(provider_id, None)
        if taken is None:
            return
        unused = taken.amount
        if attempt is not None:
            verdicts = attempt.verdicts.values()
            unused = sum(is_pending(verdict) or isinstance(verdict, Rejected) for verdict in verdicts)
        self._give_back(replace(taken, amount=min(unused, taken.amount)))

    def leave_all(self) -> None:
        """Give back what was taken of providers and not used."""
        for provider_id in tuple(self._taken_of):
            self.leave(provider_id)

    def give_back(self, recipients: int | None = None) -> None:
        """Give back what was taken, for so many recipients or for all: the request came to nothing."""
        self.leave_all()
        if self._taken is not None:
            self._give_back(replace(self._taken, amount=self._taken.amount if recipients is None else recipients))
            self._taken = None

    def _take(
        self, counters: tuple[Counter, ...], amount: int, *, must_pass: bool = False
    ) -> _Taken | QuotaStatus | None:
        if not counters or amount == 0:
            return None
        now = self._now().timestamp()
        page, is_bounded = page_of(now), not (must_pass or self._must_pass)
        within = {each.slot(now): each.limit.maximum if is_bounded else None for each in counters}
        result = self._ledger.increment(self._project_id, page, amount, within=within, forget_at=forget_page_at(now))
        found = quota_statuses(counters, result.counts, now=now)
        if not result.is_taken:
            over = [each for each in found if each.used + amount > each.counter.limit.maximum]
            return _least_hopeful(over or found, amount)
        self._note(found)
        return _Taken(page, tuple(within), amount)

    def _note(self, found: Iterable[QuotaStatus]) -> None:
        known = () if self.quota is None else (self.quota,)
        self.quota = tightest((*known, *found))

    def _give_back(self, taken: _Taken) -> None:
        if taken.amount == 0:
            return
        within: Mapping[str, int | None] = dict.fromkeys(taken.slots)
        forget_at = forget_page_at(self._now().timestamp())
        try:
            self._ledger.increment(self._project_id, taken.page, -taken.amount, within=within, forget_at=forget_at)
        except LedgerUnavailable:
            _LOGGER.warning("what was taken of a limit stays taken", extra={"amount": taken.amount})


def operator_counters(settings: Settings, role: str | None = None) -> tuple[Counter, ...]:
    """Return the operator's limits that a request of this role counts for."""
    roles = settings.role_limits.get(role, ()) if role is not None else ()
    return (
        *(Counter("project", limit) for limit in settings.project_limits),
        *(Counter(f"role {role}", limit) for limit in roles),
    )


def provider_counters(provider: Provider) -> tuple[Counter, ...]:
    """Return a provider's own limit, which is for a day."""
    maximum = provider.config.daily_limit if isinstance(provider.config, Relay) else None
    return () if maximum is None else (Counter(f"relay {provider.id}", Limit(maximum, Window.DAY)),)


def demand_possible(decision: Decision, recipients: int, *, now: float) -> None:
    """Raise `LimitReached` where no provider can ever take so many recipients at once."""
    if not isinstance(decision.route, ByProviders):
        return
    counters = [provider_counters(provider) for provider in decision.route.chain]
    if all(any(each.limit.maximum < recipients for each in own) for own in counters):
        found = quota_statuses((counter for own in counters for counter in own), {}, now=now)
        raise LimitReached(_most_hopeful(found, recipients), asked_for=recipients)


def _most_hopeful(found: Iterable[QuotaStatus], amount: int) -> QuotaStatus:
    """Return the one that the message fits soonest."""
    return min(found, key=lambda each: (each.counter.limit.maximum < amount, each.resets_in))


def _least_hopeful(found: Iterable[QuotaStatus], amount: int) -> QuotaStatus:
    """Return the one that the message fits last: only then it helps to repeat it."""
    return max(found, key=lambda each: (each.counter.limit.maximum < amount, each.resets_in))
