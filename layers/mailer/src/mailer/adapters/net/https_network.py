"""The network below httpcore: vetted addresses, TLS from the first octet, and an exact count of the octets sent.

Requests are never sent in clear text. A connection that was idle for more than five seconds is not used again: it may
be dead after the environment was frozen, and a request on it would end as unknown.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable

import httpcore

from mailer.adapters.net.dial import Dialer, DialFailed
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.net.tls import find_tls_error, handshake_failure, is_verified
from mailer.adapters.net.transport_state import FLUSH_POLL_SECONDS, has_news, is_gone, unsent_octets
from mailer.smtp.outcome import Cause, Phase

CONNECT_SECONDS = 5.0
MAX_IDLE_SECONDS = 5.0
# More than the largest allowed answer.
_MAX_UNREAD = 128 * 1024


class VettedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections; raises `DialFailed`. `accepts_unframed`: see `HttpsClient`."""

    def __init__(self, dialer: Dialer, clocks: Clocks, *, accepts_unframed: bool) -> None:
        self._dialer = dialer
        self._clocks = clocks
        self._accepts_unframed = accepts_unframed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection that allows only `start_tls`; the caller limits the whole time."""
        deadline = asyncio.get_running_loop().time() + CONNECT_SECONDS
        connection = await self._dialer.dial(host, port, timeout=CONNECT_SECONDS, deadline=deadline)
        return _Connected(connection, lambda: _Protected(self._clocks, accepts_unframed=self._accepts_unframed))


class _Connected(httpcore.AsyncNetworkStream):
    def __init__(self, connection: socket.socket, new_stream: "Callable[[], _Protected]") -> None:
        self._connection = connection
        self._new_stream = new_stream

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the protected connection."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, stream = await loop.create_connection(
                    self._new_stream,
                    sock=self._connection,
                    ssl=ssl_context,
                    server_hostname=server_hostname,
                )
        except TimeoutError:
            raise DialFailed(Phase.TLS, Cause.TIMEOUT) from None
        except OSError as error:
            tls_error = find_tls_error(error)
            cause = handshake_failure(tls_error) if tls_error is not None else Cause.CONNECTION_LOST
            raise DialFailed(Phase.TLS, cause) from error
        if server_hostname is None or not stream.is_verified_for(server_hostname):
            stream.abort()
            raise DialFailed(Phase.TLS, Cause.CERTIFICATE_HOST_MISMATCH)
        return stream

    async def aclose(self) -> None:
        """Drop the connection."""
        self._connection.close()


class _Protected(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A TLS connection. A write returns after its octets have left this process."""

    _transport: asyncio.Transport

    def __init__(self, clocks: Clocks, *, accepts_unframed: bool) -> None:
        self._clocks = clocks
        self._accepts_unframed = accepts_unframed
        self._last_used = clocks.now()
        self._received = bytearray()
        self._is_over = False
        self._is_broken = False
        self._news: asyncio.Event = asyncio.Event()

    def is_verified_for(self, host: str) -> bool:
        """Tell whether the certificate was checked against this host's name."""
        return is_verified(self._transport.get_extra_info("ssl_object"), host)

    def abort(self) -> None:
        """Drop the connection and all unsent octets, so that nothing leaves later."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if not isinstance(transport, asyncio.Transport):
            msg = "a connection is a stream"
            raise TypeError(msg)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep the octets and wake the reader."""
        self._received += data
        if len(self._received) > _MAX_UNREAD:
            self.abort()
        self._news.set()

    def eof_received(self) -> bool:
        """Note that the other side sends no more."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._is_broken = exc is not None
        self._end()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return received octets; raises `httpcore.ReadError` at the connection's end.

        An answer that ends with the connection looks the same as a truncated answer. If such answers are accepted, an
        orderly end returns no octets instead, as httpcore expects.
        """
        while not self._received:
            if self._is_over:
                if self._accepts_unframed and not self._is_broken:
                    return b""
                raise httpcore.ReadError
            self._news.clear()
            await self._news.wait()
        octets = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        self._last_used = self._clocks.now()
        return octets

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Return when the octets have left this process; raises `httpcore.WriteError` if an answer comes first."""
        if not buffer:
            return
        if self._is_over or self._received:
            raise httpcore.WriteError
        self._transport.write(buffer)
        # One turn of the loop reads an answer that has arrived.
        await asyncio.sleep(0)
        while unsent_octets(self._transport):
            if self._is_over or self._received:
                raise httpcore.WriteError
            await asyncio.sleep(FLUSH_POLL_SECONDS)
        if is_gone(self._transport):
            raise httpcore.WriteError
        self._last_used = self._clocks.now()

    async def aclose(self) -> None:
        """Drop the connection; an orderly TLS shutdown could wait forever."""
        self.abort()

    def get_extra_info(self, info: str) -> object:
        """Tell whether an idle connection must not be used again; httpcore calls this `is_readable`."""
        if info != "is_readable":
            return None
        return (
            self._is_over
            or bool(self._received)
            or is_gone(self._transport)
            or has_news(self._transport)
            or self._clocks.seconds_since(self._last_used) > MAX_IDLE_SECONDS
        )

    def _end(self) -> None:
        self._is_over = True
        self._news.set()
