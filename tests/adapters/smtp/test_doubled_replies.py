"""A relay that sends one reply too many: no verdict contradicts what the relay has stored.

Hypothesis chooses the replies, which one is doubled, or comes after a reply about something else, and how many of them
arrive late.
"""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.adapters.smtp.session import Extensions, Session
from mailer.adapters.smtp.transaction import Limits, transact
from mailer.adapters.smtp.wire import Wire
from mailer.message.address import Address, parse_address
from mailer.smtp.outcome import Accepted, Attempt, Deferred, Rejected, Unknown, Verdict
from mailer.smtp.reply import make_reply
from mailer.smtp.reply_order import Wording, wording_of

from tests.support.sending import make_message

RECIPIENTS = tuple(parse_address(f"{name}@example.com") for name in ("first", "second", "third"))
MAIL = (b"250 2.1.0 Sender OK", b"250 OK", b"450 4.7.1 Later", b"550 5.7.1 No")
RCPT = (b"250 2.1.5 Recipient OK", b"250 Accepted", b"250 OK", b"450 4.2.1 Busy", b"550 5.1.1 No such user", b"550 No")
FINAL = (b"250 2.0.0 Queued", b"250 OK id=42", b"250 OK", b"451 4.3.0 Later", b"554 5.7.1 Spam")
KNOWN = (
    wording_of(
        make_reply(250, "2.1.0 Sender OK"), [make_reply(250, "2.1.5 Recipient OK")], make_reply(250, "2.0.0 Queued")
    ),
    wording_of(make_reply(250, "OK"), [make_reply(250, "Accepted")], make_reply(250, "OK id=7")),
)
EXTRA = b"250 Message 1 is delivered"
OUT_OF_ORDER = b"503 5.5.1 Bad sequence"
LATE_SECONDS = 0.005
PATIENCE_SECONDS = 0.1


class DoublingRelay(asyncio.Transport):
    """A transport with the relay behind it: the reply number `doubled` is sent twice, the last `late` replies late.

    With `has_extra`, that reply comes once, after a reply about something else.
    """

    def __init__(
        self, mail: bytes, rcpt: tuple[bytes, ...], final: bytes, *, doubled: int, late: int, has_extra: bool = False
    ) -> None:
        super().__init__()
        self._mail, self._rcpt, self._final, self._doubled, self._late = mail, list(rcpt), final, doubled, late
        self._has_extra = has_extra
        self._buffer = b""
        self._is_in_data = False
        self._answered = 0
        self._is_closed = False
        self._offered: list[bytes] = []
        self.has_copy: list[bytes] = []
        self.deliver: Callable[[bytes], None] = lambda _: None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._buffer += data
        replies: list[bytes] = []
        while (reply := self._next_reply()) is not None:
            if self._answered == self._doubled:
                replies.append((EXTRA if self._has_extra else reply) + b"\r\n")
            replies.append(reply + b"\r\n")
            self._answered += 1
        at_once = max(0, len(replies) - self._late)
        loop = asyncio.get_running_loop()
        loop.call_soon(self._deliver, b"".join(replies[:at_once]))
        loop.call_later(LATE_SECONDS, self._deliver, b"".join(replies[at_once:]))

    def _deliver(self, octets: bytes) -> None:
        if octets and not self._is_closed:
            self.deliver(octets)

    def _next_reply(self) -> bytes | None:
        if self._is_in_data:
            _, end, rest = self._buffer.partition(b"\r\n.\r\n")
            if not end:
                return None
            self._buffer, self._is_in_data = rest, False
            return self._end()
        line, separator, rest = self._buffer.partition(b"\r\n")
        if line.startswith(b"BDAT "):
            size = int(line.split()[1])
            if not separator or len(rest) < size:
                return None
            self._buffer = rest[size:]
            return self._end()
        if not separator:
            return None
        self._buffer = rest
        return self._obey(line)

    def _obey(self, line: bytes) -> bytes:
        match line[:4]:
            case b"MAIL":
                return self._mail
            case b"RCPT" if self._mail.startswith(b"2"):
                reply = self._rcpt.pop(0)
                if reply.startswith(b"2"):
                    self._offered.append(line[9:-1])
                return reply
            case b"DATA" if self._offered:
                self._is_in_data = True
                return b"354 Go on"
            case b"QUIT":
                return b"221 2.0.0 Bye"
            case _:
                return OUT_OF_ORDER

    def _end(self) -> bytes:
        if not self._offered:
            return OUT_OF_ORDER
        if self._final.startswith(b"2"):
            self.has_copy = self._offered
        return self._final

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self._is_closed

    def abort(self) -> None:
        self._is_closed = True


