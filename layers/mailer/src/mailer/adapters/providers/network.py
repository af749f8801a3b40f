"""httpcore's network: vetted addresses, TLS from the first octet, and nothing said to have left that has not.

A host is resolved once and vetted as a relay's is; the connection goes to the vetted address, and the certificate is
verified against the host's name. There is no way to send a request in clear. One that rests for more than five seconds
is not used again: it may have died unnoticed while the environment was frozen, and the request would end as unknown.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable

import httpcore

from mailer.adapters.net.dial import Dialer, DialFailed
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.net.tls import find_tls_error, handshake_failure, is_verified
from mailer.adapters.net.transport_state import FLUSH_POLL_SECONDS, has_news, is_gone, unsent_octets
from mailer.smtp.outcome import Cause, Phase

CONNECT_SECONDS = 5.0
MAX_IDLE_SECONDS = 5.0
# No answer that is worth reading is as long as this.
_MAX_UNREAD = 128 * 1024


class VettedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections; what keeps one from coming about is raised as `DialFailed`."""

    def __init__(self, dialer: Dialer, clocks: Clocks) -> None:
        self._dialer = dialer
        self._clocks = clocks

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection on which nothing but TLS can begin; who asks bounds the whole time."""
        deadline = asyncio.get_running_loop().time() + CONNECT_SECONDS
        connection = await self._dialer.dial(host, port, timeout=CONNECT_SECONDS, deadline=deadline)
        return _Connected(connection, self._clocks)


class _Connected(httpcore.AsyncNetworkStream):
    def __init__(self, connection: socket.socket, clocks: Clocks) -> None:
        self._connection = connection
        self._clocks = clocks

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Return the protected connection."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, stream = await loop.create_connection(
                    lambda: _Protected(self._clocks),
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
    """A connection on which requests go out whole and in order."""

    _transport: asyncio.Transport

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._last_used = clocks.now()
        self._received = bytearray()
        self._is_over = False
        self._news: asyncio.Event = asyncio.Event()

    def is_verified_for(self, host: str) -> bool:
        """Tell whether the certificate was checked against this host's name."""
        return is_verified(self._transport.get_extra_info("ssl_object"), host)

    def abort(self) -> None:
        """Drop the connection and whatever is unsent, so that nothing leaves later."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        if not isinstance(transport, asyncio.Transport):
            msg = "a connection is a stream"
            raise TypeError(msg)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what arrived and wake whoever waits."""
        self._received += data
        if len(self._received) > _MAX_UNREAD:
            self.abort()
        self._news.set()

    def eof_received(self) -> bool:
        """The other side says no more."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived; raises `httpcore.ReadError` where no more will.

        An answer that only the connection's end delimits cannot be told from one that was cut off.
        """
        while not self._received:
            if self._is_over:
                raise httpcore.ReadError
            self._news.clear()
            await self._news.wait()
        octets = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        self._last_used = self._clocks.now()
        return octets

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Return when the octets have left this process; an answer that comes before that is to be read instead."""
        if not buffer:
            return
        if self._is_over or self._received:
            raise httpcore.WriteError
        self._transport.write(buffer)
        # One turn of the loop, so that an answer which is there already is noticed.
        await asyncio.sleep(0)
        while unsent_octets(self._transport):
            if self._is_over or self._received:
                raise httpcore.WriteError
            await asyncio.sleep(FLUSH_POLL_SECONDS)
        if is_gone(self._transport):
            raise httpcore.WriteError
        self._last_used = self._clocks.now()

    async def aclose(self) -> None:
        """Drop the connection: TLS's own farewell would wait for somebody who may never answer."""
        self.abort()

    def get_extra_info(self, info: str) -> object:
        """Say whether a resting connection must not be used again, which httpcore calls being readable."""
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
