"""The end of a message on a stage where none leaves: everything is done as elsewhere, but nothing is handed over."""

from copy import replace

from mailer.ledger.lifecycle import Reason, conclude
from mailer.ledger.record import Record, State
from mailer.message.draft import StoredDraft
from mailer.service.sending.decide import Decision
from mailer.service.sending.prepare import prepare, sender_record


def suppress(record: Record, stored: StoredDraft, decision: Decision, *, now: float) -> Record:
    """Return the record as it ends, naming the transport and the From that it would have had."""
    message = prepare(stored, decision, identity=record.id, message_id=record.message_id)
    named = replace(
        record,
        transport=decision.transport.value,
        message_id=message.message_id,
        sender=sender_record(decision),
    )
    return conclude(named, State.SUPPRESSED, Reason.SUPPRESSED, now=now)
