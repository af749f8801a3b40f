"""Recognize a relay that takes no further connection at the moment.

Such a relay is busy, not broken: the message was provably not accepted, and leaves when another connection has ended.
"""

import re
from copy import replace

from mailer.smtp.outcome import Cause, Failure, Phase

_SERVICE_CLOSING = 421
# Gmail, Microsoft 365 and Sendmail say it as late as MAIL, and Microsoft's 432 comes after the message.
_PHASES = frozenset({Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL, Phase.FINAL})
_TOO_MANY = (
    r"too many (\w+ ){0,3}(connections|sessions)|(connections?|sessions?) (count |rate |limit ){0,2}(limit )?exceeded"
    r"|(maximum|limit)( number)?( of)?( \w+){0,2} (connections|sessions)|concurrent (\w+ ){0,2}(connections?|limit)"
    r"|connection (count|rate) limit|thread limit exceeded"
)


def name_busy(failure: Failure) -> Failure:
    """Return the failure with the cause `TOO_MANY_CONNECTIONS` if the relay is busy, else unchanged.

    At the greeting a 421 is enough, and so is a connection that the relay closes without a word, as Courier does.
    """
    if failure.cause is Cause.CONNECTION_LOST and failure.phase is Phase.GREETING:
        return replace(failure, cause=Cause.TOO_MANY_CONNECTIONS)
    reply = failure.reply
    if reply is None or not reply.is_transient or failure.phase not in _PHASES:
        return failure
    is_at_once = failure.phase is Phase.GREETING and reply.code == _SERVICE_CLOSING
    # Compiled only after a refusal, to save time at the start.
    if is_at_once or re.search(_TOO_MANY, reply.text, re.IGNORECASE) is not None:
        return replace(failure, cause=Cause.TOO_MANY_CONNECTIONS)
    return failure
