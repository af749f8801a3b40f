"""Our end of the connection from MAIL on: replies in order, writes whose leaving can be waited for.

It takes aiosmtplib's place with `set_protocol`, because with more than one command outstanding that protocol loses or
mis-credits replies. Replies that arrived before a violation or a lost connection still count, in their order.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from mailer.adapters.net.transport_state import FLUSH_POLL_SECONDS, has_news, is_gone, unsent_octets
from mailer.smtp.outcome import Cause
from mailer.smtp.reply import Reply, ReplyParser

_LOW_WATER = 64 * 1024
_HIGH_WATER = 256 * 1024


class Broken(Exception):
    """No further reply can be had: the connection is lost, too slow, or not to be trusted."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class Wire(asyncio.Protocol):
    """One connection to a relay, used by one transaction at a time."""

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        loop: asyncio.AbstractEventLoop,
        repeats_credentials: Callable[[str], bool],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._parser = ReplyParser(repeats_credentials)
        self._replies: deque[Reply] = deque()
        self._broken: Cause | None = None
        self._is_lost = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        transport.set_write_buffer_limits(high=_HIGH_WATER, low=_LOW_WATER)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The only event loop that this connection works on."""
        return self._loop

    @property
    def is_quiet(self) -> bool:
        """Nothing has arrived that no command asked for, and nothing is broken."""
        return not self._replies and self._broken is None and self._parser.is_between_replies

    @property
    def has_reply(self) -> bool:
        """Whether `reply` would return or raise at once."""
        return bool(self._replies) or self._broken is not None

    @property
    def is_usable(self) -> bool:
        """Quiet and open: a transaction may begin."""
        return self.is_quiet and not self._transport.is_closing()

    @property
    def has_news(self) -> bool:
        """Whether there may be something to read that the loop has not delivered: a farewell, or TLS's own messages."""
        return has_news(self._transport)

    @property
    def waiting_replies(self) -> int:
        """How many replies have arrived and were not asked for yet."""
        return len(self._replies)

    def write(self, octets: bytes) -> None:
        """Queue octets for the relay; raises `Broken` where the connection is known to be gone."""
        if self._broken is not None:
            raise Broken(self._broken)
        if self.is_gone:
            raise Broken(Cause.CONNECTION_LOST)
        self._transport.write(octets)

    async def reply(self, until: float) -> Reply:
        """Return the next reply in order; raises `Broken`, at the latest at `until` (the loop's clock)."""
        while not self._replies:
            if self._broken is not None:
                raise Broken(self._broken)
            await self._wait(until)
        return self._replies.popleft()

    async def drain(self, until: float) -> None:
        """Wait while too much is unsent; returns early where a reply is there to look at."""
        while self._paused and not self.has_reply:
            await self._wait(until)
        self._raise_if_broken()

    async def flush(self, until: float) -> None:
        """Wait until everything written has left this process; returns early where a reply is there to look at."""
        while unsent_octets(self._transport) and not self.has_reply:
            if self._loop.time() >= until:
                raise Broken(Cause.TIMEOUT)
            await asyncio.sleep(FLUSH_POLL_SECONDS)
        self._raise_if_broken()

    def quit(self) -> None:
        """Take leave without waiting: nothing about a result depends on QUIT."""
        if not self._transport.is_closing():
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    async def leave(self, *, patience: float = 0.2) -> None:
        """Take leave, give the relay so many seconds to do the same, and let the connection go."""
        self.quit()
        until = self._loop.time() + patience
        with suppress(Broken):
            while not self._is_lost:
                await self._wait(until)
        self.abort()

    def abort(self) -> None:
        """Drop the connection and whatever is unsent, so that nothing leaves later."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived and wake whoever waits."""
        replies: list[Reply] = []
        violation = self._parser.feed_into(data, replies)
        self._replies.extend(replies)
        if violation is not None:
            self._break(Cause.PROTOCOL_VIOLATION)
        else:
            self._wake()

    def eof_received(self) -> bool:
        """The relay closed its side: no further reply will come."""
        self._break(Cause.CONNECTION_LOST)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._is_lost = True
        self._break(Cause.CONNECTION_LOST)

    def pause_writing(self) -> None:
        """Too much is unsent."""
        self._paused = True

    def resume_writing(self) -> None:
        """Enough has left."""
        self._paused = False
        self._wake()

    @property
    def is_gone(self) -> bool:
        """Whether the connection is known to be lost or on its way out."""
        return is_gone(self._transport)

    def _raise_if_broken(self) -> None:
        # Replies that came first say more about the message than the way the connection ended.
        if self._broken is not None and not self._replies:
            raise Broken(self._broken)

    def _break(self, cause: Cause) -> None:
        self._broken = self._broken or cause
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, until: float) -> None:
        if self._loop.time() >= until:
            raise Broken(Cause.TIMEOUT)
        self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
