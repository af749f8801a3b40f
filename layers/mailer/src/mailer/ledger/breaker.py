"""The circuit breaker and the slots of a project's provider.

The breaker of a version of the secret opens after five failed attempts in a row: no session could be started, or the
credentials were rejected. While the breaker is open, the provider is not asked; then one attempt asks first. A new
version of the secret closes the breaker at once.

At most five messages are handed to one provider at a time, so a slow relay delays only its own project. One of the five
slots is only for workers: API callers who wait cannot stop the queue.

A relay that takes no further connection is busy. That is no failure: the provider gets fewer slots, as many as it had
connections, and one more after each minute.
"""

from copy import replace

import msgspec

MAX_SLOTS = 5
SLOTS_FOR_CALLERS = 4
FAILURES_TO_OPEN = 5
_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 900.0
_BUSY_SECONDS = 5.0
# A busy provider gets one more slot after this time.
_SLOT_RETURNS_SECONDS = 60.0
# While attempts fail, a validation is asked for this often; the first failure asks at once.
_VALIDATION_SECONDS = 900.0
# Between two validations that attempts ask for.
_SHORTEST_VALIDATION_SECONDS = 60.0


class SlotLease(msgspec.Struct, frozen=True):
    """A slot in use; it is free again at `until`."""

    token: str
    until: float


class SlotRequest(msgspec.Struct, frozen=True):
    """A request for a slot until `until`: by a worker, or by an API caller who waits.

    `version_id` is the version of the secret, `token` identifies the slot's owner.
    """

    version_id: str
    token: str
    until: float
    is_caller: bool = False

    def limit(self, slots: int = MAX_SLOTS) -> int:
        """Return the number of slots, of all `slots` of the provider, at which the request must wait."""
        return max(1, slots - (MAX_SLOTS - SLOTS_FOR_CALLERS)) if self.is_caller else slots


class AttemptReport(msgspec.Struct, frozen=True):
    """What an attempt says about its provider.

    With `failure`, the code of the failure, the provider itself failed. `is_fault` is true if an admin must act.
    Without a `failure`, the fault is about the sender or the login of this message only.
    `has_accepted` is true if a recipient was accepted, `is_busy` if the provider took no further connection.
    """

    failure: str | None = None
    is_fault: bool = False
    has_accepted: bool = False
    is_busy: bool = False

    @property
    def is_calm(self) -> bool:
        """Whether the attempt changes nothing in a calm breaker, except the time of the last success."""
        return self.failure is None and not self.is_fault and not self.is_busy


class Busy(msgspec.Struct, frozen=True):
    """At the time `at` the provider was busy, and got this number of slots."""

    slots: int
    at: float


