"""Warm sessions: a session is reused only for the same project and secret version, and only while it is fresh.

If it is dead, the message is sent on a new connection.
"""

import asyncio
import signal
import threading
import time
from collections.abc import Coroutine
from copy import replace
from dataclasses import dataclass
from types import FrameType

import pytest
from mailer.adapters.smtp import Freshness, SmtpSender, SmtpTransport
from mailer.project import ProjectId
from mailer.relay.relay import Relay as Configured
from mailer.relay.relay import TlsMode
from mailer.smtp.outcome import Accepted, Attempt

from tests.support.certificates import authority
from tests.support.fault import Fault, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    PROJECT,
    RELAY_NAME,
    make_message,
    relay_at,
    send,
    smtp_sender,
    smtp_transport,
)
from tests.support.steps import Await, Close, Expect, Hang, ReadMessage, Send, Signal, StartTls

PIPELINING, CHUNKING = b"PIPELINING", b"CHUNKING"


@dataclass
class ManualClock:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def script(*extensions: bytes, **faults: Fault) -> Relay:
    return Relay(
        tls=Tls.IMPLICIT,
        context=authority().valid(RELAY_NAME),
        credentials=CREDENTIALS,
        extensions=extensions or (PIPELINING, CHUNKING),
        faults={Phase(name): fault for name, fault in faults.items()},
    )


def accepted(attempt: Attempt) -> bool:
    return all(isinstance(verdict, Accepted) for verdict in attempt.verdicts.values())


def send_as(transport: SmtpTransport, relay: Configured, *, project: ProjectId = PROJECT, version: str = "v1") -> None:
    deadline = time.monotonic() + 8.0
    assert accepted(transport.send(make_message(), relay, project_id=project, version_id=version, deadline=deadline))


def test_the_next_message_uses_the_same_connection() -> None:
    with HostileRelay(script()) as server, smtp_transport() as transport:
        for _ in range(3):
            assert accepted(send(transport, relay_at(server), make_message()).attempt)

        assert (len(server.connections), len(server.messages), server.auth_attempts) == (1, 3, 1)


@pytest.mark.parametrize(
    ("project", "version", "change"),
    [
        (ProjectId("other"), "v1", {}),
        (PROJECT, "v2", {}),
        (PROJECT, "v1", {"socket_timeout": 7.0}),
        (PROJECT, "v1", {"ca_certificate": authority().pem + "\n"}),
    ],
    ids=["another project", "another version", "another setting", "another authority"],
)
def test_TI5_no_other_project_version_or_relay_shares_a_connection(
    project: ProjectId, version: str, change: dict[str, float | str]
) -> None:
    clock = ManualClock()
    with HostileRelay(script()) as server, smtp_transport(clock=clock, wall_clock=clock) as transport:
        relay = relay_at(server, tls=TlsMode.IMPLICIT)
        send_as(transport, relay)
        send_as(transport, replace(relay, **change), project=project, version=version)  # type: ignore[arg-type]  # a field's name and value

        assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("monotonic", "wall", "connections"), [(4.0, 4.0, 1), (6.0, 6.0, 2), (0.0, 600.0, 2), (6.0, -9.0, 2)]
)
def test_NF7_NF10_idle_time_is_measured_on_both_clocks(monotonic: float, wall: float, connections: int) -> None:
    clock, wall_clock = ManualClock(), ManualClock()
    with HostileRelay(script()) as server, smtp_transport(clock=clock, wall_clock=wall_clock) as transport:
        send_as(transport, relay_at(server))
        clock.now += monotonic
        wall_clock.now += wall
        send_as(transport, relay_at(server))

        assert len(server.connections) == connections


def test_a_busy_session_reaches_its_maximum_age_too() -> None:
    clock = ManualClock()
    with HostileRelay(script()) as server, smtp_transport(clock=clock, wall_clock=clock) as transport:
        for _ in range(20):
            send_as(transport, relay_at(server))
            clock.now += 4.0

        assert len(server.connections) == 2


def test_an_idle_relay_must_answer_before_content_is_sent() -> None:
    clock = ManualClock()
    with HostileRelay(script()) as server, smtp_transport(clock=clock, wall_clock=clock) as transport:
        send_as(transport, relay_at(server))
        clock.now += 3.0
        send_as(transport, relay_at(server))

        assert (len(server.connections), len(server.messages)) == (1, 2)


# Accepts one message and then never answers again, like a connection whose NAT entry expired.
GOES_SILENT = (
    StartTls(authority().valid(RELAY_NAME)),
    Send(b"220 hello\r\n"),
    Expect(b"EHLO"),
    Send(b"250-hello\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n"),
    Expect(b"AUTH PLAIN"),
    Send(b"235 welcome\r\n"),
    Expect(b"MAIL"),
    Expect(b"RCPT"),
    Expect(b"DATA"),
    Send(b"250 sender\r\n250 recipient\r\n354 go on\r\n"),
    ReadMessage(),
    Send(b"250 taken\r\n"),
    Hang(),
)


