"""Compose a draft into octets: every attempt composes the same octets.

The boundaries derive from the message's id, and the date is fixed when the message is accepted. Between two attempts a
message changes only if the decision changes (an admin changed the From or Reply-To); the Message-ID never changes. A
repetition of an unknown outcome never changes: see `give_up_repetitions`.
"""

import hashlib
import itertools
from copy import replace

from mailer.ledger.lifecycle import Reason, conclude
from mailer.ledger.record import Record, SenderRecord, State
from mailer.message.compose import compose
from mailer.message.draft import StoredDraft
from mailer.message.message import Message
from mailer.service.sending.decide import Decision


def compose_message(
    stored: StoredDraft, decision: Decision, *, identity: str, message_id: str | None = None
) -> Message:
    """Compose the message by the decision; `message_id` is the Message-ID of an earlier attempt."""
    numbers = itertools.count()
    composed = compose(
        stored.draft,
        sender=decision.sender.used,
        reply_to=decision.reply_to,
        envelope_sender=decision.envelope_sender,
        message_id=message_id or f"<{identity}@{decision.sender.used.address.domain}>",
        date=stored.date,
        boundary_token=lambda: hashlib.sha256(f"{identity}/{next(numbers)}".encode()).hexdigest()[:32],
    )
    return replace(composed, tags=stored.draft.tags)


def sender_record(decision: Decision, identity: str) -> SenderRecord:
    """Return the requested From, the used From, and the reason, as the message with the id `identity` records them."""
    sender = decision.sender
    requested = str(sender.requested) if sender.requested is not None else None
    fields = "\n".join((identity, *map(str, (sender.used, *decision.reply_to))))
    return SenderRecord(requested, str(sender.used), sender.reason.value, hashlib.sha256(fields.encode()).hexdigest())


def suppress_message(record: Record, stored: StoredDraft, decision: Decision, *, now: float) -> Record:
    """Return the final record, with the transport and the From that the message would have had."""
    message = compose_message(stored, decision, identity=record.id, message_id=record.message_id)
    named = replace(
        record,
        transport=decision.first.transport.value,
        message_id=message.message_id,
        sender=sender_record(decision, record.id),
    )
    return conclude(named, State.SUPPRESSED, Reason.SUPPRESSED, now=now)