class BreakerState(msgspec.Struct, frozen=True):
    """The breaker of one provider, for one version of the secret; times are seconds since the epoch.

    `failures` counts the failed attempts since the last one that did not fail. The first of them was at
    `failing_since`, and `last_failure` is the code of the last one. A validation was asked for at `validation_at`; with
    `is_fault_known` it was because of a fault, and no recipient was accepted since. `busy` is the last time
    at which the provider was busy; None if it has all slots again.
    """

    version_id: str = ""
    failures: int = 0
    open_until: float = 0.0
    failing_since: float | None = None
    last_failure: str | None = None
    last_success_at: float | None = None
    validation_at: float | None = None
    is_fault_known: bool = False
    busy: Busy | None = None
    leases: tuple[SlotLease, ...] = ()

    @property
    def is_calm(self) -> bool:
        """Whether only the number of used slots decides on a request for the same version.

        An attempt that did not fail changes nothing then, except the time of the last success.
        """
        return self.failures == 0 and not self.is_fault_known and self.busy is None

    def slots(self, now: float) -> int:
        """Return how many messages may be handed to the provider at a time."""
        if self.busy is None:
            return MAX_SLOTS
        return min(MAX_SLOTS, self.busy.slots + int((now - self.busy.at) // _SLOT_RETURNS_SECONDS))


class Admitted(msgspec.Struct, frozen=True):
    """The provider may be asked after `state` was written."""

    state: BreakerState


class Paused(msgspec.Struct, frozen=True):
    """The provider may not be asked before `until`: the breaker is open, or no slot is free.

    `last_failure` is the code of the failure that opened the breaker.
    """

    until: float
    is_open: bool
    last_failure: str | None = None


class Left(msgspec.Struct, frozen=True):
    """The state after an attempt; `asks_for_validation` is true if the project's configuration must be validated."""

    state: BreakerState
    asks_for_validation: bool = False


def admit(state: BreakerState, request: SlotRequest, *, now: float) -> Admitted | Paused:
    """Give the request a slot, or return when it may try again. A repeated request keeps its slot."""
    leases = tuple(lease for lease in state.leases if lease.until > now)
    slots = state.slots(now)
    current = replace(state, leases=leases, busy=state.busy if slots < MAX_SLOTS else None)
    if state.version_id != request.version_id:
        current, slots = BreakerState(request.version_id, leases=leases), MAX_SLOTS
    if any(lease.token == request.token for lease in leases):
        return Admitted(current)
    if current.open_until > now:
        return Paused(current.open_until, is_open=True, last_failure=current.last_failure)
    is_probing = current.failures >= FAILURES_TO_OPEN
    if is_probing and leases:
        return Paused(now + _BUSY_SECONDS, is_open=True, last_failure=current.last_failure)
    if len(leases) >= request.limit(slots):
        return Paused(now + _BUSY_SECONDS, is_open=False)
    return Admitted(replace(current, leases=(*leases, SlotLease(request.token, request.until))))


def leave(state: BreakerState, *, version_id: str, token: str, now: float, report: AttemptReport | None) -> Left:
    """Free the slot and count the attempt; without a report there was no attempt.

    An attempt without a slot has left already, and is not counted again.
    """
    left = replace(state, leases=tuple(lease for lease in state.leases if lease.token != token and lease.until > now))
    has_left = not any(lease.token == token and lease.until > now for lease in state.leases)
    if has_left or state.version_id != version_id or report is None:
        return Left(left)
    if report.is_busy:
        running = len(left.leases)
        return Left(replace(left, busy=Busy(max(1, min(running, state.slots(now) - 1)), now)))
    if report.failure is None:
        worked = replace(left, failures=0, open_until=0.0, failing_since=None, last_failure=None)
        if report.is_fault:
            return _asking_about_fault(worked, now=now)
        if not report.has_accepted:
            return Left(worked)
        worked = replace(worked, last_success_at=now)
        return _asking(worked, now=now, is_fault=False) if state.is_fault_known else Left(worked)
    failed = replace(
        left,
        failures=state.failures + 1,
        failing_since=now if state.failing_since is None else state.failing_since,
        last_failure=report.failure,
    )
    if failed.failures >= FAILURES_TO_OPEN:
        doublings = min(failed.failures - FAILURES_TO_OPEN, 10)
        pause = min(_FIRST_PAUSE_SECONDS * 2**doublings, _LONGEST_PAUSE_SECONDS)
        failed = replace(failed, open_until=now + pause)
    return _asking_about_fault(failed, now=now) if report.is_fault else Left(failed)


def _asking_about_fault(state: BreakerState, *, now: float) -> Left:
    is_recent = state.is_fault_known and now - (state.validation_at or 0.0) < _VALIDATION_SECONDS
    return Left(state) if is_recent else _asking(state, now=now, is_fault=True)


def _asking(state: BreakerState, *, now: float, is_fault: bool) -> Left:
    """Ask for a validation, unless one was asked for a moment ago: then a later attempt asks."""
    if state.validation_at is not None and now - state.validation_at < _SHORTEST_VALIDATION_SECONDS:
        return Left(state)
    return Left(replace(state, validation_at=now, is_fault_known=is_fault), asks_for_validation=True)
