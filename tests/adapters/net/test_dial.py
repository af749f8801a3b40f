"""Dialling: one resolution, every address vetted, and a connection to a vetted one or none."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from mailer.adapters.net.dial import AddressInfo, Dialer, DialFailed
from mailer.relay.policy import RelayPolicy, parse_network
from mailer.smtp.outcome import Cause, Phase

LOOPBACK = (parse_network("127.0.0.0/8"), parse_network("::1/128"))


@dataclass
class Resolver:
    """Answers each query with the next list of addresses; the last one is repeated."""

    answers: list[list[str]]
    questions: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        self.questions.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port),
            )
            for address in addresses
        ]


@dataclass
class Listener:
    """A listening socket that counts connections."""

    listening: socket.socket

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    @property
    def connections(self) -> int:
        self.listening.setblocking(False)
        count = 0
        while True:
            try:
                self.listening.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Listener(listening)


@contextmanager
def expect_failure(phase: Phase, cause: Cause) -> Iterator[None]:
    with pytest.raises(DialFailed) as caught:
        yield
    assert (caught.value.failure.phase, caught.value.failure.cause) == (phase, cause)


def dial(
    policy: RelayPolicy,
    resolver: Callable[[str, int], Sequence[AddressInfo]],
    port: int,
    host: str = "relay.example.com",
) -> None:
    async def connect() -> None:
        dialer = Dialer(policy, resolver)
        connection = await dialer.dial(host, port, timeout=1.0, deadline=time.monotonic() + 3.0)
        connection.close()

    asyncio.run(connect())


def ports(port: int, *networks: str) -> RelayPolicy:
    return RelayPolicy(ports=((port, port),), networks=tuple(map(parse_network, networks)))


FORBIDDEN = [
    "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "169.254.169.253", "169.254.170.2", "0.0.0.0",  # noqa: S104 -- refused
    "224.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "::1", "::ffff:127.0.0.1",
    "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "fd00:ec2::254", "fe80::1", "fec0::1", "5f00::1",
    "3fff::1", "2001:db8::1", "ff02::1", "::",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_SS1_SS10_a_name_with_an_internal_address_is_blocked_before_connecting(
    listener: Listener, address: str
) -> None:
    with expect_failure(Phase.RESOLVE, Cause.HOST_BLOCKED):
        dial(ports(listener.port), Resolver([[address]]), listener.port)

    assert listener.connections == 0


@pytest.mark.parametrize("answer", [["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "93.184.216.34"]])
def test_SS2_one_forbidden_address_refuses_the_host(listener: Listener, answer: list[str]) -> None:
    with expect_failure(Phase.RESOLVE, Cause.HOST_BLOCKED):
        dial(ports(listener.port), Resolver([answer]), listener.port)

    assert listener.connections == 0


def test_SS3_a_name_is_resolved_once_and_its_vetted_address_is_used(listener: Listener) -> None:
    resolver = Resolver([["127.0.0.1"], ["10.0.0.1"]])

    dial(ports(listener.port, "127.0.0.0/8"), resolver, listener.port)

    assert (len(resolver.questions), listener.connections) == (1, 1)


@pytest.mark.parametrize("port", [22, 80, 443, 6379, 9001, 2773, 2000])
def test_SS7_a_port_outside_the_list_is_blocked_before_dns(port: int) -> None:
    resolver = Resolver([["93.184.216.34"]])

    with expect_failure(Phase.RESOLVE, Cause.HOST_BLOCKED):
        dial(RelayPolicy(networks=LOOPBACK), resolver, port)

    assert resolver.questions == []


def test_SS12_a_single_label_needs_an_address_in_the_operator_s_ranges(listener: Listener) -> None:
    policy = ports(listener.port, "127.0.0.0/8")

    dial(policy, Resolver([["127.0.0.1"]]), listener.port, host="relay")
    with expect_failure(Phase.RESOLVE, Cause.HOST_BLOCKED):
        dial(policy, Resolver([["93.184.216.34"]]), listener.port, host="relay")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Cause.NAME_NOT_FOUND),
        (socket.gaierror(socket.EAI_AGAIN, "later"), Cause.NAME_UNAVAILABLE),
        (UnicodeError(), Cause.NAME_UNAVAILABLE),
        (OSError(), Cause.NAME_UNAVAILABLE),
    ],
)
def test_NF3_a_failed_look_up_has_its_cause(error: Exception, cause: Cause) -> None:
    def resolver(host: str, port: int) -> Sequence[AddressInfo]:
        raise error

    with expect_failure(Phase.RESOLVE, cause):
        dial(RelayPolicy(), resolver, 587)


def test_NF2_a_closed_port_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])

    with expect_failure(Phase.CONNECT, Cause.REFUSED):
        dial(ports(port, "127.0.0.0/8"), Resolver([["127.0.0.1"]]), port)


def test_NF4_the_next_address_is_tried(listener: Listener) -> None:
    # Nothing listens on ::1 at this port.
    policy = RelayPolicy(ports=((listener.port, listener.port),), networks=LOOPBACK)

    dial(policy, Resolver([["::1", "127.0.0.1"]]), listener.port)

    assert listener.connections == 1
