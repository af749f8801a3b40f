"""The client for all HTTPS requests outside AWS: providers' APIs, token endpoints and key sets.

A host is resolved once, its addresses are vetted, and the connection goes to a vetted address. The certificate is
verified against the host's name. A request is made once and has one deadline. Redirects are not followed,
proxies are not used, and the answer's size is limited.

The last octets of a request are held back until all others have left, like the final dot in SMTP. If a request fails
before the last octets leave, it was provably not accepted. After that only a complete answer decides.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Self
from urllib.parse import urlsplit

import httpcore
import msgspec

from mailer.adapters.net.dial import Dialer, DialFailed
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.net.https_network import MAX_IDLE_SECONDS, VettedNetwork
from mailer.adapters.net.tls import new_context
from mailer.smtp.outcome import Cause, Failure, Phase

_MAX_ANSWER = 64 * 1024
_MAX_OWNERS = 16


class Call(msgspec.Struct, frozen=True):
    """A request; `pieces` yields its body in non-empty pieces of `length` octets in all.

    `base_url` is https://host[:port]; a `ca_certificate` (PEM) replaces the system's authorities.
    """

    method: str
    base_url: str
    target: str
    headers: Mapping[str, str]
    pieces: Callable[[], Iterator[bytes]] = lambda: iter(())
    length: int = 0
    ca_certificate: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """A complete answer, with header names in lower case; `is_early`: it came before the whole request was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_early: bool = False

    def members(self) -> Mapping[str, object]:
        """Return the body's members; empty if the body is not a JSON object."""
        try:
            document = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


class NoAnswer(msgspec.Struct, frozen=True):
    """No complete answer came; `has_left` tells whether the whole request may have reached the server."""

    failure: Failure
    has_left: bool


class HttpsClient:
    """Makes requests on the running event loop, on a new connection or on a warm connection of the same owner.

    A request is sent only if `answer_seconds` remain for its answer. An answer of more than 64 KiB is a protocol
    violation. `accepts_unframed` allows answers that end with the connection.
    """

    def __init__(
        self,
        dialer: Dialer,
        *,
        clocks: Clocks,
        answer_seconds: float,
        accepts_unframed: bool = False,
    ) -> None:
        # At DEBUG httpcore logs the answers.
        logger = logging.getLogger("httpcore")
        logger.setLevel(max(logger.level, logging.INFO))
        self._network = VettedNetwork(dialer, clocks, accepts_unframed=accepts_unframed)
        self._answer_seconds = answer_seconds
        self._pools: OrderedDict[Hashable, httpcore.AsyncConnectionPool] = OrderedDict()

    async def make(
        self, call: Call, *, owner: Hashable, deadline: float, before_end: Callable[[], None] = lambda: None
    ) -> Answer | NoAnswer:
        """Make the request once, before the deadline (the loop's clock). Failures of the other side are a `NoAnswer`.

        Only requests of the same owner share connections. `before_end` is called right before the last octets leave.
        If it raises, these octets are not sent, and the error is raised again.
        """
        outgoing = _Outgoing(call, before_end, leave_until=deadline - self._answer_seconds)
        pool = await self._pool(owner, call.ca_certificate)
        try:
            async with asyncio.timeout_at(deadline):
                return await _exchange(pool, call, outgoing)
        except DialFailed as failed:
            return NoAnswer(failed.failure, has_left=False)
        except _Stopped as stopped:
            return outgoing.unanswered(stopped.cause)
        except TimeoutError:
            return outgoing.unanswered(Cause.TIMEOUT)
        except httpcore.NetworkError:
            return outgoing.unanswered(Cause.CONNECTION_LOST)
        except httpcore.ProtocolError:
            return outgoing.unanswered(Cause.PROTOCOL_VIOLATION)

    async def close(self) -> None:
        """Drop every connection."""
        while self._pools:
            await self._pools.popitem()[1].aclose()
        # A dropped TLS connection is closed two turns of the loop later.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _pool(self, owner: Hashable, ca_certificate: str | None) -> httpcore.AsyncConnectionPool:
        key = (owner, ca_certificate)
        pool = self._pools.pop(key, None)
        if pool is None:
            pool = httpcore.AsyncConnectionPool(
                ssl_context=new_context(ca_certificate),
                keepalive_expiry=MAX_IDLE_SECONDS,
                network_backend=self._network,
            )
        self._pools[key] = pool
        if len(self._pools) > _MAX_OWNERS:
            await self._pools.popitem(last=False)[1].aclose()
        return pool


class _Stopped(Exception):
    """This side stopped the exchange."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class _Outgoing:
    """A request's body. Its iterator yields the last piece only after all others have left."""

    def __init__(self, call: Call, before_end: Callable[[], None], *, leave_until: float) -> None:
        self._pieces = call.pieces()
        self._next = next(self._pieces, None)
        self._before_end = before_end
        self._leave_until = leave_until
        self._has_begun = False
        self.has_left = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._has_begun = True
        piece = self._next
        if piece is None:
            raise StopAsyncIteration
        self._next = next(self._pieces, None)
        if self._next is None:
            if asyncio.get_running_loop().time() > self._leave_until:
                raise _Stopped(Cause.TOO_LITTLE_TIME)
            self._before_end()
            self.has_left = True
        return piece

    def unanswered(self, cause: Cause) -> NoAnswer:
        """Return the failure, which tells the phase and whether the whole request may have left."""
        if self.has_left:
            return NoAnswer(Failure(Phase.FINAL, cause), has_left=True)
        return NoAnswer(Failure(Phase.CONTENT if self._has_begun else Phase.CONNECT, cause), has_left=False)


async def _exchange(pool: httpcore.AsyncConnectionPool, call: Call, outgoing: _Outgoing) -> Answer:
    base = urlsplit(call.base_url)
    if base.scheme != "https" or not base.hostname:
        msg = "only https URLs are requested"
        raise ValueError(msg)
    headers = {"Host": base.netloc, "User-Agent": "project-smtp", "Accept": "application/json", **call.headers}
    if call.method != "GET":
        headers["Content-Length"] = str(call.length)
    url = httpcore.URL(scheme="https", host=base.hostname, port=base.port, target=call.target)
    response = await pool.handle_async_request(
        httpcore.Request(call.method, url, headers=[*headers.items()], content=outgoing)
    )
    body = bytearray()
    try:
        async for piece in response.aiter_stream():
            body += piece
            if len(body) > _MAX_ANSWER:
                raise _Stopped(Cause.PROTOCOL_VIOLATION)
    finally:
        await response.aclose()
    return Answer(
        status=response.status,
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers},
        body=bytes(body),
        is_early=call.length > 0 and not outgoing.has_left,
    )
