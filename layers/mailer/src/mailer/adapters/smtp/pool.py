"""Warm sessions: reused only for the same project and secret version, on the same event loop, while they are fresh."""

import asyncio
from collections.abc import Callable, Hashable

import msgspec

from mailer.adapters.smtp.session import Session


class Freshness(msgspec.Struct, frozen=True):
    """Limits in seconds for an idle session: idle time, age, and the idle time after which it may be dead.

    A session that may be dead has `sign_of_life_seconds` to answer before another connection is opened.
    """

    idle_seconds: float = 5.0
    age_seconds: float = 60.0
    surely_alive_seconds: float = 1.0
    sign_of_life_seconds: float = 3.0


class Lease(msgspec.Struct):
    """A session in use by one transaction; `is_reused` if it has served another before."""

    session: Session
    opened_at: float
    is_reused: bool = False
    may_be_dead: bool = False


class _Resting(msgspec.Struct, frozen=True):
    key: Hashable
    lease: Lease
    since: float
    since_wall: float


class Pool:
    """At most `capacity` idle sessions, in the order in which they became idle.

    Idle time is measured on two clocks, and the larger reading counts: see `mailer.adapters.net.elapsed`.
    """

    def __init__(
        self, *, clock: Callable[[], float], wall_clock: Callable[[], float], freshness: Freshness, capacity: int = 32
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._freshness = freshness
        self._capacity = capacity
        self._resting: list[_Resting] = []

    async def take(self, key: Hashable) -> Lease | None:
        """Return the most recently used fresh session of this key, or None."""
        candidates = [resting.lease.session.wire for resting in self._resting if resting.key == key]
        if not candidates:
            return None
        if any(wire.has_news for wire in candidates):
            # Two turns of the loop: the first reads input that has arrived, the second delivers it.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self._dismiss_stale()
        for index in reversed(range(len(self._resting))):
            if self._resting[index].key == key:
                resting = self._resting.pop(index)
                resting.lease.is_reused = True
                resting.lease.may_be_dead = self._idle_seconds(resting) > self._freshness.surely_alive_seconds
                return resting.lease
        return None

    def put(self, key: Hashable, lease: Lease) -> None:
        """Keep a session after a clean transaction."""
        self._resting.append(_Resting(key, lease, self._clock(), self._wall_clock()))
        self._dismiss_stale()
        if len(self._resting) > self._capacity:
            self._resting.pop(0).lease.session.wire.quit()

    async def close(self) -> None:
        """Send QUIT on all idle sessions at once, and close them."""
        wires = [resting.lease.session.wire for resting in self._resting]
        self._resting.clear()
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(wire.leave() for wire in wires if wire.loop is loop))

    def _dismiss_stale(self) -> None:
        fresh: list[_Resting] = []
        for resting in self._resting:
            if self._is_fresh(resting):
                fresh.append(resting)
            elif resting.lease.session.wire.loop is asyncio.get_running_loop():
                resting.lease.session.wire.quit()
            # A session of another loop cannot be used here; its socket closes with that loop.
        self._resting = fresh

    def _is_fresh(self, resting: _Resting) -> bool:
        wire = resting.lease.session.wire
        return (
            wire.loop is asyncio.get_running_loop()
            and wire.is_usable
            and self._idle_seconds(resting) <= self._freshness.idle_seconds
            and self._clock() - resting.lease.opened_at <= self._freshness.age_seconds
        )

    def _idle_seconds(self, resting: _Resting) -> float:
        return max(self._clock() - resting.since, self._wall_clock() - resting.since_wall)
