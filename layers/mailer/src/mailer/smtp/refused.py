"""Tell what a relay's reply to MAIL or RCPT refuses: the login, the sender, the recipient or the message.

Postfix and Exim refuse a sender or a missing login only at RCPT, and most relays use 550 and 554 for all of these. So
the enhanced status code and the text decide. The result names the entry to correct, and decides whether a system e-mail
is held; it never decides whether a message was accepted.
"""

import re
from enum import Enum, auto

from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import Reply

LOGIN_REQUIRED = 530
LOGIN_REJECTED = 535
# RFC 3463: message too big for system, message length exceeds administrative limit.
_TOO_LARGE_CODES = frozenset({"5.3.4", "5.2.3"})
# RFC 1870 has 552. Courier writes enhanced status codes as reply codes: 534 is 5.3.4, and 523 is 5.2.3.
_SIZE_REFUSED_AT_MAIL = frozenset({552, 534, 523})
# The command, its parameters or the order of commands: not the address in it.
_ABOUT_SYNTAX = frozenset({500, 502, 503, 504, 521, 555})
# RFC 3463 and RFC 7372: a bad mailbox or domain of the sender, a sender without mail servers (RFC 7505).
_SENDER_CODES = frozenset({"5.1.7", "4.1.7", "5.1.8", "4.1.8", "5.7.27", "4.7.27", "5.7.60"})
# 5.7.9 and 5.7.57 ask for a login; 5.7.54 and 5.7.64 are Microsoft's codes for relaying that is not allowed.
_LOGIN_CODES = frozenset({"5.7.9", "5.7.57", "5.7.54", "5.7.64"})

_RELAYING = (
    r"\brelay(ing)?( access| mail)?( is| was)? (denied|not (permitted|allowed)|prohibited|refused|forbidden)"
    r"|\b(unable|not (permitted|allowed|authori[sz]ed)|cannot|do(es)? not|will not) (to )?relay\b"
    r"|client host .{0,200}?(rejected|blocked)"
)
_LOGIN = (
    r"authentication (is )?(required|needed)|requires? authentication|(must|need to|please) (be )?authenticate"
    r"|(not|un|isn't )authenticated|log-?in (is )?required|(must|please) log ?in\b|must issue an? AUTH"
)
_SENDER = (
    r"sender (address )?(is )?(rejected|refused|denied|not (accepted|owned|verified))|sender verif(y|ication) failed"
    r"|verification failed for|domain of sender|sender domain"
    r"|(not (allowed|permitted|authori[sz]ed) to|cannot) (send (as|from)|use this sender)|SendAsDenied"
)


class Refused(Enum):
    """What a reply refuses; `LOGIN` includes the address that the client connects from."""

    LOGIN = auto()
    SENDER = auto()
    RECIPIENT = auto()
    MESSAGE = auto()


def what_is_refused(failure: Failure) -> Refused:
    """Return what the reply refuses. Without a reply, the answer follows from the phase alone."""
    reply = failure.reply
    if failure.phase is Phase.AUTH:
        return Refused.LOGIN
    if failure.phase not in (Phase.MAIL, Phase.RCPT):
        return Refused.MESSAGE
    if reply is None or is_size_refused(failure):
        return Refused.RECIPIENT if failure.phase is Phase.RCPT else Refused.MESSAGE
    if asks_for_login(failure.phase, reply.code) or _is_about_login(reply):
        return Refused.LOGIN
    if reply.enhanced_code in _SENDER_CODES or _says(_SENDER, reply):
        return Refused.SENDER
    if failure.phase is Phase.RCPT:
        return Refused.RECIPIENT
    return Refused.SENDER if reply.is_permanent and reply.code not in _ABOUT_SYNTAX else Refused.MESSAGE


def asks_for_login(phase: Phase, code: int | None) -> bool:
    """Whether a reply outside AUTH is about the login by its code.

    Outside AUTH 530 requires a login (RFC 4954 section 6). 534, 535 and 538 do not: Courier writes 534 for 5.3.4,
    "message too big". The one exception is Courier's 535 to MAIL, "authentication required".
    """
    return code == LOGIN_REQUIRED or (phase is Phase.MAIL and code == LOGIN_REJECTED)


def is_size_refused(failure: Failure) -> bool:
    """Whether the message is too large for the transport."""
    enhanced_code = failure.reply.enhanced_code if failure.reply is not None else None
    is_announced_size = failure.phase is Phase.MAIL and failure.code in _SIZE_REFUSED_AT_MAIL
    return failure.cause is Cause.TOO_LARGE or enhanced_code in _TOO_LARGE_CODES or is_announced_size


def is_relaying_refused(reply: Reply) -> bool:
    """Whether the relay does not forward mail for this client: it wants a login, or another address of the client."""
    return reply.enhanced_code in {"5.7.54", "5.7.64"} or _says(_RELAYING, reply)


def _is_about_login(reply: Reply) -> bool:
    return reply.enhanced_code in _LOGIN_CODES or _says(_LOGIN, reply) or is_relaying_refused(reply)


def _says(pattern: str, reply: Reply) -> bool:
    # Compiled only after a refusal, to save time at the start.
    return re.search(pattern, reply.text, re.IGNORECASE) is not None
