"""From a draft to the octets: every attempt at a message composes the same ones.

The boundaries follow from the message's id and the date was fixed when it was accepted, so only another decision (the
project's admin changed the From) can change a message between two attempts, and its Message-ID not even then.
"""

import hashlib
import itertools
from collections.abc import Callable
from copy import replace

from mailer.ledger.record import SenderRecord
from mailer.message.compose import compose
from mailer.message.draft import StoredDraft
from mailer.message.message import Message
from mailer.service.sending.decide import Decision


def prepare(stored: StoredDraft, decision: Decision, *, identity: str, message_id: str | None = None) -> Message:
    """Compose the message that the decision stands for; `message_id` is the one that an earlier attempt used."""
    composed = compose(
        stored.draft,
        sender=decision.sender.used,
        reply_to=decision.reply_to,
        envelope_sender=decision.envelope_sender,
        message_id=message_id or f"<{identity}@{decision.sender.used.address.domain}>",
        date=stored.date,
        boundary_token=_boundary_tokens(identity),
    )
    return replace(composed, tags=stored.draft.tags)


def sender_record(decision: Decision) -> SenderRecord:
    """Note which From was asked for, which is used, and why."""
    sender = decision.sender
    requested = str(sender.requested) if sender.requested is not None else None
    return SenderRecord(requested, str(sender.used), sender.reason.value)


def _boundary_tokens(identity: str) -> Callable[[], str]:
    numbers = itertools.count()
    return lambda: hashlib.sha256(f"{identity}/{next(numbers)}".encode()).hexdigest()[:32]
