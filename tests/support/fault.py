"""The phases and the faults, which are the two axes of the fault matrix, and the steps of each fault in each phase."""

from dataclasses import dataclass
from enum import StrEnum

from tests.support.steps import Close, Drip, Hang, Reset, Send, Step, StopReading

_OVERLONG = 70_000
_DRIP_INTERVAL = 0.02


class Phase(StrEnum):
    """The phases of a conversation, in order. `EHLO2` is EHLO after STARTTLS; `DOT` is also the last BDAT chunk."""

    BANNER = "banner"
    EHLO1 = "ehlo1"
    STARTTLS = "starttls"
    TLS = "tls"
    EHLO2 = "ehlo2"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    RSET = "rset"
    QUIT = "quit"


class Fault(StrEnum):
    """A way to fail."""

    FIN = "fin"
    RST = "rst"
    HANG = "hang"
    DRIP = "drip"
    CLOSING_421 = "421"
    TRANSIENT = "4yz"
    PERMANENT = "5yz"
    WRONG_CODE = "wrong-code"
    GARBAGE = "garbage"
    DOUBLE_REPLY = "double-reply"
    MIXED_CODES = "mixed-codes"
    OVERLONG = "overlong"
    NON_ASCII = "non-ascii"


@dataclass(frozen=True, slots=True)
class Intervention:
    """The steps that replace the right reply; they also say whether the command is still carried out.

    At `DOT`, "carried out" means that the message is accepted: the worst case for a client that guesses.
    """

    steps: tuple[Step, ...]
    takes_effect: bool = False


def intervene(fault: Fault, phase: Phase, reply: bytes) -> Intervention:
    """Return the steps of the fault in this phase; `reply` is the right reply."""
    if phase is Phase.TLS:
        return Intervention(_during_handshake(fault, reply))
    intervention = _in_place_of_reply(fault, phase, reply)
    if phase is Phase.BODY and fault not in {Fault.FIN, Fault.RST, Fault.CLOSING_421}:
        # The client must not be able to end the message, so the fault must happen before the dot.
        steps = tuple(step for step in intervention.steps if not isinstance(step, Hang))
        return Intervention((*steps, StopReading()))
    return intervention


def _in_place_of_reply(fault: Fault, phase: Phase, reply: bytes) -> Intervention:
    code, last_line = reply[:3], reply.splitlines(keepends=True)[-1]
    match fault:
        case Fault.FIN:
            return Intervention((Close(),), takes_effect=True)
        case Fault.RST:
            return Intervention((Reset(),), takes_effect=True)
        case Fault.HANG:
            return Intervention((Hang(),), takes_effect=True)
        case Fault.DRIP:
            return Intervention((Drip(code + b"-" + b"x" * 500, _DRIP_INTERVAL), Hang()), takes_effect=True)
        case Fault.CLOSING_421:
            return Intervention((Send(b"421 4.3.2 Service shutting down\r\n"), Close()))
        case Fault.TRANSIENT:
            text = (
                b"454 4.7.0 Temporary authentication failure" if phase is Phase.AUTH else b"451 4.3.0 Try again later"
            )
            return Intervention((Send(text + b"\r\n"),))
        case Fault.PERMANENT:
            text = b"535 5.7.8 Credentials invalid" if phase is Phase.AUTH else b"554 5.0.0 Refused"
            return Intervention((Send(text + b"\r\n"),))
        case Fault.WRONG_CODE:
            wrong = b"250 2.0.0 Wrong" if phase is Phase.DATA else b"354 Wrong"
            return Intervention((Send(wrong + b"\r\n"),), takes_effect=True)
        case Fault.GARBAGE:
            return Intervention((Send(b"\x00\x01HTTP/1.1 400 Bad Request\r\n"),), takes_effect=True)
        case Fault.DOUBLE_REPLY:
            return Intervention((Send(reply + last_line),), takes_effect=True)
        case Fault.MIXED_CODES:
            return Intervention((Send(code + b"-mixed\r\n550 mixed\r\n"),), takes_effect=True)
        case Fault.OVERLONG:
            return Intervention((Send(code + b"-" + b"x" * _OVERLONG + b"\r\n" + reply),), takes_effect=True)
        case Fault.NON_ASCII:
            return Intervention((Send(code + b"-\xff\xfe\xc3\xa9 \x1b[31m\x00\r\n" + reply),), takes_effect=True)


def _during_handshake(fault: Fault, reply: bytes) -> tuple[Step, ...]:
    match fault:
        case Fault.FIN:
            return (Close(),)
        case Fault.RST:
            return (Reset(),)
        case Fault.HANG:
            return (Hang(),)
        case Fault.DRIP:
            # A handshake record of 512 octets with an incomplete ServerHello.
            return (Drip(b"\x16\x03\x03\x02\x00\x02\x00\x01\xfc\x03\x03" + b"x" * 400, _DRIP_INTERVAL), Hang())
        case _:
            return (*_in_place_of_reply(fault, Phase.TLS, reply).steps, Close())