def test_NF9_a_silent_session_is_replaced_and_the_message_is_sent_once() -> None:
    clock = ManualClock()
    freshness = Freshness(sign_of_life_seconds=0.1)
    with (
        HostileRelay(lambda number: GOES_SILENT if number == 0 else script()) as server,
        smtp_transport(clock=clock, wall_clock=clock, freshness=freshness) as transport,
    ):
        send_as(transport, relay_at(server))
        clock.now += 3.0
        send_as(transport, relay_at(server))

        assert (len(server.connections), len(server.messages)) == (2, 2)
        assert b"BDAT" not in server.connections[0].verbs


def test_a_refusal_ends_the_session_so_that_its_state_affects_no_other_message() -> None:
    refuse_first = [script(rcpt=Fault.PERMANENT), script()]
    with HostileRelay(lambda number: refuse_first[min(number, 1)]) as server, smtp_transport() as transport:
        assert not accepted(send(transport, relay_at(server), make_message()).attempt)
        assert accepted(send(transport, relay_at(server), make_message()).attempt)

        assert len(server.connections) == 2


def test_an_unused_session_is_closed_when_it_is_stale() -> None:
    clock = ManualClock()
    with HostileRelay(script()) as server, smtp_transport(clock=clock, wall_clock=clock) as transport:
        send_as(transport, relay_at(server), version="v1")
        clock.now += 6.0
        send_as(transport, relay_at(server), version="v2")
        send_as(transport, relay_at(server), version="v2")

        assert server.wait_until(lambda: b"QUIT" in server.connections[0].verbs)


@pytest.mark.parametrize("quit_fault", [{}, {"quit": Fault.HANG}], ids=["answers", "hangs"])
def test_closing_idle_sessions_sends_quit_and_does_not_wait(quit_fault: dict[str, Fault]) -> None:
    with HostileRelay(script(**quit_fault)) as server, smtp_transport() as transport:
        send_as(transport, relay_at(server))
        began = time.monotonic()
        transport.close_idle()

        assert time.monotonic() - began < 0.1
        assert server.wait_until(lambda: server.connections[0].verbs[-1] == b"QUIT")
        send_as(transport, relay_at(server))
        assert [len(connection.messages) for connection in server.connections] == [1, 1]
        assert server.violations == ()


def test_the_relay_sees_the_end_of_an_idle_session_while_this_process_is_frozen() -> None:
    with HostileRelay(script()) as server, smtp_transport() as transport:
        send_as(transport, relay_at(server))
        transport.close_idle()

        # Nothing runs the client's event loop here, as in a frozen environment.
        assert server.wait_until_left()


def test_an_idle_session_is_closed_while_another_relay_keeps_this_process_busy() -> None:
    closed = threading.Event()
    idle = (*GOES_SILENT[:-1], Expect(b"QUIT"), Signal(closed))
    busy = (Await(closed), Close())

    with (
        HostileRelay(idle) as first,
        HostileRelay(busy) as second,
        smtp_transport(freshness=Freshness(idle_seconds=0.05)) as transport,
    ):
        send_as(transport, relay_at(first))
        send(transport, relay_at(second), make_message())

        assert closed.is_set()


def test_more_versions_than_idle_sessions_cause_no_protocol_violation() -> None:
    unlucky = [script(rcpt=Fault.PERMANENT), script()]
    with HostileRelay(lambda number: unlucky[number % 2]) as server, smtp_transport() as transport:
        relay = relay_at(server)
        for _ in range(2):
            for number in range(40):
                send(transport, relay, make_message(), version_id=f"v{number}")

        assert server.violations == ()


def test_concurrent_attempts_use_one_session_each() -> None:
    with HostileRelay(script()) as server:
        relay = relay_at(server)

        async def send_three(sender: SmtpSender) -> list[Attempt]:
            def attempt() -> Coroutine[None, None, Attempt]:
                deadline = time.monotonic() + 8.0
                return sender.send(make_message(), relay, project_id=PROJECT, version_id="v1", deadline=deadline)

            await attempt()
            return list(await asyncio.gather(attempt(), attempt(), attempt()))

        sender = smtp_sender()
        with asyncio.Runner() as runner:
            attempts = runner.run(send_three(sender))
            runner.run(sender.close())

        assert all(map(accepted, attempts))
        assert (len(server.messages), server.violations) == (4, ())


class Interrupted(Exception):
    """Raised by a signal's handler at any point."""


def test_an_interrupted_attempt_does_not_continue_inside_the_next_one() -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    held = threading.Event()
    stuck = (
        StartTls(authority().valid(RELAY_NAME)),
        Send(b"220 hello\r\n"),
        Expect(b"EHLO"),
        Send(b"250-hello\r\n250 AUTH PLAIN\r\n"),
        Expect(b"AUTH PLAIN"),
        Send(b"235 welcome\r\n"),
        Expect(b"MAIL"),
        Send(b"250 sender\r\n"),
        Expect(b"RCPT"),
        Send(b"250 recipient\r\n"),
        Expect(b"DATA"),
        Await(held),
        Send(b"354 go on\r\n"),
        ReadMessage(),
    )
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with (
            HostileRelay(lambda number: stuck if number == 0 else script()) as server,
            smtp_transport() as transport,
        ):
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(Interrupted):
                send(transport, relay_at(server), make_message(message_id="<interrupted@example.com>"))
            held.set()
            assert accepted(send(transport, relay_at(server), make_message(message_id="<next@example.com>")).attempt)

            assert [b"<next@example.com>" in message.content for message in server.messages] == [True]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
