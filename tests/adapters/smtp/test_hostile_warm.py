"""Faults on a warm connection: while it is idle, and during the second message."""

import asyncio
import gc
import itertools
import threading
import time
from copy import replace
from dataclasses import dataclass
from ipaddress import IPv4Network

import pytest
from mailer.adapters.smtp import Freshness, SmtpOptions, SmtpSender
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay as Configuration
from mailer.smtp.outcome import Accepted, Deferred, Rejected, RelayError, Unknown, Verdict

from tests.support.certificates import authority
from tests.support.fault import Fault, Intervention, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    EHLO_NAME,
    PATIENT,
    PROJECT,
    RECIPIENT,
    RELAY_NAME,
    loopback_resolver,
    make_message,
    relay_at,
    send,
    smtp_transport,
)
from tests.support.steps import Await, Close, Hang, Reset, Send, Signal, Step

EXTENSIONS = {
    "one-flight": (b"PIPELINING", b"CHUNKING"),
    "pipelined": (b"PIPELINING",),
    "plain": (),
}
EVERY_MODE = pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
GOOD = Relay(tls=Tls.IMPLICIT, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)
OK = b"250 2.0.0 OK\r\n"
FRESHNESS = Freshness()
ALWAYS_ALIVE = 0.0
MAYBE_DEAD = (FRESHNESS.surely_alive_seconds + FRESHNESS.idle_seconds) / 2
STALE = FRESHNESS.idle_seconds + 0.1


@dataclass(slots=True)
class Clock:
    """A clock that only the test moves."""

    offset: float = 0.0

    def advance(self, seconds: float) -> None:
        self.offset += seconds

    def __call__(self) -> float:
        return 1_000.0 + self.offset


@EVERY_MODE
def test_a_warm_connection_serves_the_same_project_version_and_relay_only(extensions: tuple[bytes, ...]) -> None:
    with HostileRelay(replace(GOOD, extensions=extensions)) as server, smtp_transport() as transport:
        for version in ("v1", "v1", "v2", "v1"):
            sent = send(transport, relay_at(server), make_message(), version_id=version)
            assert isinstance(sent.attempt.verdicts[RECIPIENT], Accepted)

    assert [len(connection.messages) for connection in server.connections] == [3, 1]
    assert server.violations == ()


@pytest.mark.parametrize("clock_that_moves", ["clock", "wall_clock"])
def test_a_connection_idle_too_long_on_either_clock_is_not_used_again(clock_that_moves: str) -> None:
    clocks = {"clock": Clock(), "wall_clock": Clock()}

    with (
        HostileRelay(GOOD) as server,
        smtp_transport(clock=clocks["clock"], wall_clock=clocks["wall_clock"]) as transport,
    ):
        send(transport, relay_at(server), make_message())
        clocks[clock_that_moves].advance(STALE)
        sent = send(transport, relay_at(server), make_message())

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Accepted)
    assert [len(connection.messages) for connection in server.connections] == [1, 1]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # a connection of a closed loop cannot be closed
def test_nf8_a_sender_on_another_event_loop_opens_a_new_connection() -> None:
    policy = RelayPolicy(ports=((1, 65535),), networks=(IPv4Network("127.0.0.0/8"),))
    sender = SmtpSender(policy=policy, options=SmtpOptions(ehlo_name=EHLO_NAME), resolver=loopback_resolver)

    async def attempt(relay: Configuration) -> Verdict:
        deadline = time.monotonic() + 2 * PATIENT
        sent = await sender.send(make_message(), relay, project_id=PROJECT, version_id="v1", deadline=deadline)
        return sent.verdicts[RECIPIENT]

    async def attempt_and_close(relay: Configuration) -> Verdict:
        verdict = await attempt(relay)
        await sender.close()
        return verdict

    with HostileRelay(GOOD) as server:
        verdicts = [asyncio.run(attempt(relay_at(server))), asyncio.run(attempt_and_close(relay_at(server)))]
    gc.collect()

    assert [type(verdict) for verdict in verdicts] == [Accepted, Accepted]
    assert [len(connection.messages) for connection in server.connections] == [1, 1]


