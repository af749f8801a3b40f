"""Quotas: recipients are counted in the ledger before a message is sent.

Recipients count for the operator's limits when a message is accepted, whatever transport it uses later. They count for
a provider's daily limit right before the provider is asked (`RelayGate`). What was provably not sent is given back, and
only once: all of it if the request ends with an error, and otherwise the recipients that were refused for good. A
message that was queued stays counted, even if it is cancelled or expires, because it can be retried.

If the ledger does not answer, or a worker is lost, nothing is given back: a count may be too high, but not too low.
"""

import logging
from collections.abc import Iterable, Mapping

import msgspec

from mailer.errors import LedgerUnavailable, LimitReached
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
from mailer.ports import AcceptPorts, LedgerPorts
from mailer.project import ProjectId
from mailer.relay.provider import Provider
from mailer.relay.relay import Relay
from mailer.service.sending.decide import ByProviders, Decision
from mailer.settings import Settings

_LOGGER = logging.getLogger(__name__)


class Taken(msgspec.Struct, frozen=True):
    """An amount that was counted on a page of the ledger."""

    page: str
    slots: tuple[str, ...]
    amount: int


NOTHING_TAKEN = Taken("", (), 0)


class QuotaCounter:
    """Counts a project's recipients in the ledger, and remembers the tightest quota."""

    def __init__(self, project_id: ProjectId, ports: LedgerPorts) -> None:
        self._project_id = project_id
        self._ports = ports
        self.status: QuotaStatus | None = None

    def take(self, counters: tuple[Counter, ...], amount: int, *, is_enforced: bool = True) -> Taken | QuotaStatus:
        """Add the amount to all counters; if that would exceed a quota, add nothing and return that quota.

        With `is_enforced=False` the amount is always added. Raises `LedgerUnavailable`.
        """
        if not counters or amount == 0:
            return NOTHING_TAKEN
        now = self._ports.timestamp()
        page = page_of(now)
        within = {each.slot(now): each.limit.maximum if is_enforced else None for each in counters}
        forget_at = forget_page_at(now)
        result = self._ports.ledger.increment(self._project_id, page, amount, within=within, forget_at=forget_at)
        found = quota_statuses(counters, result.counts, now=now)
        if not result.is_taken:
            exceeded = [each for each in found if each.used + amount > each.counter.limit.maximum]
            # Of the exceeded quotas, the one that will allow the amount last.
            return max(exceeded or found, key=lambda each: (each.counter.limit.maximum < amount, each.resets_in))
        known = () if self.status is None else (self.status,)
        self.status = tightest((*known, *found))
        return Taken(page, tuple(within), amount)

    def give_back(self, taken: Taken, amount: int) -> None:
        """Give back a part of the taken amount; if the ledger does not answer, the amount stays counted."""
        if amount == 0 or not taken.slots:
            return
        within: Mapping[str, int | None] = dict.fromkeys(taken.slots)
        forget_at = forget_page_at(self._ports.timestamp())
        try:
            self._ports.ledger.increment(self._project_id, taken.page, -amount, within=within, forget_at=forget_at)
        except LedgerUnavailable:
            _LOGGER.warning("quota not given back", extra={"amount": amount})


class OperatorQuota:
    """Counts one request's recipients for the operator's limits of a project and a role."""

    def __init__(self, project_id: ProjectId, ports: AcceptPorts) -> None:
        self._counter = QuotaCounter(project_id, ports)
        self._settings = ports.settings
        self._taken: Taken | None = None

    @property
    def status(self) -> QuotaStatus | None:
        """The tightest limit that the request counts for."""
        return self._counter.status

    def take(self, role: str | None, recipients: int) -> None:
        """Count the recipients; raises `LedgerUnavailable`. If it raises `LimitReached`, nothing is counted."""
        taken = self._counter.take(_operator_counters(self._settings, role), recipients)
        if isinstance(taken, QuotaStatus):
            raise LimitReached(taken, asked_for=recipients)
        self._taken = taken

    def count(self, recipients: int) -> None:
        """Count a system e-mail, which a limit never refuses; raises `LedgerUnavailable`."""
        self._counter.take(_operator_counters(self._settings, None), recipients, is_enforced=False)

    def give_back(self, recipients: int | None = None) -> None:
        """Give back the recipients, by default all that were counted; a second call does nothing."""
        if self._taken is not None:
            self._counter.give_back(self._taken, self._taken.amount if recipients is None else recipients)
            self._taken = None

    def keep(self) -> None:
        """Give nothing back later: a recipient has the message, or may get it."""
        self._taken = None


def provider_counters(provider: Provider) -> tuple[Counter, ...]:
    """Return the provider's own daily limit, if it has one."""
    maximum = provider.config.daily_limit if isinstance(provider.config, Relay) else None
    return () if maximum is None else (Counter(f"relay {provider.id}", Limit(maximum, Window.DAY)),)


def demand_possible(decision: Decision, recipients: int, *, now: float) -> None:
    """Raise `LimitReached` if the message has more recipients than the daily limit of every provider."""
    if not isinstance(decision.route, ByProviders):
        return
    counters = [provider_counters(provider) for provider in decision.route.chain]
    if all(any(each.limit.maximum < recipients for each in own) for own in counters):
        found = quota_statuses((counter for own in counters for counter in own), {}, now=now)
        raise LimitReached(first_to_allow(found, recipients), asked_for=recipients)


def first_to_allow(found: Iterable[QuotaStatus], amount: int) -> QuotaStatus:
    """Return the quota that allows the amount first."""
    return min(found, key=lambda each: (each.counter.limit.maximum < amount, each.resets_in))


def _operator_counters(settings: Settings, role: str | None) -> tuple[Counter, ...]:
    roles = settings.role_limits.get(role, ()) if role is not None else ()
    return (
        *(Counter("project", limit) for limit in settings.project_limits),
        *(Counter(f"role {role}", limit) for limit in roles),
    )
