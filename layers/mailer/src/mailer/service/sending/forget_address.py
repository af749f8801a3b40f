"""Erase what is kept about a recipient's address in a project's messages."""

from collections.abc import Callable
from copy import replace

import msgspec

from mailer.errors import ContentUnavailable
from mailer.ledger.forget import concerns, forget
from mailer.ledger.lifecycle import Reason, conclude
from mailer.ledger.record import Record, State
from mailer.message.address import Address
from mailer.ports import AcceptPorts, WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.write_record import write_record

_PAGE = 100
_CANCELLABLE = frozenset({State.QUEUED, State.DEFERRED, State.HELD, State.UNKNOWN})

_NOT_ERASED = "The content of a message cannot be erased at the moment. Forget the address again."


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
    Raises `LedgerUnavailable`, `ContentUnavailable`, and `ValueError` for a malformed cursor. After an error a
    repetition finds what is left.
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
    """Cancel a waiting message, delete the content, and erase the address last: until then the message is found."""
    if not record.is_final and not _waits_for_one(record):
        return replace(forgotten, waiting=forgotten.waiting + 1)
    try:
        if not record.is_final:
            record = _cancel(record, ports)
            forgotten = replace(forgotten, cancelled=forgotten.cancelled + 1)
        # A lost worker may have stored a content that its record does not have.
        _delete_content(record, ports)
        write_record(forget(record, address), ports)
    except WriteConflict:
        # A worker or another caller changes the message at this moment.
        return replace(forgotten, waiting=forgotten.waiting + 1)
    return replace(forgotten, erased=forgotten.erased + 1)


def _waits_for_one(record: Record) -> bool:
    return record.state in _CANCELLABLE and len(record.recipients) == 1


def _cancel(record: Record, ports: AcceptPorts) -> Record:
    cancelled = write_record(conclude(record, State.CANCELLED, Reason.CANCELLED, now=ports.timestamp()), ports)
    ports.publish_state(cancelled)
    return cancelled


def _delete_content(record: Record, ports: AcceptPorts) -> None:
    try:
        ports.drafts.delete(record.project_id, record.id)
    except ContentUnavailable:
        raise ContentUnavailable(_NOT_ERASED) from None
