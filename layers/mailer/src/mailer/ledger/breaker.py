"""The circuit breaker and the worker slots of a project's provider.

The breaker of a version of the secret opens after five failed attempts in a row: no session could be started, or the
credentials were rejected. While the breaker is open, no worker asks the relay; then one worker asks first. A new
version of the secret closes the breaker at once. At most five workers use one provider at a time, so a slow relay
delays only its own project.
"""

from copy import replace

import msgspec

MAX_WORKERS = 5
FAILURES_TO_OPEN = 5
_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 900.0
_BUSY_SECONDS = 5.0


class WorkerLease(msgspec.Struct, frozen=True):
    """A worker slot in use; it is free again at `until`."""

    token: str
    until: float


class BreakerState(msgspec.Struct, frozen=True):
    """The breaker of one provider; times are seconds since the epoch."""

    version_id: str = ""
    failures: int = 0
    open_until: float = 0.0
    leases: tuple[WorkerLease, ...] = ()
    revision: int = 0


class Admitted(msgspec.Struct, frozen=True):
    """The worker may ask the provider after it has written `state`."""

    state: BreakerState


class Paused(msgspec.Struct, frozen=True):
    """The worker may not ask the provider before `until`: the breaker is open, or all slots are in use."""

    until: float
    is_open: bool


def admit(state: BreakerState, *, version_id: str, token: str, now: float, until: float) -> Admitted | Paused:
    """Give a worker a slot until `until`, or return when it may try again."""
    leases = tuple(lease for lease in state.leases if lease.until > now)
    current = replace(state, leases=leases)
    if state.version_id != version_id:
        current = replace(current, version_id=version_id, failures=0, open_until=0.0)
    if current.open_until > now:
        return Paused(current.open_until, is_open=True)
    is_probing = current.failures >= FAILURES_TO_OPEN
    if is_probing and leases:
        return Paused(now + _BUSY_SECONDS, is_open=True)
    if len(leases) >= MAX_WORKERS:
        return Paused(now + _BUSY_SECONDS, is_open=False)
    return Admitted(replace(current, leases=(*leases, WorkerLease(token, until))))


def leave(state: BreakerState, *, version_id: str, token: str, now: float, has_failed: bool | None) -> BreakerState:
    """Free the worker's slot, and count the attempt as failed or successful.

    With `has_failed` None nothing is counted: the worker made no attempt.
    """
    left = replace(state, leases=tuple(lease for lease in state.leases if lease.token != token and lease.until > now))
    if state.version_id != version_id or has_failed is None:
        return left
    if not has_failed:
        return replace(left, failures=0, open_until=0.0)
    failures = state.failures + 1
    if failures < FAILURES_TO_OPEN:
        return replace(left, failures=failures)
    doublings = min(failures - FAILURES_TO_OPEN, 10)
    pause = min(_FIRST_PAUSE_SECONDS * 2**doublings, _LONGEST_PAUSE_SECONDS)
    return replace(left, failures=failures, open_until=now + pause)
