"""A scriptable SMTP server for tests: it performs its script exactly, even a wrong script, and records the client.

It runs in a thread with its own event loop, so synchronous tests can drive it, and listens on loopback only. A script
is a list of steps, an object with `converse`, or a function of the connection's number (from 0) that returns either.
A script that expected another command, or a bug in a conversation, fails the test when the relay stops.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Protocol, Self, assert_never

from tests.support.content import Receiver
from tests.support.record import Connection, Line, ReceivedMessage
from tests.support.steps import (
    Await,
    Close,
    Drip,
    Expect,
    Flood,
    HalfClose,
    Hang,
    ReadChunk,
    ReadMessage,
    Reset,
    Send,
    Signal,
    Split,
    StartTls,
    Step,
    StopReading,
)
from tests.support.wire import PeerGone, Wire

LOOPBACK = "127.0.0.1"
_PATIENCE = 5.0
_MAIL = re.compile(rb"MAIL FROM:<(.*?)>(.*)\Z", re.IGNORECASE | re.DOTALL)
_RCPT = re.compile(rb"RCPT TO:<(.*?)>", re.IGNORECASE)
_BDAT = re.compile(rb"BDAT ([0-9]+)( LAST)?\r?\n\Z", re.IGNORECASE)


class ConversationOver(Exception):
    """The script's last step was performed."""


class ScriptMismatch(AssertionError):
    """The client did not send what the script expected."""


class Session:
    """One connection of a conversation: sends replies, reads lines and content, and records them."""

    def __init__(self, wire: Wire, record: Connection, changed: Callable[[], None]) -> None:
        self.wire = wire
        self.record = record
        self._changed = changed
        self._pending = bytearray()
        self._chunks = bytearray()
        self._swallow_lf = False
        self.sender = b""
        self.mail_parameters = b""
        self.recipients: list[bytes] = []

    def reply(self, octets: bytes) -> None:
        """Queue a reply; it is sent when the server has no unread input left (RFC 2920 section 3.2)."""
        self._pending += octets

    async def flush(self) -> None:
        """Send the queued replies in one segment."""
        octets = bytes(self._pending)
        self._pending.clear()
        await self.write(octets)

    async def write(self, octets: bytes) -> None:
        """Send octets without queueing them."""
        await self.wire.write(octets)
        self.record.sent += len(octets)
        self._changed()

    async def fill(self) -> None:
        """Send the queued replies, then wait for octets from the client."""
        await self.flush()
        try:
            await self.wire.fill()
        finally:
            self.record.clear = bytes(self.wire.clear)
            self.record.received = self.wire.received

    async def read_line(self) -> bytes:
        """Return the next line with its line end, and record it; a fragment before the end is recorded too."""
        while (end := self._end_of_line()) < 0:
            try:
                await self.fill()
            except PeerGone:
                if self.wire.buffer:
                    self._record_line(bytes(self.wire.buffer))
                raise
        line = bytes(self.wire.buffer[: end + 1])
        del self.wire.buffer[: end + 1]
        self._record_line(line)
        return line

    async def read_octets(self, count: int) -> bytes:
        """Return exactly this many octets."""
        while len(self.wire.buffer) < count:
            await self.fill()
        octets = bytes(self.wire.buffer[:count])
        del self.wire.buffer[:count]
        return octets

    async def read_content(self, receiver: Receiver) -> bytes:
        """Return content as sent, without its end."""
        searched = 0
        while (end := receiver.find_end(self.wire.buffer, searched)) is None:
            searched = len(self.wire.buffer)
            await self.fill()
        content = bytes(self.wire.buffer[: end[0]])
        self._swallow_lf = self.wire.buffer[end[1] - 1 : end[1]] == b"\r"
        del self.wire.buffer[: end[1]]
        return content

    def keep(self, wire: bytes, content: bytes, recipients: Sequence[bytes]) -> None:
        """Record an accepted message."""
        self.record.messages.append(
            ReceivedMessage(
                connection=self.record.number,
                sender=self.sender,
                recipients=tuple(recipients),
                mail_parameters=self.mail_parameters,
                content=content,
                wire=wire,
                tls=self.wire.is_tls,
                authenticated_as=self.record.authenticated_as,
            )
        )
        self._changed()

    async def perform(self, step: Step) -> None:
        """Perform one step; raises `ConversationOver` after the last step, `PeerGone` if the client left."""
        match step:
            case Send(octets):
                self.reply(octets)
                await self.flush()
            case Expect(prefix):
                line = await self.read_line()
                if not line.upper().startswith(prefix.upper()):
                    raise ScriptMismatch(f"expected {prefix!r}, the client sent {line!r}")
            case Drip(octets, interval):
                await self.flush()
                for octet in octets:
                    await self.write(bytes([octet]))
                    await asyncio.sleep(interval)
            case Flood(octets, count):
                for _ in range(count):
                    await self.write(octets)
            case Hang():
                while True:
                    await self.read_line()
            case StopReading():
                await self.flush()
                await asyncio.Event().wait()
            case Close():
                await self.flush()
                self.wire.close()
                raise ConversationOver
            case Reset():
                self.wire.reset()
                raise ConversationOver
            case HalfClose():
                await self.flush()
                self.wire.half_close()
            case ReadMessage(receiver, keep):
                content = await self.read_content(receiver)
                if keep:
                    self.keep(content, receiver.unstuff(content), self.recipients)
            case ReadChunk(keep):
                await self._read_chunk(keep=keep)
            case StartTls(context):
                await self.start_tls(context)
            case Await(event):
                await self.flush()
                await asyncio.to_thread(event.wait, _PATIENCE)
            case Signal(event):
                event.set()
            case Split(size):
                self.wire.segment_size = size
            case unreachable:
                assert_never(unreachable)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Send the queued replies, then perform the server's side of a TLS handshake."""
        await self.flush()
        try:
            await self.wire.start_tls(context)
        finally:
            self.record.clear = bytes(self.wire.clear)
        self.record.tls = True
        self.record.server_name = self.wire.server_name
        self._changed()

    async def _read_chunk(self, *, keep: bool) -> None:
        line = await self.read_line()
        matched = _BDAT.match(line)
        if matched is None:
            raise ScriptMismatch(f"expected BDAT, the client sent {line!r}")
        self._chunks += await self.read_octets(int(matched[1]))
        if matched[2] is not None:
            content = bytes(self._chunks)
            self._chunks.clear()
            if keep:
                self.keep(content, content, self.recipients)

    def _end_of_line(self) -> int:
        # If a receiver ended the content at a bare CR, the LF after it belongs to that line end.
        if self._swallow_lf and self.wire.buffer:
            self._swallow_lf = False
            if self.wire.buffer[0:1] == b"\n":
                del self.wire.buffer[:1]
        return self.wire.buffer.find(b"\n")

    def _record_line(self, line: bytes) -> None:
        self.record.lines.append(Line(line, self.wire.is_tls))
        if matched := _MAIL.match(line.rstrip(b"\r\n")):
            self.sender, self.mail_parameters, self.recipients = matched[1], matched[2].strip(), []
        elif matched := _RCPT.match(line):
            self.recipients.append(matched[1])
        self._changed()


