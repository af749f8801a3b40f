"""The circuit breaker and the slots of a project's provider.

The breaker of a version of the secret opens after five failed attempts in a row: no session could be started, or the
credentials were rejected. While the breaker is open, the provider is not asked; then one attempt asks first. A new
version of the secret closes the breaker at once.

At most five messages are handed to one provider at a time, so a slow relay delays only its own project. One of the five
slots is only for workers: API callers who wait cannot stop the queue.
"""

from copy import replace

import msgspec

MAX_SLOTS = 5
SLOTS_FOR_CALLERS = 4
FAILURES_TO_OPEN = 5
_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 900.0
_BUSY_SECONDS = 5.0
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

    @property
    def limit(self) -> int:
        """The request is granted only while fewer slots than this are in use."""
        return SLOTS_FOR_CALLERS if self.is_caller else MAX_SLOTS


class AttemptReport(msgspec.Struct, frozen=True):
    """What an attempt says about its provider.

    With `failure`, the code of the failure, the provider itself failed. `is_fault` is true if an admin must act.
    `has_accepted` is true if a recipient was accepted.
    """

    failure: str | None = None
    is_fault: bool = False
    has_accepted: bool = False


class BreakerState(msgspec.Struct, frozen=True):
    """The breaker of one provider, for one version of the secret; times are seconds since the epoch.

    `failures` counts the failed attempts since the last one that did not fail. The first of them was at
    `failing_since`, and `last_failure` is the code of the last one. A validation was asked for at `validation_at`; with
    `is_fault_known` it was because of a fault, and no recipient was accepted since.
    """

    version_id: str = ""
    failures: int = 0
    open_until: float = 0.0
    failing_since: float | None = None
    last_failure: str | None = None
    last_success_at: float | None = None
    validation_at: float | None = None
    is_fault_known: bool = False
    leases: tuple[SlotLease, ...] = ()

    @property
    def is_calm(self) -> bool:
        """Whether only the number of used slots decides on a request for the same version.

        An attempt that did not fail changes nothing then, except the time of the last success.
        """
        return self.failures == 0 and not self.is_fault_known


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
    current = replace(state, leases=leases)
    if state.version_id != request.version_id:
        current = BreakerState(request.version_id, leases=leases)
    if any(lease.token == request.token for lease in leases):
        return Admitted(current)
    if current.open_until > now:
        return Paused(current.open_until, is_open=True, last_failure=current.last_failure)
    is_probing = current.failures >= FAILURES_TO_OPEN
    if is_probing and leases:
        return Paused(now + _BUSY_SECONDS, is_open=True, last_failure=current.last_failure)
    if len(leases) >= request.limit:
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
    if report.failure is None:
        worked = replace(left, failures=0, open_until=0.0, failing_since=None, last_failure=None)
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
    is_recent = state.is_fault_known and now - (state.validation_at or 0.0) < _VALIDATION_SECONDS
    return _asking(failed, now=now, is_fault=True) if report.is_fault and not is_recent else Left(failed)


def _asking(state: BreakerState, *, now: float, is_fault: bool) -> Left:
    """Ask for a validation, unless one was asked for a moment ago: then a later attempt asks."""
    if state.validation_at is not None and now - state.validation_at < _SHORTEST_VALIDATION_SECONDS:
        return Left(state)
    return Left(replace(state, validation_at=now, is_fault_known=is_fault), asks_for_validation=True)
