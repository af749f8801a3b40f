"""Erase what is kept about a recipient's address in a project's messages."""

from collections.abc import Callable
from copy import replace

import msgspec

from mailer.ledger.forget import concerns, forget
from mailer.ledger.lifecycle import Reason, conclude
from mailer.ledger.record import Record, State
from mailer.message.address import Address
from mailer.ports import AcceptPorts, WriteConflict
from mailer.project import ProjectId

_PAGE = 100
_CANCELLABLE = frozenset({State.QUEUED, State.DEFERRED, State.HELD, State.UNKNOWN})


class Forgotten(msgspec.Struct, frozen=True):
    """How many messages were erased, how many of them were cancelled for it, and how many could not be erased yet.

    With a `cursor` the time was over before all messages were read: the next call continues there.
    """

    erased: int = 0
    cancelled: int = 0
    waiting: int = 0
    cursor: str | None = None


def forget_address(
    project_id: ProjectId | None,
    address: Address,
    *,
    cursor: str | None,
    ports: AcceptPorts,
    has_time: Callable[[], bool],
) -> Forgotten:
    """Erase the address from the messages of a project, or of the platform itself, the newest first.

    A message that waits for this recipient alone is cancelled. Other messages that have not ended cannot be erased yet.
    Raises `LedgerUnavailable`, and `ValueError` for a malformed cursor.
    """
    forgotten = Forgotten(cursor=cursor)
    while True:
        page = ports.ledger.page(project_id, state=None, cursor=forgotten.cursor, limit=_PAGE)
        for record in page.records:
            if concerns(record, address):
                forgotten = _add(forgotten, record, address, ports)
        forgotten = replace(forgotten, cursor=page.cursor)
        if page.cursor is None or not has_time():
            return forgotten


def _add(forgotten: Forgotten, record: Record, address: Address, ports: AcceptPorts) -> Forgotten:
    ended = _ended(record, ports)
    if ended is None:
        return replace(forgotten, waiting=forgotten.waiting + 1)
    try:
        written = ports.ledger.replace(forget(ended, address))
    except WriteConflict:
        # A worker or another caller changes the message at this moment.
        return replace(forgotten, waiting=forgotten.waiting + 1)
    if record.has_content:
        ports.drafts.delete(record.project_id, record.id)
    if ended is record:
        return replace(forgotten, erased=forgotten.erased + 1)
    ports.publish_state(written)
    return replace(forgotten, erased=forgotten.erased + 1, cancelled=forgotten.cancelled + 1)


def _ended(record: Record, ports: AcceptPorts) -> Record | None:
    """Return the record as ended; None if the message is being sent, or waits for other recipients too."""
    if record.is_final:
        return record
    if record.state not in _CANCELLABLE or len(record.recipients) > 1:
        return None
    return conclude(record, State.CANCELLED, Reason.CANCELLED, now=ports.timestamp())
