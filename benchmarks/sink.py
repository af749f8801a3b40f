"""An SMTP server in a separate process, which accepts, counts and discards every message.

For each TLS mode it has a port with CHUNKING and a port without. Over TLS it requires AUTH, so that all clients do the
same work.
"""

import asyncio
import base64
import ssl
import sys
from dataclasses import dataclass

import msgspec

from benchmarks.control import serve_control
from benchmarks.spec import HOST, PASSWORD, USERNAME, Security

_END_OF_DATA = b"\r\n.\r\n"
_CREDENTIALS = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode())


class Tally(msgspec.Struct):
    """Counts since the last report."""

    messages: int = 0
    recipients: int = 0
    octets: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Listener:
    """The options of one port."""

    security: Security
    chunking: bool
    context: ssl.SSLContext

    @property
    def name(self) -> str:
        return listener_name(self.security, chunking=self.chunking)


def listener_name(security: Security, *, chunking: bool) -> str:
    """Return the name under which the sink announces a listener."""
    return f"{security}{'' if chunking else '-without-chunking'}"


class SinkConnection(asyncio.Protocol):
    """One client's conversation."""

    def __init__(self, listener: Listener, tally: Tally) -> None:
        self._listener = listener
        self._tally = tally
        self._transport: asyncio.Transport | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._is_in_handshake = False
        self._buffer = b""
        self._replies: list[bytes] = []
        self._protected = listener.security is Security.IMPLICIT
        self._authenticated = listener.security is Security.PLAIN
        self._recipients = 0
        self._in_data = False
        self._chunk: int | None = None
        self._chunk_is_last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._tally.connections += 1
        transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._tally.octets += len(data)
        self._buffer = self._buffer + data if self._buffer else data
        if not self._is_in_handshake:
            self._answer()

    def _answer(self) -> None:
        while self._buffer and self._advance():
            pass
        if self._replies and self._transport is not None:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()

    def _advance(self) -> bool:
        if self._chunk is not None:
            return self._advance_chunk(self._chunk)
        if self._in_data:
            return self._advance_data()
        line, separator, rest = self._buffer.partition(b"\r\n")
        if not separator:
            return False
        self._buffer = rest
        self._command(line)
        return True

    def _advance_chunk(self, missing: int) -> bool:
        taken = min(missing, len(self._buffer))
        self._buffer = self._buffer[taken:]
        self._chunk = missing - taken
        if self._chunk:
            return False
        self._end_chunk()
        return True

    def _end_chunk(self) -> None:
        self._chunk = None
        if self._chunk_is_last:
            self._accept()
        else:
            self._replies.append(b"250 2.0.0 chunk taken\r\n")

    def _advance_data(self) -> bool:
        end = self._buffer.find(_END_OF_DATA)
        if end < 0:
            self._buffer = self._buffer[-len(_END_OF_DATA) + 1 :]
            return False
        self._buffer = self._buffer[end + len(_END_OF_DATA) :]
        self._in_data = False
        self._accept()
        return True

    def _accept(self) -> None:
        self._tally.messages += 1
        self._tally.recipients += self._recipients
        self._recipients = 0
        self._replies.append(b"250 2.0.0 queued as 4242\r\n")

    def _command(self, line: bytes) -> None:
        match line[:4].upper():
            case b"MAIL" if not self._authenticated:
                self._replies.append(b"530 5.7.0 authenticate first\r\n")
            case b"MAIL" | b"RSET" | b"NOOP":
                self._replies.append(b"250 2.1.0 ok\r\n")
            case b"RCPT":
                self._recipients += 1
                self._replies.append(b"250 2.1.5 ok\r\n")
            case b"DATA":
                self._in_data = True
                self._buffer = b"\r\n" + self._buffer
                self._replies.append(b"354 go ahead\r\n")
            case b"BDAT" if self._listener.chunking:
                _, size, *last = line.split()
                self._chunk, self._chunk_is_last = int(size), bool(last)
                if not self._chunk:
                    self._end_chunk()
            case b"EHLO":
                self._replies.append(self._extensions())
            case b"AUTH":
                self._authenticated = line.split()[-1] == _CREDENTIALS
                self._replies.append(b"235 2.7.0 ok\r\n" if self._authenticated else b"535 5.7.8 no\r\n")
            case b"STAR":
                self._is_in_handshake = True
                self._handshake = asyncio.create_task(self._start_tls())
            case b"QUIT":
                self._replies.append(b"221 2.0.0 bye\r\n")
                asyncio.get_running_loop().call_soon(self._close)
            case _:
                self._replies.append(b"502 5.5.1 not here\r\n")

    def _extensions(self) -> bytes:
        names = ["sink.example", "PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES"]
        if self._listener.chunking:
            names.append("CHUNKING")
        if self._protected:
            names.append("AUTH PLAIN")
        elif self._listener.security is Security.STARTTLS:
            names.append("STARTTLS")
        lines = [f"250-{name}\r\n" for name in names[:-1]] + [f"250 {names[-1]}\r\n"]
        return "".join(lines).encode()

    async def _start_tls(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        self._buffer = b""
        self._transport.write(b"220 2.0.0 go ahead\r\n")
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, self._listener.context, server_side=True)
        self._protected = True
        # The segment that ended the handshake may hold more octets. They arrived before this transport was set.
        self._is_in_handshake = False
        self._answer()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def serve(chain: str, key: str) -> None:
    """Listen on a free port for each TLS mode until standard input ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(chain, key)
    loop = asyncio.get_running_loop()
    tally = Tally()
    ports: dict[str, int] = {}
    for listener in (Listener(security, chunking, context) for security in Security for chunking in (True, False)):
        server = await loop.create_server(
            lambda listener=listener: SinkConnection(listener, tally),
            HOST,
            0,
            ssl=context if listener.security is Security.IMPLICIT else None,
        )
        ports[listener.name] = server.sockets[0].getsockname()[1]

    def take() -> Tally:
        taken = msgspec.structs.replace(tally)
        tally.messages = tally.recipients = tally.octets = tally.connections = 0
        return taken

    await serve_control(ports, take)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
