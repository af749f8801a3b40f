"""One TCP connection of the hostile relay, with explicit control over every octet.

asyncio's streams read ahead, close in order and hide the moment at which TLS begins. A fault server needs the opposite.
So TLS runs over memory buffers here, and every octet is read or written by an explicit call.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from weakref import WeakKeyDictionary

_PIECE = 256 * 1024
_CLEAR_KEPT = 64 * 1024
_server_names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()


class PeerGone(Exception):
    """The other side closed, reset or broke the connection."""


class Wire:
    """A connection, in clear or under TLS; `buffer` holds received octets that were not consumed yet.

    `clear` keeps the first octets that arrived outside TLS, with the ClientHello.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.segment_size: int | None = None
        self.buffer = bytearray()
        self.clear = bytearray()
        self.received = 0

    @property
    def is_tls(self) -> bool:
        """Whether the TLS handshake is complete."""
        return self._tls is not None

    @property
    def server_name(self) -> str | None:
        """The name that the client requested (SNI)."""
        return None if self._tls is None else _server_names.get(self._tls)

    async def fill(self) -> None:
        """Add at least one octet to the buffer; raises `PeerGone`."""
        if self._tls is None:
            octets = await self._receive()
            self.clear += octets[: max(0, _CLEAR_KEPT - len(self.clear))]
        else:
            octets = await self._receive_tls(self._tls)
        self.buffer += octets

    async def write(self, octets: bytes) -> None:
        """Send the octets, in segments of `segment_size` if it is set; raises `PeerGone`."""
        size = self.segment_size or max(1, len(octets))
        for start in range(0, len(octets), size):
            piece = octets[start : start + size]
            if self._tls is not None:
                self._tls.write(piece)
                piece = self._outgoing.read()
            await self._transmit(piece)
            await asyncio.sleep(0)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Perform the server's side of a TLS handshake, with the octets already received. Raises `PeerGone`."""
        context.sni_callback = _remember_server_name
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._incoming.write(bytes(self.buffer))
        self.buffer.clear()
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._transmit(self._outgoing.read())
                self._incoming.write(await self._receive())
            except ssl.SSLError as error:
                with contextlib.suppress(PeerGone):
                    await self._transmit(self._outgoing.read())
                raise PeerGone from error
            else:
                break
        await self._transmit(self._outgoing.read())
        self._tls = tls

    def half_close(self) -> None:
        """Send FIN and stay able to receive."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Send FIN and close; received octets are read first, because unread octets would turn FIN into RST."""
        self.half_close()
        with contextlib.suppress(OSError):
            while self._connection.recv(_PIECE):
                pass
        self._connection.close()

    def reset(self) -> None:
        """Send RST."""
        with contextlib.suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    async def _receive(self) -> bytes:
        try:
            octets = await self._loop.sock_recv(self._connection, _PIECE)
        except OSError as error:
            raise PeerGone from error
        if not octets:
            raise PeerGone
        self.received += len(octets)
        return octets

    async def _receive_tls(self, tls: ssl.SSLObject) -> bytes:
        while True:
            try:
                octets = tls.read(_PIECE)
            except ssl.SSLWantReadError:
                self._incoming.write(await self._receive())
            except ssl.SSLError as error:
                raise PeerGone from error
            else:
                if not octets:
                    raise PeerGone
                return octets

    async def _transmit(self, octets: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._connection, octets)
        except OSError as error:
            raise PeerGone from error


def _remember_server_name(tls: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
    if name is not None and isinstance(tls, ssl.SSLObject):
        _server_names[tls] = name
