"""Write the outcome of an attempt, and repeat the write while the ledger does not answer.

After a transport's acceptance a missing write would leave the message unknown, so the worker tries as long as it runs.
"""

from copy import replace

from mailer.errors import LedgerUnavailable
from mailer.ledger.idempotency import KeyClosing
from mailer.ledger.record import Record
from mailer.ports import SendPorts, WriteConflict
from mailer.service.sending.write_record import is_written

_SHORTEST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


def write_outcome(
    record: Record,
    *,
    ports: SendPorts,
    record_by: float,
    closing: KeyClosing | None = None,
    unconfirmed: Record | None = None,
) -> Record:
    """Write the record and return its next revision. No try begins after `record_by` (monotonic seconds).

    `unconfirmed` is this worker's earlier write without an answer: if the ledger holds it, it is replaced. Raises
    `LedgerUnavailable`, and `WriteConflict` if another worker has written the record.
    """
    tries = 0
    while True:
        try:
            return ports.ledger.replace(record, closing=closing)
        except WriteConflict:
            found = _find(record, ports)
        except LedgerUnavailable:
            found = None
        if found is not None:
            if is_written(record, found):
                # An earlier try has written it, and only the answer was lost.
                return found
            if found != unconfirmed:
                raise WriteConflict
            record = replace(record, revision=found.revision)
            continue
        pause = min(_SHORTEST_PAUSE_SECONDS * 2.0**tries, _LONGEST_PAUSE_SECONDS) * (0.5 + ports.chance())
        if ports.clock() + pause >= record_by:
            raise LedgerUnavailable
        ports.wait(pause)
        tries += 1


def _find(record: Record, ports: SendPorts) -> Record | None:
    """Return the record in the ledger; None if the ledger does not answer. Records are never deleted early."""
    try:
        return ports.ledger.find(record.project_id, record.id)
    except LedgerUnavailable:
        return None
