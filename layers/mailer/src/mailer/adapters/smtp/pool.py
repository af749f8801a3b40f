"""Warm sessions. A fresh session is reused for the same project and secret version, on the same event loop."""

import asyncio
from collections.abc import Hashable

import msgspec

from mailer.adapters.net.elapsed import Clocks, Moment
from mailer.adapters.smtp.session import Session
from mailer.adapters.smtp.wire import Wire

_CAPACITY = 32
_LATENESS_SECONDS = 0.01


class Freshness(msgspec.Struct, frozen=True):
    """Limits in seconds.

    A session is closed after `idle_seconds` without use, or at the age of `age_seconds`. If it was idle for more than
    `surely_alive_seconds`, it may be dead: it must answer within `sign_of_life_seconds`, or another connection is
    opened.
    """

    idle_seconds: float = 5.0
    age_seconds: float = 60.0
    surely_alive_seconds: float = 1.0
    sign_of_life_seconds: float = 3.0


class PooledSession[Key: Hashable](msgspec.Struct):
    """A session of the project and secret version in `key`; `idle_since` is when its last transaction ended."""

    key: Key
    session: Session
    opened_at: float
    idle_since: Moment
    may_be_dead: bool = False


class Pool[Key: Hashable]:
    """At most 32 idle sessions, in the order in which they became idle."""

    def __init__(self, *, clocks: Clocks, freshness: Freshness) -> None:
        self._clocks = clocks
        self._freshness = freshness
        self._idle: list[PooledSession[Key]] = []
        self._leaving: list[Wire] = []
        self._watched_by: asyncio.AbstractEventLoop | None = None

    @property
    def has_idle(self) -> bool:
        """Whether a session is kept."""
        return bool(self._idle)

    async def take(self, key: Key) -> PooledSession[Key] | None:
        """Return the most recently used fresh session of this key, or None."""
        candidates = [pooled.session.wire for pooled in self._idle if pooled.key == key]
        for wire in candidates:
            await wire.catch_up()
        self._dismiss_stale()
        pooled = next((pooled for pooled in reversed(self._idle) if pooled.key == key), None)
        if pooled is not None:
            self._idle = [idle for idle in self._idle if idle is not pooled]
            idle_seconds = self._clocks.seconds_since(pooled.idle_since)
            pooled.may_be_dead = idle_seconds > self._freshness.surely_alive_seconds
        return pooled

    def put(self, pooled: PooledSession[Key]) -> None:
        """Keep a session after a clean transaction."""
        pooled.idle_since = self._clocks.now()
        self._idle.append(pooled)
        self._dismiss_stale()
        if len(self._idle) > _CAPACITY:
            self._leave(self._idle.pop(0))
        self._watch()

    def dismiss(self) -> None:
        """Send QUIT on all idle sessions, and do not wait for the relays."""
        for pooled in self._idle:
            self._leave(pooled)
        self._idle.clear()

    async def close(self) -> None:
        """Send QUIT on all idle sessions at once, and close every connection."""
        self.dismiss()
        await asyncio.gather(*(wire.leave() for wire in self._leaving))
        self._leaving.clear()

    def _watch(self) -> None:
        """Have stale sessions dismissed in time while the loop runs for another relay."""
        loop = asyncio.get_running_loop()
        if self._idle and self._watched_by is not loop:
            self._watched_by = loop
            longest_idle = max(self._clocks.seconds_since(pooled.idle_since) for pooled in self._idle)
            delay = max(0.0, self._freshness.idle_seconds - longest_idle) + _LATENESS_SECONDS
            loop.call_later(delay, self._dismiss_and_watch)

    def _dismiss_and_watch(self) -> None:
        self._watched_by = None
        self._dismiss_stale()
        self._watch()

    def _leave(self, pooled: PooledSession[Key]) -> None:
        # The sockets of another event loop are closed with that loop.
        loop, wire = asyncio.get_running_loop(), pooled.session.wire
        self._leaving = [leaving for leaving in self._leaving if leaving.loop is loop and not leaving.is_lost]
        if wire.loop is loop:
            wire.quit()
            self._leaving.append(wire)

    def _dismiss_stale(self) -> None:
        fresh: list[PooledSession[Key]] = []
        for pooled in self._idle:
            if self._is_fresh(pooled):
                fresh.append(pooled)
            else:
                self._leave(pooled)
        self._idle = fresh

    def _is_fresh(self, pooled: PooledSession[Key]) -> bool:
        wire = pooled.session.wire
        return (
            wire.loop is asyncio.get_running_loop()
            and wire.is_usable
            and self._clocks.seconds_since(pooled.idle_since) <= self._freshness.idle_seconds
            and self._clocks.monotonic() - pooled.opened_at <= self._freshness.age_seconds
        )
