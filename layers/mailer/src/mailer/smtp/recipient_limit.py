"""A relay's limit of recipients in a transaction, or of messages in a session (RFC 5321 section 4.5.3.1.10).

The relay has refused nothing for good: the recipients over the limit can be offered again at once, in another
transaction.
"""

from collections.abc import Mapping, Sequence

from mailer.message.address import Address
from mailer.smtp.outcome import Accepted, Attempt, Cause, Deferred, Phase, Rejected, RelayError, Verdict
from mailer.smtp.reply import Reply

_TOO_MANY = 452
_TOO_MANY_IN_RFC_821 = 552
_CLOSING = 421
_SUBJECT_AND_DETAIL = ".5.3"


def is_recipient_limit(reply: Reply) -> bool:
    """Whether the reply names the limit: 4yz 4.5.3, or 552 5.5.3, which RFC 821 had for the same limit."""
    names_limit = reply.enhanced_code is not None and reply.enhanced_code[1:] == _SUBJECT_AND_DETAIL
    may_be_limit = reply.is_transient and reply.code != _CLOSING
    return names_limit and (may_be_limit or reply.code == _TOO_MANY_IN_RFC_821)


def is_over_limit(verdict: Verdict) -> bool:
    """Whether the recipient was over the limit. A 452 without an enhanced code can mean it, too."""
    if not isinstance(verdict, Deferred) or verdict.failure.phase not in (Phase.MAIL, Phase.RCPT):
        return False
    reply = verdict.failure.reply
    return reply is not None and (
        is_recipient_limit(reply) or (reply.code == _TOO_MANY and reply.enhanced_code is None)
    )


def is_session_full(attempt: Attempt) -> bool:
    """Whether every recipient was over the limit, so that only another session can take the message."""
    return bool(attempt.verdicts) and all(map(is_over_limit, attempt.verdicts.values()))


def next_recipients(
    offered: Sequence[Address], waiting: Sequence[Address], verdicts: Mapping[Address, Verdict]
) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    """Return the recipients of the next transaction, and those that wait for a later one.

    `offered` were in the last transaction, `waiting` were over the limit before. The next transaction has as many
    recipients as the last one took. If the last one took none, or failed, there is no next one.
    """
    over = tuple(recipient for recipient in offered if is_over_limit(verdicts[recipient]))
    taken = [verdicts[recipient] for recipient in offered if recipient not in over]
    left = (*over, *waiting)
    if not taken or not all(map(_is_settled, taken)):
        return (), ()
    return left[: len(taken)], left[len(taken) :]


def _is_settled(verdict: Verdict) -> bool:
    match verdict:
        case Accepted():
            return True
        case Rejected(failure) | Deferred(failure) | RelayError(failure=failure):
            return failure.phase is Phase.RCPT and failure.cause is Cause.REPLY and failure.code != _CLOSING
        case _:
            return False
