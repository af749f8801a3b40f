"""Whether replies to several commands can be matched to their commands.

Replies come in the order of the commands (RFC 2920), but they do not name them. If a relay sends one reply too many,
every later reply is read as the reply to the next command. After DATA a 354 shows the mistake. In one flight with BDAT
only the texts of the replies can show it.
"""

from collections.abc import Sequence

from mailer.smtp.reply import Reply


def can_tell_apart(mail: Reply, rcpt: Sequence[Reply], final: Reply) -> bool:
    """Whether the texts show which reply belongs to MAIL, which to a RCPT, and which to the end of the message.

    They do not if a positive reply to RCPT repeats that to MAIL, or if the final reply repeats one of both, or is about
    an address (RFC 3463, X.1.X).
    """
    is_about_address = final.enhanced_code is not None and final.enhanced_code.split(".")[1] == "1"
    is_repeated = any(reply.is_positive and _looks_like(reply, mail) for reply in rcpt)
    return not is_about_address and not is_repeated and not any(_looks_like(final, reply) for reply in (mail, *rcpt))


def _looks_like(reply: Reply, other: Reply) -> bool:
    return (reply.code, reply.text) == (other.code, other.text)