async def attempt(
    relay: DoublingRelay,
    recipients: tuple[Address, ...],
    *,
    chunking: bool,
    pipelining: bool,
    known: Wording | None = KNOWN[0],
) -> Attempt:
    loop = asyncio.get_running_loop()
    wire = Wire(relay, loop=loop, repeats_credentials=lambda _: False)
    relay.deliver = wire.data_received
    session = Session(wire, Extensions(pipelining=pipelining, chunking=chunking, has_size=False, size=None))
    limits = Limits(loop.time() + PATIENCE_SECONDS, PATIENCE_SECONDS, 0.01)
    message = make_message(recipients=recipients)
    transacted = await transact(session, message, limits, known=known)
    await asyncio.sleep(0)
    return transacted.attempt


@settings(max_examples=400, deadline=None)
@given(
    mail=st.sampled_from(MAIL),
    rcpt=st.lists(st.sampled_from(RCPT), min_size=1, max_size=3),
    final=st.sampled_from(FINAL),
    doubled=st.integers(0, 4),
    late=st.integers(0, 4),
    chunking=st.booleans(),
    pipelining=st.booleans(),
)
def test_hr3_a_doubled_reply_never_leads_to_a_false_verdict(
    *, mail: bytes, rcpt: list[bytes], final: bytes, doubled: int, late: int, chunking: bool, pipelining: bool
) -> None:
    relay = DoublingRelay(mail, tuple(rcpt), final, doubled=doubled, late=late)
    recipients = RECIPIENTS[: len(rcpt)]

    verdicts = asyncio.run(attempt(relay, recipients, chunking=chunking, pipelining=pipelining)).verdicts

    for recipient, reply in zip(recipients, rcpt, strict=True):
        has_copy = str(recipient).encode() in relay.has_copy
        assert type(verdicts[recipient]) in true_verdicts(mail, reply, final, has_copy=has_copy)


@settings(max_examples=400, deadline=None)
@given(
    mail=st.sampled_from(MAIL),
    rcpt=st.sampled_from(RCPT),
    final=st.sampled_from(FINAL),
    known=st.sampled_from(KNOWN),
    before=st.integers(0, 3),
    late=st.integers(0, 4),
)
def test_hr3_an_extra_reply_of_any_text_never_leads_to_a_false_verdict_of_one_flight(
    *, mail: bytes, rcpt: bytes, final: bytes, known: Wording | None, before: int, late: int
) -> None:
    relay = DoublingRelay(mail, (rcpt,), final, doubled=before, late=late, has_extra=True)

    verdicts = asyncio.run(attempt(relay, RECIPIENTS[:1], chunking=True, pipelining=True, known=known)).verdicts

    has_copy = bool(relay.has_copy)
    assert type(verdicts[RECIPIENTS[0]]) in true_verdicts(mail, rcpt, final, has_copy=has_copy)


def true_verdicts(mail: bytes, rcpt: bytes, final: bytes, *, has_copy: bool) -> set[type[Verdict]]:
    """Return the verdicts that the relay's own replies allow. A recipient without a copy may always be deferred."""
    if has_copy:
        return {Accepted, Unknown}
    first_refusal = next((reply for reply in (mail, rcpt, final) if not reply.startswith(b"2")), b"")
    if first_refusal.startswith(b"5"):
        return {Rejected, Deferred, Unknown}
    return {Deferred, Unknown}


@pytest.mark.parametrize("chunking", [True, False])
@pytest.mark.parametrize("late", [0, 1, 2, 3])
@pytest.mark.parametrize("count", [1, 3])
def test_without_a_doubled_reply_each_recipient_gets_its_own_verdict(count: int, late: int, chunking: bool) -> None:
    rcpt = (RCPT[0], RCPT[3], RCPT[4])[:count]
    relay = DoublingRelay(MAIL[0], rcpt, FINAL[0], doubled=-1, late=late)

    verdicts = asyncio.run(attempt(relay, RECIPIENTS[:count], chunking=chunking, pipelining=True)).verdicts

    assert [type(verdict) for verdict in verdicts.values()] == [Accepted, Deferred, Rejected][:count]
