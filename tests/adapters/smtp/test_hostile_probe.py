"""The probe goes up to MAIL, sends nothing, and names the phase of a failure."""

import itertools
import time
from copy import replace

import pytest
from mailer.relay.relay import TlsMode
from mailer.smtp.outcome import Cause, Failure, ProbePassed
from mailer.smtp.outcome import Phase as Reported

from tests.support.certificates import authority
from tests.support.fault import Fault, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import CREDENTIALS, PATIENT, RELAY_NAME, SENDER, relay_at, smtp_transport

BOTH_MODES = pytest.mark.parametrize("tls", [TlsMode.IMPLICIT, TlsMode.STARTTLS])


def good(tls: TlsMode) -> Relay:
    return Relay(tls=Tls(tls.value), context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)


def probe(server: HostileRelay, tls: TlsMode, *, budget: float = PATIENT) -> Failure | ProbePassed:
    with smtp_transport() as transport:
        deadline = time.monotonic() + budget
        failure = transport.probe(relay_at(server, tls=tls), envelope_sender=str(SENDER), deadline=deadline)
        assert server.wait_until_left()
    return failure


@BOTH_MODES
def test_a_relay_that_accepts_the_sender_passes_and_gets_no_message(tls: TlsMode) -> None:
    with HostileRelay(good(tls)) as server:
        assert probe(server, tls) == ProbePassed(is_protected=True)

    assert server.verbs[-3:] == [b"MAIL", b"RSET", b"QUIT"]
    assert not {b"RCPT", b"DATA", b"BDAT"} & set(server.verbs)
    assert server.violations == ()


REPORTED = {
    Phase.BANNER: Reported.GREETING,
    Phase.EHLO1: Reported.EHLO,
    Phase.STARTTLS: Reported.STARTTLS,
    Phase.EHLO2: Reported.EHLO,
    Phase.AUTH: Reported.AUTH,
    Phase.MAIL: Reported.MAIL,
}
CAUSES = {
    Fault.TRANSIENT: Cause.REPLY,
    Fault.PERMANENT: Cause.REPLY,
    Fault.FIN: Cause.CONNECTION_LOST,
    Fault.RST: Cause.CONNECTION_LOST,
}


# A reset in place of the greeting may come so early that the connection itself fails.
TOO_EARLY = (Phase.BANNER, Fault.RST)


@pytest.mark.parametrize(
    ("phase", "fault"), [cell for cell in itertools.product(REPORTED, CAUSES) if cell != TOO_EARLY], ids=str
)
def test_the_phase_and_the_cause_of_a_failure_are_reported(phase: Phase, fault: Fault) -> None:
    with HostileRelay(replace(good(TlsMode.STARTTLS), faults={phase: fault})) as server:
        failure = probe(server, TlsMode.STARTTLS)

    assert isinstance(failure, Failure)
    assert failure.phase is REPORTED[phase]
    assert failure.cause is CAUSES[fault]
    assert (failure.reply is not None) == (CAUSES[fault] is Cause.REPLY)


@pytest.mark.parametrize("phase", [Phase.BANNER, Phase.EHLO1, Phase.TLS, Phase.AUTH, Phase.MAIL])
def test_li12_a_hanging_relay_takes_no_longer_than_the_deadline(phase: Phase) -> None:
    with HostileRelay(replace(good(TlsMode.IMPLICIT), faults={phase: Fault.HANG})) as server:
        began = time.monotonic()
        failure = probe(server, TlsMode.IMPLICIT, budget=0.4)
        seconds = time.monotonic() - began

    assert isinstance(failure, Failure)
    assert failure.cause is Cause.TIMEOUT
    assert seconds <= 0.4 + 0.5


def test_a_hanging_quit_costs_little_time_and_changes_nothing() -> None:
    with HostileRelay(replace(good(TlsMode.IMPLICIT), faults={Phase.QUIT: Fault.HANG})) as server:
        began = time.monotonic()
        failure = probe(server, TlsMode.IMPLICIT)

    assert failure == ProbePassed(is_protected=True)
    assert time.monotonic() - began < PATIENT / 2