IDLE_DEATHS: dict[str, tuple[Step, ...]] = {
    "nf9-421-and-fin": (Send(b"421 4.4.2 Idle too long\r\n"), Close()),
    "nf9-fin": (Close(),),
    "nf9-rst": (Reset(),),
    "hr4-unsolicited-2yz": (Send(b"250 2.0.0 Still here\r\n"),),
    "hr4-unsolicited-garbage": (Send(b"\x00\r\n"),),
    "hr4-unfinished-line": (Send(b"25"),),
}


@EVERY_MODE
@pytest.mark.parametrize("last_words", IDLE_DEATHS.values(), ids=IDLE_DEATHS)
def test_a_connection_that_died_or_sent_octets_while_idle_is_replaced(
    last_words: tuple[Step, ...], extensions: tuple[bytes, ...]
) -> None:
    go, done = threading.Event(), threading.Event()
    healthy = replace(GOOD, extensions=extensions)
    death = (Send(OK), Await(go), *last_words, Signal(done), Hang())
    dying = replace(healthy, faults={Phase.DOT: Intervention(death, takes_effect=True)})

    with HostileRelay(lambda number: healthy if number else dying) as server, smtp_transport() as transport:
        first = send(transport, relay_at(server), make_message())
        go.set()
        assert done.wait(5) if isinstance(last_words[-1], Send) else server.wait_until_left()
        second = send(transport, relay_at(server), make_message())

    assert isinstance(first.attempt.verdicts[RECIPIENT], Accepted)
    assert isinstance(second.attempt.verdicts[RECIPIENT], Accepted)
    assert [len(connection.messages) for connection in server.connections] == [1, 1]


LOST = (Fault.FIN, Fault.RST)


@dataclass(frozen=True, slots=True)
class Warm:
    """A fault during the second message, on a connection that was idle for some seconds."""

    mode: str
    rested: float
    phase: Phase
    fault: Fault

    def __str__(self) -> str:
        return f"{self.mode}-{self.rested:.0f}s-{self.phase}-{self.fault}"

    @property
    def may_reconnect(self) -> bool:
        """Whether the relay closed before it processed enough of the message to accept it."""
        has_left = self.mode == "one-flight" and self.rested == ALWAYS_ALIVE
        return self.phase is Phase.MAIL and (self.fault is Fault.CLOSING_421 or (self.fault in LOST and not has_left))


FAST_FAULTS = [fault for fault in Fault if fault not in {Fault.HANG, Fault.DRIP}]
WARM = [
    Warm(mode, rested, phase, fault)
    for mode, rested, phase, fault in itertools.product(
        EXTENSIONS, (ALWAYS_ALIVE, MAYBE_DEAD), (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT), FAST_FAULTS
    )
    if not (mode == "one-flight" and phase is Phase.DATA)
]


@pytest.mark.parametrize("cell", WARM, ids=str)
def test_a_fault_on_a_warm_connection_never_doubles_or_loses_a_message(cell: Warm) -> None:
    clock = Clock()
    healthy = replace(GOOD, extensions=EXTENSIONS[cell.mode])
    faulty = replace(healthy, faults={cell.phase: cell.fault}, spared=1)
    message = make_message(message_id="<2@example.com>")

    with (
        HostileRelay(lambda number: healthy if number else faulty) as server,
        smtp_transport(wall_clock=clock) as transport,
    ):
        send(transport, relay_at(server), make_message(message_id="<1@example.com>"))
        clock.advance(cell.rested)
        sent = send(transport, relay_at(server), message)

    verdict = sent.attempt.verdicts[RECIPIENT]
    copies = [taken.content for taken in server.messages].count(message.as_bytes())
    assert is_true(verdict, copies)
    assert len(server.connections) <= 2
    assert server.violations == ()
    if cell.may_reconnect and (
        cell.rested == MAYBE_DEAD or cell.mode != "one-flight" or cell.fault is Fault.CLOSING_421
    ):
        assert isinstance(verdict, Accepted)


def is_true(verdict: Verdict, copies: int) -> bool:
    match verdict:
        case Accepted():
            return copies == 1
        case Unknown():
            return copies <= 1
        case Deferred() | Rejected() | RelayError():
            return copies == 0
