"""Write a record once, and recognise the write if the ledger's answer is lost."""

from copy import replace

from mailer.errors import LedgerUnavailable
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse
from mailer.ledger.record import Record
from mailer.ports import LedgerPorts


def write_record(record: Record, ports: LedgerPorts, *, closing: KeyClosing | None = None) -> Record:
    """Write the record and return its next revision, even if only the answer of the write is lost.

    Raises `LedgerUnavailable`, and `WriteConflict` if another worker has written the record.
    """
    try:
        return ports.ledger.replace(record, closing=closing)
    except LedgerUnavailable:
        found = ports.ledger.find(record.project_id, record.id)
        if found is None or not is_written(record, found):
            raise
        return found


def insert_record(record: Record, ports: LedgerPorts, *, key: KeyUse) -> KeyState | None:
    """Insert the record; if its key names another message, return the key's state. Raises `LedgerUnavailable`."""
    try:
        known = ports.ledger.insert(record, key=key)
    except LedgerUnavailable:
        if ports.ledger.find(record.project_id, record.id) is None:
            raise
        return None
    return None if known is None or known.id == record.id else known


def is_written(record: Record, found: Record) -> bool:
    """Whether the ledger holds exactly this write of the record."""
    return found == replace(record, revision=record.revision + 1)
