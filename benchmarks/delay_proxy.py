"""A TCP proxy in a separate process, which adds network latency to loopback.

Octets pass unchanged and in order, half a round trip late in each direction. A connection reaches the server one and a
half round trips after the client opened it, as after SYN, SYN-ACK and ACK. Bandwidth, loss and slow start are not
simulated.

A flight is what a client sends between two receptions, so flights count the round trips that the client waits for.
"""

import asyncio
import selectors
import sys
from collections import deque
from dataclasses import dataclass

import msgspec

from benchmarks.control import serve_control
from benchmarks.spec import HOST


class Plan(msgspec.Struct, frozen=True):
    """The round trip in seconds, and the names and ports of the targets."""

    round_trip: float
    targets: dict[str, int]


class Flights(msgspec.Struct):
    """Counts since the last report."""

    flights: int = 0
    connections: int = 0


@dataclass(slots=True)
class Conversation:
    """The side that sent last on one connection, from the client's view."""

    client_is_speaking: bool = False


class Side(asyncio.Protocol):
    """One end of a forwarded connection. Its peer sends the received octets later, and not before `earliest`."""

    def __init__(self, plan: Plan, flights: Flights, talk: Conversation, *, is_client: bool, earliest: float) -> None:
        self._delay = plan.round_trip / 2
        self._flights = flights
        self._talk = talk
        self._is_client = is_client
        self._earliest = earliest
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._peer: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def join(self, peer: "Side") -> None:
        """Forward to this peer from now on. Octets that are due are sent at once."""
        self._peer = peer
        self._deliver()

    def say(self, data: bytes) -> None:
        """Send to the connected socket. Empty data means that the other end closed."""
        if self._transport is None or self._transport.is_closing():
            return
        if not data:
            self._transport.close()
            return
        if self._is_client:
            self._talk.client_is_speaking = False
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._is_client and not self._talk.client_is_speaking:
            self._talk.client_is_speaking = True
            self._flights.flights += 1
        self._enqueue(data)

    def eof_received(self) -> bool:
        self._enqueue(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._enqueue(b"")

    def _enqueue(self, data: bytes) -> None:
        self._queue.append((max(self._loop.time() + self._delay, self._earliest), data))
        if self._timer is None:
            self._timer = self._loop.call_at(self._queue[0][0], self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        if self._peer is None:
            return
        now = self._loop.time()
        while self._queue and self._queue[0][0] <= now:
            self._peer.say(self._queue.popleft()[1])
        if self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self._deliver)


class Proxy:
    """Forwards connections of any number of ports."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._flights = Flights()
        self._loop = asyncio.get_running_loop()
        self._openings: set[asyncio.Task[None]] = set()

    def accept(self, port: int) -> Side:
        """Return the client's side of a new connection. Its server side opens when the handshake would be over."""
        self._flights.connections += 1
        talk = Conversation()
        opening_at = self._loop.time() + 1.5 * self._plan.round_trip
        client = Side(self._plan, self._flights, talk, is_client=True, earliest=opening_at)
        opening = self._loop.create_task(self._open(port, client, talk, opening_at))
        self._openings.add(opening)
        opening.add_done_callback(self._openings.discard)
        return client

    def take(self) -> Flights:
        """Return the counts and reset them."""
        taken = msgspec.structs.replace(self._flights)
        self._flights.flights = self._flights.connections = 0
        return taken

    async def _open(self, port: int, client: Side, talk: Conversation, opening_at: float) -> None:
        await asyncio.sleep(opening_at - self._loop.time())
        _, server = await self._loop.create_connection(
            lambda: Side(self._plan, self._flights, talk, is_client=False, earliest=0.0), HOST, port
        )
        server.join(client)
        client.join(server)


async def serve(plan: Plan) -> None:
    """Listen on a free port for each target until standard input ends."""
    loop = asyncio.get_running_loop()
    proxy = Proxy(plan)
    ports: dict[str, int] = {}
    for name, target in plan.targets.items():
        server = await loop.create_server(lambda target=target: proxy.accept(target), HOST, 0)  # type: ignore[misc]
        ports[name] = server.sockets[0].getsockname()[1]
    await serve_control(ports, proxy.take)


def _precise_loop() -> asyncio.AbstractEventLoop:
    # epoll rounds timeouts up to whole milliseconds, which is too coarse here; select does not.
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    asyncio.run(serve(msgspec.json.decode(sys.argv[1], type=Plan)), loop_factory=_precise_loop)
