"""One mail transaction: MAIL, RCPT, the content, and the last octet of the message.

Every verdict depends on the phase. The end of the message, the line with the dot, is held back until all other octets
have left. If the attempt fails before the end leaves, the message was provably not accepted. After that only a complete
reply decides, and later events do not change the result.

The content follows a 354, which shows that every reply before it was matched to its command. So a relay that doubles a
reply, is slow or hangs up at RCPT has accepted nothing. With PIPELINING and CHUNKING a small message to one recipient
can be one write instead (RFC 2920, RFC 3030), if the caller allows it.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from mailer.adapters.smtp.progress import Progress, settle
from mailer.adapters.smtp.session import Session
from mailer.adapters.smtp.wire import Broken, Wire
from mailer.message.address import Address
from mailer.message.message import Message
from mailer.smtp.dot_stuffing import stuff
from mailer.smtp.outcome import Accepted, Attempt, Cause, Failure, Phase, Rejected, Unknown, Verdict
from mailer.smtp.reply import Reply
from mailer.smtp.reply_order import Wording, wording_of
from mailer.smtp.verdict import SERVICE_CLOSING, Envelope, judge_envelope, judge_final, refusal

TLS_RECORD_OCTETS = 16 * 1024
_START_INPUT = 354
_BYE = 221
_DATA = b"DATA\r\n"
_DOT = b".\r\n"
_QUIT = b"QUIT\r\n"
# A relay that has sent 421 closes the connection, or refuses the commands that it has already.
_CLOSING_SECONDS = 2.0
_VIOLATED = Unknown(Failure(Phase.FINAL, Cause.PROTOCOL_VIOLATION))


class Limits(msgspec.Struct, frozen=True):
    """Time limits of a transaction: `deadline` on the loop's clock, and seconds for each reply and for the final one.

    `sign_of_life_seconds` is set for a connection that may be dead: MAIL must be answered within this time before the
    content is sent. An envelope is slow if its replies take longer than `slow_envelope_seconds`.
    """

    deadline: float
    reply_seconds: float
    final_reply_seconds: float
    sign_of_life_seconds: float | None = None
    slow_envelope_seconds: float = 1.0

    @property
    def content_until(self) -> float:
        """The time by which the content must have left, so that time remains for its reply."""
        return self.deadline - self.final_reply_seconds


class Transacted(msgspec.Struct, frozen=True):
    """The verdicts of a transaction.

    `is_clean`: the connection can be reused. `is_untouched`: the connection was dead, or the relay ended the session
    before it took anything, so another connection can take the message at once. `wording`: if the relay took the
    message, was fast, and sent replies that can be told apart, how it words them.
    """

    attempt: Attempt
    is_clean: bool = False
    is_untouched: bool = False
    wording: Wording | None = None


async def transact(
    session: Session,
    message: Message,
    limits: Limits,
    before_end: Callable[[], None] = lambda: None,
    *,
    known: Wording | None = None,
) -> Transacted:
    """Make one transaction; never raises for failures of the relay or the network.

    `before_end` is called when only the end of the message is unsent; if it raises, the transaction ends. The message
    can be one flight only if it is `known` how the relay words its replies. After an unclean end the connection is
    dropped, so that its state cannot affect the next message.
    """
    extensions = session.extensions
    if extensions.size is not None and message.size > extensions.size:
        too_large = Rejected(Failure(Phase.MAIL, Cause.TOO_LARGE))
        return Transacted(Attempt.uniform(message.recipients, too_large), is_clean=True)
    transaction = _Transaction(session, message, limits, before_end, known)
    is_clean = False
    try:
        if transaction.can_be_one_flight:
            verdicts = await transaction.run_in_one_flight()
        else:
            verdicts = await transaction.run_stepwise()
        is_clean = transaction.is_clean
        is_untouched = transaction.was_closed_before_content
        return Transacted(Attempt(verdicts), is_clean, is_untouched, transaction.wording if is_clean else None)
    except Broken as broken:
        progress = transaction.progress
        verdicts = progress.verdicts(message.recipients, broken.cause)
        is_silent = limits.sign_of_life_seconds is not None and broken.cause is Cause.TIMEOUT
        is_dead = is_silent or broken.cause is Cause.CONNECTION_LOST
        is_untouched = progress.mail is None and not progress.has_ended and is_dead
        return Transacted(Attempt(verdicts), is_untouched=is_untouched)
    finally:
        if not is_clean:
            session.wire.abort()


class _Transaction:
    def __init__(
        self,
        session: Session,
        message: Message,
        limits: Limits,
        before_end: Callable[[], None],
        known: Wording | None,
    ) -> None:
        self._wire: Wire = session.wire
        self._extensions = session.extensions
        self._message = message
        self._limits = limits
        self._before_end = before_end
        self._known = known
        self.progress = Progress()
        self.is_clean = False
        self.wording: Wording | None = None
        self._is_one_flight = False
        self._is_slow = False
        self._is_out_of_step = False

    @property
    def was_closed_before_content(self) -> bool:
        """Whether the relay refused the envelope with 421 alone: it ended the session and accepted nothing."""
        refused = [reply for reply in (self.progress.mail, *self.progress.rcpt) if reply and not reply.is_positive]
        return self.progress.is_closing and len(refused) == 1 and not self._is_out_of_step

    @property
    def can_be_one_flight(self) -> bool:
        """Whether the message can be one write: known replies, one recipient, a live connection, one TLS record.

        With several recipients, a connection that is lost after the refusal of one would leave the others unknown.
        """
        extensions = self._extensions
        return (
            self._known is not None
            and extensions.pipelining
            and extensions.chunking
            and len(self._message.recipients) == 1
            and self._limits.sign_of_life_seconds is None
            and self._fits_in_one_record
        )

    @property
    def _fits_in_one_record(self) -> bool:
        """Whether the whole transaction fits into one TLS record, so that a relay reads all of it before it answers.

        Some relays answer each record at once, and the last answer then waits for a delayed acknowledgement.
        """
        commands = sum(map(len, (self._mail(), *self._rcpt(), self._bdat())))
        return commands + self._message.size <= TLS_RECORD_OCTETS

    async def run_in_one_flight(self) -> dict[Address, Verdict]:
        """Send MAIL, RCPT, BDAT and the content at once, and read the replies in order.

        All octets are one write, so the last octet cannot be held back. If the connection is lost right after the
        write, nothing has left. If the kernel accepted only a part, the whole message counts as sent.
        """
        self._is_one_flight = True
        self._before_end()
        self._check_no_waiting_reply()
        self._check_time()
        self._wire.write(b"".join((self._mail(), *self._rcpt(), self._bdat(), *self._message.chunks())))
        if self._wire.is_gone:
            raise Broken(Cause.CONNECTION_LOST)
        self.progress.end()
        return await self._read_flight()

    async def run_stepwise(self) -> dict[Address, Verdict]:
        """Send the envelope and read its replies, then send the content."""
        self._check_no_waiting_reply()
        commands, is_written = [self._mail(), *self._rcpt()], self._extensions.pipelining
        if is_written:
            self._wire.write(b"".join([*commands, _DATA]))
        envelope = await self._envelope(commands, is_written=is_written)
        if not envelope.accepted:
            # After a 354 without accepted recipients the connection is dropped; a dot is never sent.
            await self._check_order(pending=int(is_written))
            return envelope.verdicts
        self.progress.phase = Phase.DATA
        data = await self._answer_to(_DATA, is_written=is_written)
        if data.code != _START_INPUT:
            self._check(data.is_transient or data.is_permanent)
            await self._check_order(pending=0)
            return self._merge(envelope, refusal(Phase.DATA, data))
        self._check_no_waiting_reply()
        self._check_time()
        self.progress.phase = Phase.CONTENT
        refused = await self._stream(stuff(self._message.chunks()))
        if refused is not None:
            return self._merge(envelope, refused)
        self._before_end()
        self._check_time()
        self._wire.write(_DOT)
        self.progress.end()
        return self._merge(envelope, await self._final())

    async def _check_order(self, *, pending: int) -> None:
        """Send QUIT after a refusal, and raise `Broken` if the replies show that one of them was one too many.

        Then a refusal may belong to another recipient. `pending` replies are due before the one to QUIT. Silence, and
        the end of the connection, show nothing.
        """
        is_about_recipients = self.progress.mail is not None and self.progress.mail.code == 250
        if len(self._message.recipients) == 1 or not is_about_recipients or self.progress.is_closing:
            return
        until = min(self._wire.loop.time() + _CLOSING_SECONDS, self._limits.deadline)
        try:
            self._wire.write(_QUIT)
            for _ in range(pending):
                reply = await self._wire.reply(until)
                if reply.code == _START_INPUT:
                    return
                self._check(reply.is_transient or reply.is_permanent)
            self._check((await self._wire.reply(until)).code in (_BYE, SERVICE_CLOSING))
        except Broken as broken:
            if broken.cause is Cause.PROTOCOL_VIOLATION:
                raise

    def _check(self, fits: bool) -> None:
        if not fits:
            raise Broken(Cause.PROTOCOL_VIOLATION)

    async def _read_flight(self) -> dict[Address, Verdict]:
        envelope = await self._envelope([self._mail(), *self._rcpt()], is_written=True)
        if self.progress.is_closing:
            return envelope.verdicts if await self._has_refused_the_rest() else self._all_violated()
        final = await self._final()
        accepted_without_recipients = not envelope.accepted and isinstance(final, Accepted)
        if accepted_without_recipients or self._is_out_of_step:
            return self._all_violated()
        return self._merge(envelope, final)

    async def _has_refused_the_rest(self) -> bool:
        """Read the replies that follow a 421 to the envelope; return whether the message was certainly not accepted.

        Most relays close the connection. Exim goes on, and refuses each command that it has already. Silence proves
        nothing: the relay may still accept the message.
        """
        until = min(self._limits.deadline, self._wire.loop.time() + _CLOSING_SECONDS)
        missing = len(self._message.recipients) - len(self.progress.rcpt) + 1
        has_refused = True
        try:
            for _ in range(missing):
                reply = await self._wire.reply(until)
                has_refused = has_refused and (reply.is_transient or reply.is_permanent)
            await self._wire.catch_up()
            has_refused = has_refused and not self._wire.waiting_replies
        except Broken as broken:
            has_refused = has_refused and broken.cause is Cause.CONNECTION_LOST
        self._is_out_of_step = not has_refused
        return has_refused

    def _all_violated(self) -> dict[Address, Verdict]:
        """Return unknown for every recipient: a reply may belong to another command, or to another recipient."""
        return dict.fromkeys(self._message.recipients, _VIOLATED)

    async def _envelope(self, commands: Sequence[bytes], *, is_written: bool) -> Envelope:
        """Read the replies to MAIL and each RCPT.

        A command that is not written yet is written after the previous reply.
        """
        progress, (mail, *rcpt), began = self.progress, commands, self._wire.loop.time()
        progress.mail = await self._answer_to(mail, is_written=is_written)
        # Every written command gets a reply, even if MAIL was refused.
        for command in rcpt if is_written or progress.mail.code == 250 else ():
            if progress.is_closing:
                break
            if not progress.has_ended:
                progress.phase = Phase.RCPT
            progress.rcpt.append(await self._answer_to(command, is_written=is_written))
        # If the final reply is here, too, the relay sent all of them after it had read the content.
        has_final = progress.has_ended and self._wire.waiting_replies
        self._is_slow = self._wire.loop.time() - began > self._limits.slow_envelope_seconds and not has_final
        return judge_envelope(self._message.recipients, progress.mail, progress.rcpt)

    async def _stream(self, chunks: Iterator[bytes]) -> Verdict | None:
        until = self._limits.content_until
        for chunk in chunks:
            self._wire.write(chunk)
            await self._wire.drain(until)
            if self._wire.has_reply:
                break
        else:
            await self._wire.flush(until)
        if self._wire.has_reply:
            return refusal(Phase.CONTENT, await self._wire.reply(until))
        return None

    async def _final(self) -> Verdict:
        reply = await self._reply()
        await self._wire.catch_up()
        verdict = judge_final(reply)
        if self._wire.waiting_replies:
            # A second reply to one message: it is unclear which reply counts. After 421 the relay says goodbye.
            self._is_out_of_step = (await self._reply()).code != SERVICE_CLOSING
        elif isinstance(verdict, Accepted) and self._is_one_flight and not self._is_worded_as_known(reply):
            # The reply may belong to an earlier command, and the true final reply may still come.
            self._is_out_of_step = not await self._is_confirmed(self._limits.reply_seconds)
        else:
            self.is_clean = isinstance(verdict, Accepted) and self._wire.is_usable
            if self.progress.mail is not None and not self._is_slow:
                self.wording = wording_of(self.progress.mail, self.progress.rcpt, reply)
        if self._is_out_of_step:
            return Unknown(Failure(Phase.FINAL, Cause.PROTOCOL_VIOLATION, reply))
        return verdict

    def _is_worded_as_known(self, final: Reply) -> bool:
        mail, rcpt = self.progress.mail, self.progress.rcpt
        return self._known is not None and mail is not None and self._known.fits(mail, rcpt, final)

    async def _is_confirmed(self, seconds: float) -> bool:
        """Send QUIT; return whether its reply comes next, so that there was one reply to each command before."""
        until = min(self._wire.loop.time() + seconds, self._limits.deadline)
        try:
            self._wire.write(_QUIT)
            return (await self._wire.reply(until)).code == _BYE
        except Broken:
            return False

    def _merge(self, envelope: Envelope, verdict: Verdict) -> dict[Address, Verdict]:
        verdicts = dict.fromkeys(self._message.recipients, verdict)
        for recipient, refused in envelope.verdicts.items():
            verdicts[recipient] = settle(refused, has_ended=self.progress.has_ended)
        return verdicts

    async def _reply(self) -> Reply:
        if self.progress.has_ended:
            return await self._wire.reply(self._limits.deadline)
        seconds = self._limits.reply_seconds
        if self._limits.sign_of_life_seconds is not None and self.progress.mail is None:
            seconds = min(seconds, self._limits.sign_of_life_seconds)
        until = min(self._wire.loop.time() + seconds, self._limits.content_until)
        try:
            return await self._wire.reply(until)
        except Broken as broken:
            # Later the content could not be sent any more, so a longer wait is of no use.
            if broken.cause is Cause.TIMEOUT and until == self._limits.content_until:
                raise Broken(Cause.TOO_LITTLE_TIME) from None
            raise

    async def _answer_to(self, command: bytes, *, is_written: bool) -> Reply:
        if not is_written:
            self._check_no_waiting_reply()
            self._wire.write(command)
        return await self._reply()

    def _check_no_waiting_reply(self) -> None:
        if self._wire.waiting_replies:
            raise Broken(Cause.PROTOCOL_VIOLATION)

    def _check_time(self) -> None:
        if self._wire.loop.time() >= self._limits.content_until:
            raise Broken(Cause.TOO_LITTLE_TIME)

    def _mail(self) -> bytes:
        size = f" SIZE={self._message.size}" if self._extensions.has_size else ""
        return f"MAIL FROM:<{self._message.envelope_sender}>{size}\r\n".encode("ascii")

    def _rcpt(self) -> list[bytes]:
        return [f"RCPT TO:<{recipient}>\r\n".encode("ascii") for recipient in self._message.recipients]

    def _bdat(self) -> bytes:
        return b"BDAT %d LAST\r\n" % self._message.size
