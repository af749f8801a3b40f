"""A relay that takes no further connection: the attempt asks again for a moment, then the message is deferred."""

import time

import pytest
from mailer.relay.relay import TlsMode
from mailer.smtp.outcome import Accepted, Cause, Deferred, Phase, ProbePassed

from tests.support.certificates import authority
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay, Script
from tests.support.sending import (
    CREDENTIALS,
    PATIENT,
    RECIPIENT,
    RELAY_NAME,
    make_message,
    relay_at,
    send,
    smtp_transport,
)
from tests.support.steps import Close, Send

TOO_MANY = Send(b"421 4.7.0 relay.example.com Error: too many connections\r\n")
SILENT: list[Close | Send] = [Close()]
SPOKEN: list[Close | Send] = [TOO_MANY, Close()]


def good(tls: TlsMode) -> Relay:
    return Relay(tls=Tls(tls.value), context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)


def busy_until(connection: int, busy: Script, tls: TlsMode) -> HostileRelay:
    """Return a relay that takes no connection before this one."""
    return HostileRelay(lambda number: good(tls) if number >= connection else busy)


@pytest.mark.parametrize("busy", [SILENT, SPOKEN], ids=["silent", "421"])
def test_a_relay_that_is_busy_for_a_moment_gets_the_message(busy: Script) -> None:
    with (
        busy_until(2, busy, TlsMode.STARTTLS) as server,
        smtp_transport(busy_pauses=(0.01, 0.02)) as transport,
    ):
        attempt = send(transport, relay_at(server, tls=TlsMode.STARTTLS), make_message()).attempt

    assert isinstance(attempt.verdicts[RECIPIENT], Accepted)
    assert (len(server.connections), len(server.messages)) == (3, 1)


def test_a_relay_with_implicit_tls_may_close_before_the_handshake() -> None:
    with (
        busy_until(1, SILENT, TlsMode.IMPLICIT) as server,
        smtp_transport(busy_pauses=(0.01,)) as transport,
    ):
        attempt = send(transport, relay_at(server, tls=TlsMode.IMPLICIT), make_message()).attempt

    assert isinstance(attempt.verdicts[RECIPIENT], Accepted)


@pytest.mark.parametrize("busy", [SILENT, SPOKEN], ids=["silent", "421"])
def test_a_relay_that_stays_busy_defers_the_message(busy: Script) -> None:
    with (
        HostileRelay(busy) as server,
        smtp_transport(busy_pauses=(0.01, 0.02)) as transport,
    ):
        attempt = send(transport, relay_at(server, tls=TlsMode.STARTTLS), make_message()).attempt
        verdict = attempt.verdicts[RECIPIENT]

        assert isinstance(verdict, Deferred)
        assert (verdict.failure.phase, verdict.failure.cause) == (Phase.GREETING, Cause.TOO_MANY_CONNECTIONS)
    assert len(server.connections) == 3


def test_no_pause_takes_the_time_that_the_message_needs() -> None:
    with (
        HostileRelay(SPOKEN) as server,
        smtp_transport(busy_pauses=(PATIENT,)) as transport,
    ):
        sent = send(transport, relay_at(server, tls=TlsMode.STARTTLS), make_message(), budget=1.0)

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Deferred)
    assert sent.seconds < 1.0
    assert len(server.connections) == 1


def test_a_refusal_for_another_reason_is_not_repeated() -> None:
    refusing: list[Close | Send] = [Send(b"554 5.7.1 Your address is listed\r\n"), Close()]
    with (
        HostileRelay(refusing) as server,
        smtp_transport(busy_pauses=(0.01, 0.02)) as transport,
    ):
        send(transport, relay_at(server, tls=TlsMode.STARTTLS), make_message())

    assert len(server.connections) == 1


def test_a_probe_waits_for_a_busy_relay_too() -> None:
    with (
        busy_until(1, SPOKEN, TlsMode.STARTTLS) as server,
        smtp_transport(busy_pauses=(0.01,)) as transport,
    ):
        probed = transport.probe(
            relay_at(server, tls=TlsMode.STARTTLS),
            envelope_sender="sender@example.com",
            recipient="sender@example.com",
            deadline=time.monotonic() + PATIENT,
        )

    assert probed == ProbePassed(is_protected=True)
