"""Judge a relay's replies: the verdict for each recipient.

The replies come in the order of the commands. The meaning of a missing reply depends on the phase (RFC 5321 section
4.3.2).
"""

from collections.abc import Sequence
from copy import replace
from typing import assert_never

import msgspec

from mailer.message.address import Address
from mailer.smtp.busy import name_busy
from mailer.smtp.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.recipient_limit import is_recipient_limit
from mailer.smtp.refused import Refused, asks_for_login, what_is_refused
from mailer.smtp.reply import Reply

SERVICE_CLOSING = 421
_TLS_FAULTS = frozenset(cause for cause in Cause if cause.startswith(("starttls-", "tls-", "certificate-")))
_AUTH_FAULTS = frozenset(
    {
        Cause.AUTH_MECHANISM_UNSUPPORTED,
        Cause.OAUTH_CLIENT_REJECTED,
        Cause.OAUTH_CLIENT_UNAUTHORIZED,
        Cause.OAUTH_GRANT_REJECTED,
        Cause.OAUTH_SCOPE_REJECTED,
        Cause.OAUTH_REQUEST_REJECTED,
    }
)


class Envelope(msgspec.Struct, frozen=True):
    """The result of the envelope: the accepted recipients, and the verdicts on all others."""

    accepted: tuple[Address, ...]
    verdicts: dict[Address, Verdict]


def refusal(phase: Phase, reply: Reply) -> Verdict:
    """Judge a reply that ends the transaction, or one recipient's part in it."""
    failure = name_busy(Failure(phase, Cause.REPLY, reply))
    if asks_for_login(phase, reply.code):
        return RelayError(RelayFault.AUTH_REJECTED, failure)
    if reply.is_transient or is_recipient_limit(reply):
        return Deferred(failure)
    if reply.is_permanent:
        return Rejected(failure)
    return Deferred(Failure(phase, Cause.PROTOCOL_VIOLATION, reply))


def judge_refused_configuration(attempt: Attempt) -> Attempt:
    """Judge a refused sender or login as a relay error, so that a system e-mail is held until an admin has acted.

    To an API caller the same reply is a rejection, because the caller can choose another From.
    """
    return replace(attempt, verdicts={each: _of_configuration(verdict) for each, verdict in attempt.verdicts.items()})


def _of_configuration(verdict: Verdict) -> Verdict:
    if not isinstance(verdict, Rejected):
        return verdict
    match what_is_refused(verdict.failure):
        case Refused.LOGIN:
            return RelayError(RelayFault.AUTH_REJECTED, verdict.failure)
        case Refused.SENDER:
            return RelayError(RelayFault.SENDER_REFUSED, verdict.failure)
        case Refused.RECIPIENT | Refused.MESSAGE:
            return verdict
        case unreachable:
            assert_never(unreachable)


def judge_session(failure: Failure) -> Deferred | RelayError:
    """Judge a failure before MAIL, when nothing can have been accepted."""
    if failure.cause is Cause.HOST_BLOCKED:
        return RelayError(RelayFault.HOST_BLOCKED, failure)
    if failure.cause in _TLS_FAULTS:
        return RelayError(RelayFault.TLS_FAILED, failure)
    if failure.cause in _AUTH_FAULTS:
        return RelayError(RelayFault.AUTH_REJECTED, failure)
    if failure.phase is Phase.AUTH and failure.reply is not None and failure.reply.is_permanent:
        return RelayError(RelayFault.AUTH_REJECTED, failure)
    if failure.phase in (Phase.GREETING, Phase.EHLO) and asks_for_login(failure.phase, failure.code):
        return RelayError(RelayFault.AUTH_REJECTED, failure)
    return Deferred(failure)


def judge_probe(failure: Failure) -> Verdict:
    """Judge the failure of a probe, which goes as far as RCPT and carries no message."""
    if failure.phase not in (Phase.MAIL, Phase.RCPT):
        return judge_session(failure)
    if failure.reply is None or not failure.reply.is_permanent:
        return Deferred(failure)
    if what_is_refused(failure) is Refused.LOGIN:
        return RelayError(RelayFault.AUTH_REJECTED, failure)
    return refusal(failure.phase, failure.reply)


def judge_probe_recipient(reply: Reply) -> Failure | None:
    """Return the failure of a probe by the reply to its RCPT; None if the relay takes the sender and the login.

    A refusal of the recipient itself is no failure: the project's own address may not exist, or may be greylisted.
    """
    failure = Failure(Phase.RCPT, Cause.REPLY, reply)
    if reply.is_positive:
        return None
    if not (reply.is_transient or reply.is_permanent):
        return Failure(Phase.RCPT, Cause.PROTOCOL_VIOLATION, reply)
    is_about_recipient = what_is_refused(failure) is Refused.RECIPIENT and reply.code != SERVICE_CLOSING
    return None if is_about_recipient else failure


def judge_envelope(recipients: Sequence[Address], mail: Reply, rcpt: Sequence[Reply]) -> Envelope:
    """Judge the replies to MAIL and each RCPT. If 421 ended the session, `rcpt` may have fewer replies."""
    if mail.code != 250:
        return Envelope((), dict.fromkeys(recipients, refusal(Phase.MAIL, mail)))
    accepted: list[Address] = []
    verdicts: dict[Address, Verdict] = {}
    closing: Reply | None = None
    for index, recipient in enumerate(recipients):
        reply = closing or rcpt[index]
        if reply.code == SERVICE_CLOSING:
            closing = reply
        if reply.is_positive:
            # The first digit decides (RFC 5321 section 4.2): an accepted recipient must not get a second copy.
            accepted.append(recipient)
        else:
            verdicts[recipient] = refusal(Phase.RCPT, reply)
    if closing is not None:
        # The relay is closing the session and processes nothing after this reply: no recipient is accepted.
        verdicts.update(dict.fromkeys(accepted, refusal(Phase.RCPT, closing)))
        accepted = []
    return Envelope(tuple(accepted), verdicts)


def judge_final(reply: Reply) -> Verdict:
    """Judge the reply to the end of the message. Only a complete 2yz, 4yz or 5yz reply gives a known outcome."""
    if reply.is_positive:
        return Accepted(reply)
    if reply.is_transient or reply.is_permanent:
        return refusal(Phase.FINAL, reply)
    return Unknown(Failure(Phase.FINAL, Cause.PROTOCOL_VIOLATION, reply))
