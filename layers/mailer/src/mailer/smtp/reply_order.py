"""Whether replies to several commands can be matched to their commands.

Replies come in the order of the commands (RFC 2920), but they do not name them. If a relay sends one reply too many,
every later reply is read as the reply to the next command. After DATA a 354 shows the mistake. In one flight with BDAT
only the texts of the replies can show it: each must be worded as in an earlier message that followed a 354.
"""

import re
from collections.abc import Sequence

import msgspec

from mailer.smtp.reply import Reply

# What differs in each message: addresses, and words with a digit (ids, sizes, times).
_VARYING = re.compile(r"<[^>]*>|\S*[0-9@]\S*")
# Exim's reply to BDAT begins so; the rest is its reply to the end of DATA.
_CHUNK = re.compile(r"[0-9]+ byte chunk, total [0-9]+ ")


class Wording(msgspec.Struct, frozen=True):
    """How a relay words its replies to MAIL, to accepted recipients and to the end of a message.

    Each text is a reply without what differs in each message.
    """

    mail: str
    rcpt: frozenset[str]
    final: str

    def fits(self, mail: Reply, rcpt: Sequence[Reply], final: Reply) -> bool:
        """Whether each reply is worded as the known reply to its command."""
        is_envelope_known = _worded(mail) == self.mail and all(_worded(reply) in self.rcpt for reply in rcpt)
        return is_envelope_known and _worded(final) == self.final


def wording_of(mail: Reply, rcpt: Sequence[Reply], final: Reply) -> Wording | None:
    """Return the wording of an accepted message's replies; None if it does not show which reply belongs to what.

    It does not if a positive reply to RCPT repeats that to MAIL, or if the final reply repeats one of both, or is about
    an address (RFC 3463, X.1.X).
    """
    wording = Wording(_worded(mail), frozenset(_worded(reply) for reply in rcpt if reply.is_positive), _worded(final))
    is_about_address = final.enhanced_code is not None and final.enhanced_code.split(".")[1] == "1"
    is_repeated = wording.mail in wording.rcpt or wording.final in (wording.mail, *wording.rcpt)
    return None if is_about_address or is_repeated else wording


def _worded(reply: Reply) -> str:
    text = reply.text.removeprefix(reply.enhanced_code or "")
    return f"{reply.code} {reply.enhanced_code} {_VARYING.sub('#', _CHUNK.sub('', text, count=1))}"
