"""The client's end of the connection after authentication: replies in order, and a wait until all octets have left.

`Wire` replaces aiosmtplib's protocol with `set_protocol`. If several commands wait for replies, aiosmtplib's protocol
loses replies or assigns them wrongly. Replies that arrived before a violation or a lost connection still count.
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
_QUIT_SECONDS = 0.2


class Broken(Exception):
    """No further reply will come: the connection is lost, too slow, or violates the protocol."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class Wire(asyncio.Protocol):
    """One connection to a relay on its event loop `loop`, used by one transaction at a time."""

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        loop: asyncio.AbstractEventLoop,
        repeats_credentials: Callable[[str], bool],
    ) -> None:
        self._transport = transport
        self.loop = loop
        self._parser = ReplyParser(repeats_credentials)
        self._replies: deque[Reply] = deque()
        self._broken: Cause | None = None
        self.is_lost = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        transport.set_write_buffer_limits(high=_HIGH_WATER, low=_LOW_WATER)

    @property
    def has_reply(self) -> bool:
        """Whether `reply` would return or raise at once."""
        return bool(self._replies) or self._broken is not None

    @property
    def is_usable(self) -> bool:
        """Whether a transaction may begin: the connection is open, and no reply is pending."""
        return not self.has_reply and self._parser.is_between_replies and not self._transport.is_closing()

    @property
    def waiting_replies(self) -> int:
        """The number of replies that have arrived and were not returned yet."""
        return len(self._replies)

    def write(self, octets: bytes) -> None:
        """Queue octets for sending; raises `Broken` if the connection is known to be lost."""
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

    async def catch_up(self) -> None:
        """Read the input that has arrived, without waiting for more."""
        if has_news(self._transport):
            # Two turns of the loop: the first reads the input, the second delivers it.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def ask(self, command: bytes, until: float) -> Reply:
        """Send one command and return its reply; raises `Broken`, also if a reply arrived before the command."""
        if self._replies:
            raise Broken(Cause.PROTOCOL_VIOLATION)
        self.write(command)
        return await self.reply(until)

    async def drain(self, until: float) -> None:
        """Wait while too many octets are unsent; returns early if a reply has arrived."""
        while self._paused and not self.has_reply:
            await self._wait(until)
        self._raise_if_broken()

    async def flush(self, until: float) -> None:
        """Wait until all written octets have left this process; returns early if a reply has arrived."""
        while unsent_octets(self._transport) and not self.has_reply:
            if self.loop.time() >= until:
                raise Broken(Cause.TIMEOUT)
            await asyncio.sleep(FLUSH_POLL_SECONDS)
        self._raise_if_broken()

    def quit(self) -> None:
        """Send QUIT and close without waiting: no result depends on QUIT."""
        if not self._transport.is_closing():
            self._transport.write(b"QUIT\r\n")
            self._transport.close()

    async def leave(self) -> None:
        """Send QUIT, wait shortly for the reply, and close the connection."""
        self.quit()
        until = self.loop.time() + _QUIT_SECONDS
        with suppress(Broken):
            while not self.is_lost:
                await self._wait(until)
        self.abort()

    def abort(self) -> None:
        """Drop the connection and all unsent octets, so that nothing leaves later."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse the octets and wake the waiting reader."""
        replies: list[Reply] = []
        violation = self._parser.feed_into(data, replies)
        self._replies.extend(replies)
        if violation is not None:
            self._break(Cause.PROTOCOL_VIOLATION)
        else:
            self._wake()

    def eof_received(self) -> bool:
        """Note that the relay closed its side: no further reply will come."""
        self._break(Cause.CONNECTION_LOST)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is lost."""
        self.is_lost = True
        self._break(Cause.CONNECTION_LOST)

    def pause_writing(self) -> None:
        """Note that too many octets are unsent."""
        self._paused = True

    def resume_writing(self) -> None:
        """Note that enough octets have left."""
        self._paused = False
        self._wake()

    @property
    def is_gone(self) -> bool:
        """Whether the connection is known to be lost or closing."""
        return is_gone(self._transport)

    def _raise_if_broken(self) -> None:
        # Replies that came before the end of the connection count first.
        if self._broken is not None and not self._replies:
            raise Broken(self._broken)

    def _break(self, cause: Cause) -> None:
        self._broken = self._broken or cause
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, until: float) -> None:
        if self.loop.time() >= until:
            raise Broken(Cause.TIMEOUT)
        self._waiter = self.loop.create_future()
        timer = self.loop.call_at(until, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
