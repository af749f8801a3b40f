"""How fast a project's relay is used: a breaker and a cap on how many workers are with it at a time.

Five attempts in a row that never came to a conversation, or whose credentials were refused, open the breaker for that
version of the secret; while it is open nothing is tried, and when it ends one worker tries for all. A new version of
the secret closes it at once. Five workers at most wait for one project's relay, so that a relay that answers slowly
costs its own project and nobody else.
"""

from copy import replace

import msgspec

MAX_WORKERS = 5
FAILURES_TO_OPEN = 5
_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 900.0
_BUSY_SECONDS = 5.0


class WorkerLease(msgspec.Struct, frozen=True):
    """A worker that is with the relay: its token, and until when it can be at the latest."""

    token: str
    until: float


class BreakerState(msgspec.Struct, frozen=True):
    """What is known of the road to one project's relay; times are seconds since the epoch."""

    version_id: str = ""
    failures: int = 0
    open_until: float = 0.0
    visits: tuple[WorkerLease, ...] = ()
    revision: int = 0


class Admitted(msgspec.Struct, frozen=True):
    """The worker may go; `pace` is to be written down first."""

    pace: BreakerState


class Paused(msgspec.Struct, frozen=True):
    """The worker may not go before `until`; `is_open` where the breaker is why."""

    until: float
    is_open: bool


def admit(pace: BreakerState, *, version_id: str, token: str, now: float, until: float) -> Admitted | Paused:
    """Let a worker go to the relay, for which it has time until `until`, or say when to come back."""
    visits = tuple(visit for visit in pace.visits if visit.until > now)
    current = replace(pace, visits=visits)
    if pace.version_id != version_id:
        current = replace(current, version_id=version_id, failures=0, open_until=0.0)
    if current.open_until > now:
        return Paused(current.open_until, is_open=True)
    is_probing = current.failures >= FAILURES_TO_OPEN
    if is_probing and visits:
        return Paused(now + _BUSY_SECONDS, is_open=True)
    if len(visits) >= MAX_WORKERS:
        return Paused(now + _BUSY_SECONDS, is_open=False)
    return Admitted(replace(current, visits=(*visits, WorkerLease(token, until))))


def leave(pace: BreakerState, *, version_id: str, token: str, now: float, has_failed: bool | None) -> BreakerState:
    """Let a worker come back; `has_failed` where no conversation came about or the credentials were refused.

    None says nothing about the road: the worker was not there, or something else stopped it.
    """
    left = replace(pace, visits=tuple(visit for visit in pace.visits if visit.token != token and visit.until > now))
    if pace.version_id != version_id or has_failed is None:
        return left
    if not has_failed:
        return replace(left, failures=0, open_until=0.0)
    failures = pace.failures + 1
    if failures < FAILURES_TO_OPEN:
        return replace(left, failures=failures)
    doublings = min(failures - FAILURES_TO_OPEN, 10)
    pause = min(_FIRST_PAUSE_SECONDS * 2**doublings, _LONGEST_PAUSE_SECONDS)
    return replace(left, failures=failures, open_until=now + pause)
