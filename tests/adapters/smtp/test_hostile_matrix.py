"""The fault matrix: every phase of a conversation, every fault, and the only allowed outcome.

The first oracle knows RFC 5321 and nothing of the implementation; the second is the relay's record of accepted mail.
"""

import itertools
from collections.abc import Sequence
from copy import replace
from dataclasses import dataclass
from enum import StrEnum

import pytest
from mailer.message.message import Message
from mailer.relay.relay import TlsMode
from mailer.smtp.outcome import Accepted, Deferred, Rejected, RelayError, Unknown, Verdict

from tests.support import sending
from tests.support.certificates import authority
from tests.support.fault import Fault, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.record import ReceivedMessage
from tests.support.sending import (
    CREDENTIALS,
    NEVER_WARM,
    RECIPIENT,
    RELAY_NAME,
    Sent,
    large_message,
    make_message,
    relay_at,
    smtp_transport,
)


class Mode(StrEnum):
    """How the transaction is sent."""

    ONE_FLIGHT = "one-flight"
    LARGE = "large"
    PIPELINED = "pipelined"
    PLAIN = "plain"


EXTENSIONS = {
    Mode.ONE_FLIGHT: (b"PIPELINING", b"CHUNKING", b"SIZE 52428800"),
    Mode.LARGE: (b"PIPELINING", b"CHUNKING", b"SIZE 52428800"),
    Mode.PIPELINED: (b"PIPELINING", b"8BITMIME"),
    Mode.PLAIN: (b"8BITMIME",),
}
SLOW = (Fault.HANG, Fault.DRIP)
IMPATIENT = 0.5
GRACE = 0.5
MORE_THAN_BUFFERS_HOLD = 9_000_000


@dataclass(frozen=True, slots=True)
class Cell:
    tls: TlsMode
    mode: Mode
    phase: Phase
    fault: Fault

    def __str__(self) -> str:
        return f"{self.tls}-{self.mode}-{self.phase}-{self.fault}"

    @property
    def message(self) -> Message:
        if self.phase is Phase.BODY:
            return large_message(MORE_THAN_BUFFERS_HOLD)
        return large_message(300_000) if self.mode is Mode.LARGE else make_message()

    @property
    def relay(self) -> Relay:
        return Relay(
            tls=Tls(self.tls.value),
            context=authority().valid(RELAY_NAME),
            credentials=CREDENTIALS,
            extensions=EXTENSIONS[self.mode],
            faults={self.phase: self.fault},
        )

    @property
    def earlier(self) -> int:
        """How many messages the relay took before: one flight needs a relay that has taken a message."""
        return int(self.mode is Mode.ONE_FLIGHT and self.phase not in BEFORE_MAIL)


def phases(tls: TlsMode, mode: Mode) -> list[Phase]:
    absent = {Phase.RSET}
    if tls is TlsMode.IMPLICIT:
        absent |= {Phase.STARTTLS, Phase.EHLO2}
    if mode is Mode.ONE_FLIGHT:
        absent |= {Phase.DATA, Phase.BODY}  # it fits into the buffers, so body and end arrive together
    else:
        absent |= set(BEFORE_MAIL)  # the mode makes no difference in these phases
    return [phase for phase in Phase if phase not in absent]


BEFORE_MAIL = (Phase.BANNER, Phase.EHLO1, Phase.STARTTLS, Phase.TLS, Phase.EHLO2, Phase.AUTH)
CELLS = [
    Cell(tls, mode, phase, fault)
    for tls, mode in itertools.product((TlsMode.IMPLICIT, TlsMode.STARTTLS), Mode)
    for phase, fault in itertools.product(phases(tls, mode), Fault)
    # Silence takes long to detect, and after AUTH the TLS mode makes no difference.
    if not (fault in SLOW and tls is TlsMode.STARTTLS and phase not in BEFORE_MAIL)
]


