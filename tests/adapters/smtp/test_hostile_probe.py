"""The probe goes up to RCPT, sends nothing, and names the phase of a failure."""

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
        failure = transport.probe(
            relay_at(server, tls=tls), envelope_sender=str(SENDER), recipient=str(SENDER), deadline=deadline
        )
        assert server.wait_until_left()
    return failure


@BOTH_MODES
def test_a_relay_that_accepts_the_sender_passes_and_gets_no_message(tls: TlsMode) -> None:
    with HostileRelay(good(tls)) as server:
        assert probe(server, tls) == ProbePassed(is_protected=True)

    assert server.verbs[-4:] == [b"MAIL", b"RCPT", b"RSET", b"QUIT"]
    assert not {b"DATA", b"BDAT"} & set(server.verbs)
    assert server.violations == ()


REPORTED = {
    Phase.BANNER: Reported.GREETING,
    Phase.EHLO1: Reported.EHLO,
    Phase.STARTTLS: Reported.STARTTLS,
    Phase.EHLO2: Reported.EHLO,
    Phase.AUTH: Reported.AUTH,
    Phase.MAIL: Reported.MAIL,
    Phase.RCPT: Reported.RCPT,
}
CAUSES = {
    Fault.TRANSIENT: Cause.REPLY,
    Fault.PERMANENT: Cause.REPLY,
    Fault.FIN: Cause.CONNECTION_LOST,
    Fault.RST: Cause.CONNECTION_LOST,
}


# A reset in place of the greeting may come so early that the connection itself fails.
TOO_EARLY = (Phase.BANNER, Fault.RST)
CLOSED_AT_ONCE = (Phase.BANNER, Fault.FIN)
# A refusal of the recipient alone is no failure.
NO_FAILURES = {(Phase.RCPT, Fault.TRANSIENT), (Phase.RCPT, Fault.PERMANENT)}


@pytest.mark.parametrize(
    ("phase", "fault"),
    [cell for cell in itertools.product(REPORTED, CAUSES) if cell not in {TOO_EARLY, *NO_FAILURES}],
    ids=str,
)
def test_the_phase_and_the_cause_of_a_failure_are_reported(phase: Phase, fault: Fault) -> None:
    with HostileRelay(replace(good(TlsMode.STARTTLS), faults={phase: fault})) as server:
        failure = probe(server, TlsMode.STARTTLS)

    assert isinstance(failure, Failure)
    assert failure.phase is REPORTED[phase]
    assert failure.cause is (Cause.TOO_MANY_CONNECTIONS if (phase, fault) == CLOSED_AT_ONCE else CAUSES[fault])
    assert (failure.reply is not None) == (CAUSES[fault] is Cause.REPLY)


def answering(reply: bytes) -> Relay:
    """Return a relay that gives this reply to RCPT."""
    return replace(good(TlsMode.STARTTLS), answers={str(SENDER).encode(): reply})


@pytest.mark.parametrize(
    "reply",
    [
        b"550 5.1.1 <sender@example.com>: Recipient address rejected: User unknown\r\n",
        b"450 4.2.0 Greylisted\r\n",
        b"251 2.1.5 Will forward\r\n",
    ],
)
def test_a_relay_that_refuses_only_the_recipient_accepts_the_sender(reply: bytes) -> None:
    with HostileRelay(answering(reply)) as server:
        assert probe(server, TlsMode.STARTTLS) == ProbePassed(is_protected=True)

    assert server.verbs[-3:] == [b"RCPT", b"RSET", b"QUIT"]


@pytest.mark.parametrize(
    "reply",
    [
        b"554 5.7.1 <sender@example.com>: Relay access denied\r\n",
        b"553 5.7.1 <sender@example.com>: Sender address rejected: not owned by user mailer\r\n",
        b"550-Verification failed for <sender@example.com>\r\n550 Sender verify failed\r\n",
        b"530 5.7.0 Authentication required\r\n",
        b"421 4.3.2 Shutting down\r\n",
    ],
)
def test_a_relay_may_refuse_the_sender_or_the_login_at_RCPT(reply: bytes) -> None:
    with HostileRelay(answering(reply)) as server:
        failure = probe(server, TlsMode.STARTTLS)

    assert isinstance(failure, Failure)
    assert (failure.phase, failure.code) == (Reported.RCPT, int(reply[:3]))
    assert not {b"DATA", b"BDAT"} & set(server.verbs)


@pytest.mark.parametrize("phase", [Phase.BANNER, Phase.EHLO1, Phase.TLS, Phase.AUTH, Phase.MAIL, Phase.RCPT])
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
