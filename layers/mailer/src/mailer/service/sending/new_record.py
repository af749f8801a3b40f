"""Make the record of a new message."""

from mailer.ledger.record import MAX_AGE_SECONDS, OnUnknown, RecipientRecord, Record, State
from mailer.message.compose import envelope_recipients
from mailer.message.draft import StoredDraft
from mailer.project import ProjectId


def new_record(
    stored: StoredDraft,
    project_id: ProjectId | None,
    *,
    identity: str,
    now: float,
    on_unknown: OnUnknown = OnUnknown.HOLD,
    valid_until: float | None = None,
    own_transport: bool = False,
) -> Record:
    """Return the record of a new message."""
    expires_at = now + MAX_AGE_SECONDS
    return Record(
        id=identity,
        project_id=project_id,
        state=State.QUEUED,
        created_at=now,
        updated_at=now,
        expires_at=expires_at if valid_until is None else min(expires_at, valid_until),
        recipients=tuple(map(RecipientRecord, envelope_recipients(stored.draft))),
        tags=stored.draft.tags,
        on_unknown=on_unknown,
        valid_until=valid_until,
        own_transport=own_transport,
    )
