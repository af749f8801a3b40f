"""Network faults on connections to a relay."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from copy import replace

import pytest
from mailer.message.address import parse_address
from mailer.relay.relay import Relay as Configuration
from mailer.relay.relay import TlsMode
from mailer.smtp.outcome import Accepted, Cause, Deferred, Phase, Rejected, RelayError, Unknown, Verdict

from tests.support import fault
from tests.support.certificates import authority
from tests.support.fault import Intervention
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import LOOPBACK, HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    PATIENT,
    RECIPIENT,
    RELAY_NAME,
    make_message,
    relay_at,
    send,
    send_once,
    smtp_transport,
)
from tests.support.steps import Send, Split

EXTENSIONS = {
    "one-flight": (b"PIPELINING", b"CHUNKING"),
    "pipelined": (b"PIPELINING",),
    "plain": (),
}
EVERY_MODE = pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
GOOD = Relay(tls=Tls.IMPLICIT, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)
OK = b"250 2.0.0 OK\r\n"


def configuration(port: int, *, timeout: float = PATIENT) -> Configuration:
    with HostileRelay([]) as server:
        return replace(relay_at(server, timeout=timeout), port=port)


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = int(listener.getsockname()[1])
    yield port


@contextmanager
def black_hole() -> Iterator[int]:
    """A port with a full queue: the kernel drops further connections."""
    with (
        socket.create_server((LOOPBACK, 0), backlog=0) as listener,
        socket.socket() as first,
        socket.socket() as second,
    ):
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


def test_nf2_a_refused_connection_is_deferred_at_once() -> None:
    with closed_port() as port, smtp_transport() as transport:
        sent = send(transport, configuration(port), make_message())

    verdict = sent.attempt.verdicts[RECIPIENT]
    assert isinstance(verdict, Deferred)
    assert (verdict.failure.phase, verdict.failure.cause) == (Phase.CONNECT, Cause.REFUSED)
    assert sent.seconds < PATIENT / 2


def test_nf2_an_unanswered_connection_is_deferred_within_the_connection_budget() -> None:
    with black_hole() as port, smtp_transport() as transport:
        sent = send(transport, configuration(port, timeout=0.3), make_message())

    verdict = sent.attempt.verdicts[RECIPIENT]
    assert isinstance(verdict, Deferred)
    assert (verdict.failure.phase, verdict.failure.cause) == (Phase.CONNECT, Cause.TIMEOUT)
    assert sent.seconds < 0.8


def test_nf2_the_deadline_bounds_the_connection_too() -> None:
    with black_hole() as port, smtp_transport() as transport:
        sent = send(transport, configuration(port), make_message(), budget=0.3)

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Deferred)
    assert sent.seconds < 0.8


def outcome(relay: Relay, tls: TlsMode) -> list[tuple[type[Verdict], int | None]]:
    recipients = tuple(parse_address(f"{name}@example.com") for name in ("first", "second", "third"))
    answers = {
        b"second@example.com": b"550-5.1.1 No\r\n550 5.1.1 such user\r\n",
        b"third@example.com": b"450 Later\r\n",
    }
    with HostileRelay(replace(relay, answers=answers)) as server:
        attempt = send_once(server, make_message(recipients=recipients), tls=tls).attempt
    return [(type(verdict), code_of(verdict)) for verdict in map(attempt.verdicts.__getitem__, recipients)]


def code_of(verdict: Verdict) -> int | None:
    match verdict:
        case Accepted(reply):
            return reply.code
        case Rejected(failure) | Deferred(failure) | Unknown(failure) | RelayError(_, failure):
            return None if failure.reply is None else failure.reply.code


@EVERY_MODE
@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("tls", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
def test_nf5_segmentation_of_replies_changes_no_outcome(tls: TlsMode, size: int, extensions: tuple[bytes, ...]) -> None:
    whole = replace(GOOD, tls=Tls(tls.value), extensions=extensions)
    banner = Intervention((Split(size), Send(b"220 relay.example.com ESMTP\r\n")), takes_effect=True)
    sliced = replace(whole, faults={fault.Phase.BANNER: banner})

    assert outcome(sliced, tls) == outcome(whole, tls) == [(Accepted, 250), (Rejected, 550), (Deferred, 450)]
