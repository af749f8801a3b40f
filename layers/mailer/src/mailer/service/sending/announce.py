"""Announce a written state: publish its event, and delete content that is of no more use."""

from mailer.ledger.lifecycle import RETRIABLE
from mailer.ledger.recipients import recipients_left
from mailer.ledger.record import Record
from mailer.ports import SendPorts
from mailer.service.sending.drop_content import drop_content


def announce(written: Record, ports: SendPorts) -> None:
    """Publish the event of the written record, and delete the content if the message cannot be retried."""
    ports.publish_state(written)
    if written.is_final and written.has_content and not _can_be_retried(written):
        drop_content(written.project_id, written.id, ports)


def _can_be_retried(ended: Record) -> bool:
    """Whether a retry may still send the content, which is of no use after `valid_until`."""
    is_valid = ended.valid_until is None or ended.updated_at < ended.valid_until
    return is_valid and ended.state in RETRIABLE and bool(recipients_left(ended))
