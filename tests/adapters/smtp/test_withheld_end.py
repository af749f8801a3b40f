"""The end of a message is held back until everything before it has left this process.

A transaction in one write cannot hold back its end: it left completely, or the connection was lost before.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from mailer.adapters.smtp.session import Extensions, Session
from mailer.adapters.smtp.transaction import Limits, Transacted, transact
from mailer.adapters.smtp.wire import Wire
from mailer.message.address import Address, parse_address
from mailer.smtp.outcome import Accepted, Deferred, Unknown, Verdict
from mailer.smtp.reply import make_reply
from mailer.smtp.reply_order import wording_of

from tests.support.sending import RECIPIENT, large_message, make_message


class Line(asyncio.Transport):
    """A transport whose buffer empties only on command, and which answers the written octets."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_stuck = True
        self.is_aborted = False
        self.is_refusing = False
        self.answer: Callable[[bytes], bytes] = lambda _: b""
        self.deliver: Callable[[bytes], None] = lambda _: None
        self.breaks_at: bytes | None = None
        self.lose: Callable[[None], None] = lambda _: None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))
        if self.is_refusing:
            self.is_aborted = True
            return
        if octets := self.answer(bytes(data)):
            asyncio.get_running_loop().call_soon(self.deliver, octets)
        if self.breaks_at is not None and bytes(data).startswith(self.breaks_at):
            asyncio.get_running_loop().call_soon(self.lose, None)

    def get_write_buffer_size(self) -> int:
        return 1 if self.is_stuck else 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


@dataclass(frozen=True, slots=True)
class Mode:
    pipelining: bool
    chunking: bool
    size: int
    end: bytes


ONE_FLIGHT = Mode(pipelining=True, chunking=True, size=0, end=b".\r\n")
MODES = {
    "large": Mode(pipelining=True, chunking=True, size=300_000, end=b".\r\n"),
    "chunking-only": Mode(pipelining=False, chunking=True, size=0, end=b".\r\n"),
    "pipelined-data": Mode(pipelining=True, chunking=False, size=0, end=b".\r\n"),
    "plain-data": Mode(pipelining=False, chunking=False, size=0, end=b".\r\n"),
}
EVERY_MODE = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)


def answer_to(data: bytes) -> bytes:
    """Answer the envelope's commands; BDAT and content get no reply before their end."""
    replies = {b"MAIL": b"250 2.1.0 OK\r\n", b"RCPT": b"250 2.1.5 OK\r\n", b"DATA": b"354 Go on\r\n"}
    return b"".join(replies.get(line[:4], b"") for line in data.split(b"\r\n"))


KNOWN = wording_of(make_reply(250, "2.1.0 OK"), [make_reply(250, "2.1.5 OK")], make_reply(250, "2.0.0 Taken"))


async def run(line: Line, mode: Mode, recipients: tuple[Address, ...] = (RECIPIENT,)) -> Transacted:
    wire = Wire(line, loop=asyncio.get_running_loop(), repeats_credentials=lambda _: False)
    line.deliver = wire.data_received
    line.lose = wire.connection_lost
    extensions = Extensions(pipelining=mode.pipelining, chunking=mode.chunking, has_size=False, size=None)
    deadline = asyncio.get_running_loop().time() + 0.2
    message = large_message(mode.size) if mode.size else make_message(text=b"hello\r\n", recipients=recipients)
    limits = Limits(deadline=deadline, reply_seconds=0.2, final_reply_seconds=0.1)
    return await transact(Session(wire, extensions), message, limits, known=KNOWN)


def verdict_of(transacted: Transacted) -> Verdict:
    return transacted.attempt.verdicts[RECIPIENT]


@EVERY_MODE
def test_the_end_is_held_back_while_content_is_unsent(mode: Mode) -> None:
    line = Line()
    line.answer = answer_to

    transacted = asyncio.run(run(line, mode))

    assert isinstance(verdict_of(transacted), Deferred)
    assert line.writes[-1] != mode.end
    assert not b"".join(line.writes).endswith(b"\r\n.\r\n")
    assert line.is_aborted


@EVERY_MODE
def test_the_end_leaves_last_and_silence_after_it_is_unknown(mode: Mode) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = answer_to

    transacted = asyncio.run(run(line, mode))

    assert isinstance(verdict_of(transacted), Unknown)
    assert line.writes[-1] == mode.end
    assert line.writes.count(mode.end) == 1


@EVERY_MODE
def test_a_250_to_the_end_is_accepted(mode: Mode) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = lambda data: b"250 2.0.0 Taken\r\n" if data == mode.end else answer_to(data)

    assert isinstance(verdict_of(asyncio.run(run(line, mode))), Accepted)


def in_flight(replies: bytes) -> Callable[[bytes], bytes]:
    """Answer only the write that begins with MAIL."""
    return lambda data: replies if data.startswith(b"MAIL") else b""


def test_silence_after_a_transaction_in_one_write_is_unknown() -> None:
    line = Line()
    line.is_stuck = False

    transacted = asyncio.run(run(line, ONE_FLIGHT))

    assert isinstance(verdict_of(transacted), Unknown)
    assert len(line.writes) == 1
    assert line.writes[0].endswith(b"\r\n")


def test_a_250_to_a_transaction_in_one_write_is_accepted() -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.0.0 Taken\r\n")

    assert isinstance(verdict_of(asyncio.run(run(line, ONE_FLIGHT))), Accepted)