class Conversation(Protocol):
    """A behaviour on one connection."""

    async def converse(self, session: Session) -> None:
        """Serve the connection until it is over."""


type Script = Sequence[Step] | Conversation


class HostileRelay:
    """The server; a context manager that listens from `__enter__` to `__exit__`.

    `receive_buffer` makes the kernel's buffer small, so that a client's writes block soon if the server does not read.
    """

    host = LOOPBACK

    def __init__(self, script: Script | Callable[[int], Script], *, receive_buffer: int | None = None) -> None:
        self._script = script
        self._receive_buffer = receive_buffer
        self._changed = threading.Condition()
        self._connections: list[Connection] = []
        self._errors: list[BaseException] = []
        self._started = threading.Event()
        self.port = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self.host, 0), backlog=128)
        if self._receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name="hostile-relay", daemon=True)
        self._thread.start()
        self._started.wait(_PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        self._listener.close()
        if error is None and self._errors:
            raise self._errors[0]

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every connection so far, in the order of their arrival."""
        return tuple(self._connections)

    @property
    def messages(self) -> tuple[ReceivedMessage, ...]:
        """Every message accepted so far, by connection."""
        return tuple(message for connection in self.connections for message in connection.messages)

    @property
    def violations(self) -> tuple[str, ...]:
        """Every protocol violation by the client."""
        return tuple(violation for connection in self.connections for violation in connection.violations)

    @property
    def commands(self) -> list[bytes]:
        """Every line on every connection, without line ends."""
        return [command for connection in self.connections for command in connection.commands]

    @property
    def verbs(self) -> list[bytes]:
        """The first word of every line on every connection."""
        return [verb for connection in self.connections for verb in connection.verbs]

    @property
    def auth_attempts(self) -> int:
        """How often clients began AUTH, on all connections."""
        return sum(connection.auth_attempts for connection in self.connections)

    @property
    def auth_in_clear(self) -> bool:
        """Whether credentials or an AUTH command were sent without TLS."""
        return any(connection.auth_in_clear for connection in self.connections)

    def wait_until(self, predicate: Callable[[], bool], *, timeout: float = _PATIENCE) -> bool:
        """Wait until a condition on the record is true; return whether it became true."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def wait_until_left(self, *, timeout: float = _PATIENCE) -> bool:
        """Wait until clients have connected and all connections are closed; return whether this happened."""
        return self.wait_until(
            lambda: bool(self.connections) and all(connection.ended for connection in self.connections), timeout=timeout
        )

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()
        accepting = asyncio.create_task(self._accept(tasks))
        self._started.set()
        await self._stop.wait()
        for task in (accepting, *tasks):
            task.cancel()
        await asyncio.gather(accepting, *tasks, return_exceptions=True)

    async def _accept(self, tasks: set[asyncio.Task[None]]) -> None:
        while True:
            connection, _ = await self._loop.sock_accept(self._listener)
            record = Connection(number=len(self._connections))
            self._connections.append(record)
            self._notify()
            task = asyncio.create_task(self._talk(connection, record))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _talk(self, connection: socket.socket, record: Connection) -> None:
        wire = Wire(connection)
        session = Session(wire, record, self._notify)
        try:
            with contextlib.suppress(PeerGone, ConversationOver):
                await self._conversation(record.number)(session)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 -- a thread cannot raise: kept for the test
            self._errors.append(error)
        finally:
            wire.close()
            record.ended = True
            self._notify()

    def _conversation(self, number: int) -> Callable[[Session], Coroutine[None, None, None]]:
        script = self._script(number) if callable(self._script) else self._script
        if isinstance(script, Sequence):
            steps = script
            return lambda session: _play(steps, session)
        return script.converse

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


async def _play(steps: Sequence[Step], session: Session) -> None:
    for step in steps:
        await session.perform(step)
    await session.flush()