def admissible(cell: Cell) -> set[type[Verdict]]:
    """Return the allowed outcome: after the last octet only a complete reply decides, before it nothing is accepted."""
    one_flight = cell.mode is Mode.ONE_FLIGHT
    has_left = cell.phase is Phase.DOT or (one_flight and cell.phase in {Phase.MAIL, Phase.RCPT})
    if cell.phase is Phase.QUIT:
        return {Accepted}
    if cell.phase is Phase.TLS:
        return {Deferred} if cell.fault in {Fault.FIN, Fault.RST, *SLOW} else {Deferred, RelayError}
    match cell.fault:
        case Fault.CLOSING_421 | Fault.TRANSIENT:
            return {Deferred}
        case Fault.PERMANENT if cell.phase is Phase.AUTH:
            return {RelayError}
        case Fault.PERMANENT if cell.phase in BEFORE_MAIL:
            return {Deferred, RelayError} if cell.phase is Phase.STARTTLS else {Deferred}
        case Fault.PERMANENT:
            return {Rejected}
        case Fault.NON_ASCII if cell.phase is not Phase.BODY:
            return {Accepted}  # the code is valid, only the text is malformed
        case Fault.DOUBLE_REPLY if cell.phase in BEFORE_MAIL:
            return {Deferred, Accepted}  # no reply can be misattributed yet: closing and ignoring are both right
        case Fault.MIXED_CODES if cell.phase is Phase.AUTH:
            return {Deferred, RelayError}  # not authenticated, whichever line counts
        case Fault.DOUBLE_REPLY if cell.phase is Phase.DOT:
            return {Accepted, Unknown}  # the second reply may come too late to be noticed
        case Fault.FIN if cell.phase is Phase.BODY:
            return {
                Deferred,
                Unknown,
            }  # its kernel still accepts octets, and on a busy machine it may accept all of them
        case _:
            return {Unknown} if has_left else {Deferred}


def run(cell: Cell) -> tuple[Sent, HostileRelay]:
    budget, timeout = (IMPATIENT, IMPATIENT - 0.2) if cell.fault in SLOW else (sending.PATIENT, sending.PATIENT)
    healthy = replace(cell.relay, faults={})
    buffer = 16384 if cell.phase is Phase.BODY else None
    with (
        HostileRelay(lambda number: healthy if number < cell.earlier else cell.relay, receive_buffer=buffer) as server,
        smtp_transport(freshness=NEVER_WARM) as transport,
    ):
        relay = relay_at(server, tls=cell.tls, timeout=timeout)
        for number in range(cell.earlier):
            sending.send(transport, relay, make_message(message_id=f"<earlier-{number}@example.com>"))
        sent = sending.send(transport, relay, cell.message, budget=budget)
    if cell.phase is not Phase.BODY:
        assert server.wait_until_left()
    return sent, server


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_nf1_hr14_hr18_the_outcome_follows_from_the_phase_and_the_reply(cell: Cell) -> None:
    sent, server = run(cell)

    verdict = sent.attempt.verdicts[RECIPIENT]
    assert type(verdict) in admissible(cell)
    assert len(server.connections) == cell.earlier + 1
    assert verdict_is_true(verdict, server.connections[-1].messages, cell.message)
    assert sent.seconds <= (IMPATIENT if cell.fault in SLOW else sending.PATIENT / 2) + GRACE
    assert server.connections[-1].auth_attempts <= 1
    assert not server.auth_in_clear
    assert server.violations == ()


def verdict_is_true(verdict: Verdict, taken: Sequence[ReceivedMessage], message: Message) -> bool:
    match verdict:
        case Accepted():
            return [each.content for each in taken] == [message.as_bytes()]
        case Unknown():
            return len(taken) <= 1
        case Deferred() | Rejected() | RelayError():
            return not taken


PHASES_AS_REPORTED = {
    Phase.BANNER: "greeting",
    Phase.EHLO1: "ehlo",
    Phase.EHLO2: "ehlo",
    Phase.BODY: "content",
    Phase.DOT: "final",
}
REFUSALS = [cell for cell in CELLS if cell.fault is Fault.TRANSIENT and cell.phase not in {Phase.TLS, Phase.QUIT}]


@pytest.mark.parametrize("cell", REFUSALS, ids=str)
def test_hr18_hr19_a_refusal_is_reported_with_its_phase_and_its_reply(cell: Cell) -> None:
    verdict = run(cell)[0].attempt.verdicts[RECIPIENT]

    assert isinstance(verdict, Deferred)
    assert verdict.failure.phase == PHASES_AS_REPORTED.get(cell.phase, cell.phase.value)
    assert verdict.failure.reply is not None
    assert verdict.failure.reply.code == (454 if cell.phase is Phase.AUTH else 451)
