"""Warm sessions: reused only for the same project and secret version, on the same event loop, and only while fresh."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from mailer.adapters.smtp.session import Session


@dataclass(frozen=True, slots=True)
class Freshness:
    """For how many seconds a session may rest, how old it may get, and when it counts as possibly dead.

    One that may be dead has `sign_of_life_seconds` to answer before another connection is opened.
    """

    idle_seconds: float = 5.0
    age_seconds: float = 60.0
    surely_alive_seconds: float = 1.0
    sign_of_life_seconds: float = 3.0


@dataclass(slots=True)
class Lease:
    """A session in one transaction's hands; `is_reused` after it has served before."""

    session: Session
    opened_at: float
    is_reused: bool = False
    may_be_dead: bool = False


@dataclass(slots=True)
class _Resting:
    lease: Lease
    since: float
    since_wall: float


class Pool:
    """At most `capacity` resting sessions; the longest resting one goes first.

    Rest is measured on both clocks: where an environment is frozen between invocations, the monotonic one may stand
    still, and the wall clock may be set; the larger reading counts.
    """

    def __init__(
        self, *, clock: Callable[[], float], wall_clock: Callable[[], float], freshness: Freshness, capacity: int = 32
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._freshness = freshness
        self._capacity = capacity
        self._resting: dict[Hashable, list[_Resting]] = {}
        self._count = 0

    async def take(self, key: Hashable) -> Lease | None:
        """Return a fresh session, or None; what is no longer fresh is closed on the way."""
        resting = self._resting.get(key)
        if not resting:
            return None
        # Two turns of the loop: the first reads what arrived while nobody looked, the second delivers it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while resting:
            candidate = resting.pop()
            self._count -= 1
            idle = self._idle_seconds(candidate)
            age = self._clock() - candidate.lease.opened_at
            fresh = idle <= self._freshness.idle_seconds and age <= self._freshness.age_seconds
            wire = candidate.lease.session.wire
            if wire.loop is not asyncio.get_running_loop():
                # Its loop is gone or belongs to another thread: the socket is closed with it, nothing can be said.
                continue
            if fresh and wire.is_usable:
                candidate.lease.is_reused = True
                candidate.lease.may_be_dead = idle > self._freshness.surely_alive_seconds
                return candidate.lease
            wire.quit()
        del self._resting[key]
        return None

    def put(self, key: Hashable, lease: Lease) -> None:
        """Keep a session whose last transaction ended cleanly."""
        self._resting.setdefault(key, []).append(_Resting(lease, self._clock(), self._wall_clock()))
        self._count += 1
        if self._count > self._capacity:
            self._evict()

    async def close(self) -> None:
        """Take leave of every resting session, of all at once."""
        wires = [one.lease.session.wire for resting in self._resting.values() for one in resting]
        self._resting.clear()
        self._count = 0
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(wire.leave() for wire in wires if wire.loop is loop))

    def _idle_seconds(self, resting: _Resting) -> float:
        return max(self._clock() - resting.since, self._wall_clock() - resting.since_wall)

    def _evict(self) -> None:
        key = min(self._resting, key=lambda key: self._resting[key][0].since)
        oldest = self._resting[key].pop(0)
        self._count -= 1
        oldest.lease.session.wire.quit()
        if not self._resting[key]:
            del self._resting[key]
