"""End a message on a stage that suppresses all mail, after everything but the attempt was done."""

from copy import replace

from mailer.ledger.lifecycle import Reason, conclude
from mailer.ledger.record import Record, State
from mailer.message.draft import StoredDraft
from mailer.service.sending.compose_message import compose_message, sender_record
from mailer.service.sending.decide import Decision


def suppress_message(record: Record, stored: StoredDraft, decision: Decision, *, now: float) -> Record:
    """Return the final record, with the transport and the From that the message would have had."""
    message = compose_message(stored, decision, identity=record.id, message_id=record.message_id)
    named = replace(
        record,
        transport=decision.first.transport.value,
        message_id=message.message_id,
        sender=sender_record(decision),
    )
    return conclude(named, State.SUPPRESSED, Reason.SUPPRESSED, now=now)
