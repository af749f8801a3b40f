"""Whether replies to several commands can be matched to their commands.

Replies come in the order of the commands (RFC 2920), but they do not name them. If a relay sends one reply too many,
every later reply is read as the reply to the next command. With DATA a 354 shows the mistake. With BDAT only the texts
can show it.
"""

from collections.abc import Sequence

from mailer.smtp.reply import Reply


def can_tell_apart(mail: Reply, rcpt: Sequence[Reply]) -> bool:
    """Whether no positive reply to RCPT repeats the reply to MAIL. A repeated reply may be one too many."""
    return not any(reply.is_positive and _looks_like(reply, mail) for reply in rcpt)


def is_in_doubt(final: Reply, mail: Reply, rcpt: Sequence[Reply]) -> bool:
    """Whether the reply to the end of the message may belong to MAIL or RCPT.

    It repeats one of their replies, or its enhanced code is about an address (RFC 3463, X.1.X).
    """
    is_about_address = final.enhanced_code is not None and final.enhanced_code.split(".")[1] == "1"
    return is_about_address or any(_looks_like(final, reply) for reply in (mail, *rcpt))


def _looks_like(reply: Reply, other: Reply) -> bool:
    return (reply.code, reply.text) == (other.code, other.text)
