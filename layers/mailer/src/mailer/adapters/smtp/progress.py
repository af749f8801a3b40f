"""How far a transaction came, and what follows from it if the connection breaks."""

import msgspec
from msgspec import field

from mailer.message.address import Address
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Unknown, Verdict
from mailer.smtp.reply import Reply
from mailer.smtp.verdict import SERVICE_CLOSING, judge_envelope


class Progress(msgspec.Struct):
    """The phase, and the replies so far; `has_ended`: the last octet of the message was written."""

    phase: Phase = Phase.MAIL
    mail: Reply | None = None
    rcpt: list[Reply] = field(default_factory=list)
    has_ended: bool = False

    @property
    def is_closing(self) -> bool:
        """Whether the last reply was 421: the relay processes nothing after it."""
        replies = [self.mail, *self.rcpt]
        return replies[-1] is not None and replies[-1].code == SERVICE_CLOSING

    def end(self) -> None:
        """Note that the last octet was written: from now on only a complete reply decides."""
        self.has_ended, self.phase = True, Phase.FINAL

    def verdicts(self, recipients: tuple[Address, ...], cause: Cause) -> dict[Address, Verdict]:
        """Return the verdicts of a broken attempt. Refusals that were read count; the phase decides for the others.

        After a violation of the protocol no refusal counts: it may belong to another recipient.
        """
        failure = Failure(self.phase, cause)
        open_verdict: Verdict = Unknown(failure) if self.has_ended else Deferred(failure)
        verdicts = dict.fromkeys(recipients, open_verdict)
        if self.mail is not None and cause is not Cause.PROTOCOL_VIOLATION:
            answered = recipients[: len(self.rcpt)] if self.mail.code == 250 else recipients
            for recipient, verdict in judge_envelope(answered, self.mail, self.rcpt).verdicts.items():
                verdicts[recipient] = settle(verdict, has_ended=self.has_ended)
        return verdicts


def settle(verdict: Verdict, *, has_ended: bool) -> Verdict:
    """Return unknown if the whole message has left and the reply violates the protocol, else the verdict itself."""
    if has_ended and isinstance(verdict, Deferred) and verdict.failure.cause is Cause.PROTOCOL_VIOLATION:
        return Unknown(verdict.failure)
    return verdict
