"""From a host name to a connected socket: resolve once, vet every address, connect to a vetted one.

If one address is forbidden, the whole host is refused, so a mixed answer cannot lead to an internal address. The
connection goes to the vetted address: there is no second look-up with another answer (DNS rebinding).
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from mailer.relay.policy import RelayPolicy
from mailer.smtp.outcome import Cause, Failure, Phase

type AddressInfo = tuple[int, int, int, str, tuple[str | int, ...]]
type Resolver = Callable[[str, int], Sequence[AddressInfo]]

RESOLVE_SECONDS = 2.0
_MAX_ADDRESSES = 2
# getaddrinfo cannot be cancelled: hung look-ups block only these threads.
_RESOLVER_THREADS = 8


class DialFailed(Exception):
    """The connection could not be opened; nothing was sent."""

    def __init__(self, phase: Phase, cause: Cause) -> None:
        super().__init__(cause.value)
        self.failure = Failure(phase, cause)


def system_resolver(host: str, port: int) -> Sequence[AddressInfo]:
    """Ask the system's resolver for stream addresses."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)  # type: ignore[return-value]  # typeshed widens the address tuple


class Dialer(msgspec.Struct):
    """Opens vetted connections; one per event loop thread."""

    policy: RelayPolicy
    resolver: Resolver = system_resolver
    _threads: ThreadPoolExecutor | None = None

    async def dial(self, host: str, port: int, *, timeout: float, deadline: float) -> socket.socket:
        """Return a connected, non-blocking socket; raises `DialFailed`.

        `timeout` limits all connection attempts together, in seconds; at most two addresses are tried.
        """
        if not self.policy.allows_port(port):
            raise DialFailed(Phase.RESOLVE, Cause.HOST_BLOCKED)
        addresses = await self._resolve(host, port, deadline)
        if not all(self._allows(host, str(info[4][0])) for info in addresses):
            raise DialFailed(Phase.RESOLVE, Cause.HOST_BLOCKED)
        loop = asyncio.get_running_loop()
        until = min(loop.time() + timeout, deadline)
        cause = Cause.REFUSED
        candidates = addresses[:_MAX_ADDRESSES]
        for index, info in enumerate(candidates):
            share = (until - loop.time()) / (len(candidates) - index)
            try:
                return await self._connect(info, loop.time() + share)
            except TimeoutError:
                cause = Cause.TIMEOUT
            except OSError:
                cause = Cause.REFUSED
        raise DialFailed(Phase.CONNECT, cause)

    async def _resolve(self, host: str, port: int, deadline: float) -> Sequence[AddressInfo]:
        loop = asyncio.get_running_loop()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, "relay-resolver")
        try:
            async with asyncio.timeout_at(min(loop.time() + RESOLVE_SECONDS, deadline)):
                addresses = await loop.run_in_executor(self._threads, self.resolver, host, port)
        except TimeoutError:
            raise DialFailed(Phase.RESOLVE, Cause.NAME_UNAVAILABLE) from None
        except socket.gaierror as error:
            missing = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
            raise DialFailed(Phase.RESOLVE, Cause.NAME_NOT_FOUND if missing else Cause.NAME_UNAVAILABLE) from error
        except (OSError, UnicodeError) as error:
            raise DialFailed(Phase.RESOLVE, Cause.NAME_UNAVAILABLE) from error
        if not addresses:
            raise DialFailed(Phase.RESOLVE, Cause.NAME_NOT_FOUND)
        return addresses

    def _allows(self, host: str, address: str) -> bool:
        # A single label names an internal host: only the operator's own ranges are allowed for it.
        if "." not in host and ":" not in host:
            return self.policy.covers(address)
        return self.policy.allows_address(address)

    async def _connect(self, info: AddressInfo, until: float) -> socket.socket:
        family, kind, protocol, _, address = info
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            async with asyncio.timeout_at(until):
                await asyncio.get_running_loop().sock_connect(connection, address)
            if not self.policy.allows_address(str(connection.getpeername()[0])):
                raise DialFailed(Phase.RESOLVE, Cause.HOST_BLOCKED)
        except BaseException:
            connection.close()
            raise
        return connection
