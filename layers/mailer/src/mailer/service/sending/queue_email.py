"""Accept a message for later: store its content, record it, call a worker, in this order.

After a crash between two steps, content without a record expires, and the sweep finds a record without a worker.
"""

from copy import replace

from mailer.errors import AcceptanceUnknown, LedgerUnavailable
from mailer.ledger.idempotency import KeyState, KeyUse
from mailer.ledger.lifecycle import requeue
from mailer.ledger.record import OnUnknown, Record
from mailer.message.draft import Draft, StoredDraft
from mailer.ports import AcceptPorts, Delivery
from mailer.project import ProjectId
from mailer.service.sending.drop_content import drop_content
from mailer.service.sending.new_record import new_record


def queue_email(
    draft: Draft,
    project_id: ProjectId | None,
    *,
    ports: AcceptPorts,
    id: str,
    key: KeyUse | None = None,
    on_unknown: OnUnknown = OnUnknown.HOLD,
    origin: str | None = None,
    request_id: str | None = None,
    valid_until: float | None = None,
    own_transport: bool = False,
) -> Record | KeyState:
    """Accept the message under the id; if its key is known, accept nothing and return the key's state.

    The project's configuration is not read: `own_transport` tells whether the project's own transport was chosen. If it
    raises `LedgerUnavailable` or `ContentUnavailable`, the message was not accepted, or the same key leads to it.
    Raises `AcceptanceUnknown` if the message has no key and may be stored, and `WriteConflict` if the id exists.
    """
    stored = StoredDraft(draft, ports.now())
    now = stored.date.timestamp()
    fresh = new_record(
        stored,
        project_id,
        identity=id,
        now=now,
        on_unknown=on_unknown,
        valid_until=valid_until,
        own_transport=own_transport,
    )
    record = replace(requeue(fresh, now=now), origin=origin, request_id=request_id, has_content=True)
    ports.drafts.put(project_id, id, stored)
    known = _insert(record, key, ports)
    if known is not None:
        if known.id != id:
            drop_content(project_id, id, ports)
        return known
    ports.queue.send([Delivery(project_id, id)])
    return record


def _insert(record: Record, key: KeyUse | None, ports: AcceptPorts) -> KeyState | None:
    """Insert the record. If the ledger does not answer, read whether the record is stored."""
    try:
        return ports.ledger.insert(record, key=key)
    except LedgerUnavailable:
        try:
            is_stored = ports.ledger.find(record.project_id, record.id) is not None
        except LedgerUnavailable:
            if key is None:
                raise AcceptanceUnknown(record.id) from None
            raise
        if is_stored:
            return None
        if key is None:
            # Without content a late write of the record sends nothing, so the caller may send the message again.
            drop_content(record.project_id, record.id, ports)
        raise