def test_a_write_that_the_kernel_refused_sent_nothing() -> None:
    line = Line()
    line.is_stuck = False
    line.is_refusing = True

    transacted = asyncio.run(run(line, ONE_FLIGHT))

    assert isinstance(verdict_of(transacted), Deferred)
    assert transacted.is_untouched


def test_a_partly_sent_write_counts_as_sent() -> None:
    line = Line()

    assert isinstance(verdict_of(asyncio.run(run(line, ONE_FLIGHT))), Unknown)


def test_a_lost_write_without_a_reply_is_not_repeated() -> None:
    line = Line()
    line.is_stuck = False
    line.breaks_at = b"MAIL"

    transacted = asyncio.run(run(line, ONE_FLIGHT))

    assert isinstance(verdict_of(transacted), Unknown)
    assert not transacted.is_untouched


@EVERY_MODE
def test_a_connection_lost_before_any_reply_and_before_the_end_is_untouched(mode: Mode) -> None:
    line = Line()
    line.breaks_at = b"MAIL"

    transacted = asyncio.run(run(line, mode))

    assert isinstance(verdict_of(transacted), Deferred)
    assert transacted.is_untouched


@pytest.mark.parametrize("reply", [b"354 Go on\r\n", b"220 Hello\r\n"], ids=["354", "220"])
def test_an_odd_reply_to_mail_after_the_end_means_unknown(reply: bytes) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(reply)

    assert isinstance(verdict_of(asyncio.run(run(line, ONE_FLIGHT))), Unknown)


RECIPIENTS = (parse_address("first@example.com"), parse_address("second@example.com"))


def test_a_message_to_several_recipients_is_never_one_write() -> None:
    line = Line()
    line.is_stuck = False
    line.answer = answer_to

    transacted = asyncio.run(run(line, ONE_FLIGHT, RECIPIENTS))

    assert b"BDAT" not in line.writes[0]
    assert line.writes[-1] == ONE_FLIGHT.end
    assert [type(verdict) for verdict in transacted.attempt.verdicts.values()] == [Unknown, Unknown]


TWICE_TO_MAIL = b"250 2.1.0 OK\r\n250 2.1.0 OK\r\n"


@pytest.mark.parametrize("reply", [b"250 2.1.5 OK\r\n", b"450 4.2.1 Later\r\n", b"550 5.1.1 No\r\n"])
def test_hr3_an_extra_reply_to_one_write_makes_the_outcome_unknown(reply: bytes) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(TWICE_TO_MAIL + reply + b"250 2.0.0 Taken\r\n")

    assert isinstance(verdict_of(asyncio.run(run(line, ONE_FLIGHT))), Unknown)


@pytest.mark.parametrize(
    "replies", [b"421 4.3.2 Closing\r\n", b"250 2.1.0 OK\r\n421 4.3.2 Closing\r\n"], ids=["MAIL", "RCPT"]
)
@pytest.mark.parametrize(
    "later",
    [b"250 2.1.5 OK\r\n250 2.0.0 Taken\r\n", b"503 5.5.1 No\r\n503 5.5.1 No\r\n250 2.0.0 Taken\r\n"],
    ids=["accepted", "too many"],
)
def test_hr18_a_421_followed_by_an_acceptance_means_unknown(replies: bytes, later: bytes) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(replies + later)

    transacted = asyncio.run(run(line, ONE_FLIGHT))

    assert isinstance(verdict_of(transacted), Unknown)
    assert not transacted.is_untouched


@pytest.mark.parametrize("odd", [b"354 Go on\r\n", b"220 Hello\r\n"], ids=["354", "220"])
def test_an_odd_reply_to_the_recipient_does_not_prove_non_acceptance(odd: bytes) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(b"250 2.1.0 OK\r\n" + odd + b"250 2.0.0 Taken\r\n")

    assert isinstance(verdict_of(asyncio.run(run(line, ONE_FLIGHT))), Accepted | Unknown)


REFUSED = b"503 5.5.1 Bad sequence\r\n"


@pytest.mark.parametrize(
    "replies",
    [
        b"421 4.7.0 Too many messages\r\n" + REFUSED * 2,
        b"250 2.1.0 OK\r\n421 4.3.2 Closing\r\n" + REFUSED,
        b"421 4.7.0 Too many messages\r\n451 4.3.0 Later\r\n" + REFUSED,
    ],
    ids=["MAIL", "RCPT", "4yz"],
)
def test_hr18_a_421_followed_by_refusals_proves_that_nothing_was_accepted(replies: bytes) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(replies)

    transacted = asyncio.run(run(line, ONE_FLIGHT))

    assert isinstance(verdict_of(transacted), Deferred)
    assert transacted.is_untouched
    assert line.is_aborted


@pytest.mark.parametrize("later", [b"", b"503 5.5.1 No\r\n"], ids=["at once", "after one refusal"])
def test_hr18_a_421_followed_by_silence_means_unknown(later: bytes) -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(b"421 4.3.2 Closing\r\n" + later)

    transacted = asyncio.run(run(line, ONE_FLIGHT))

    assert isinstance(verdict_of(transacted), Unknown)
    assert not transacted.is_untouched


def test_hr18_a_421_followed_by_the_end_of_the_connection_proves_that_nothing_was_accepted() -> None:
    line = Line()
    line.is_stuck = False
    line.answer = in_flight(b"421 4.3.2 Closing\r\n")
    line.breaks_at = b"MAIL"

    transacted = asyncio.run(run(line, ONE_FLIGHT))

    assert isinstance(verdict_of(transacted), Deferred)
    assert transacted.is_untouched
