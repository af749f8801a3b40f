"""Find, list, retry and cancel a project's messages.

If a record changes between reading and writing, it is read again and the change is tried again, four times in all.
"""

from collections.abc import Callable

import msgspec

from mailer.errors import NotFound, NotPossibleNow
from mailer.ledger.event import released_event
from mailer.ledger.lifecycle import RETRIABLE, Reason, conclude, retry
from mailer.ledger.recipients import recipients_left
from mailer.ledger.record import Record, State
from mailer.ports import Delivery, Ledger, LedgerPorts, Page, WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.write_record import write_record

_TRIES = 4
_CANCELLABLE = frozenset({State.QUEUED, State.DEFERRED, State.HELD, State.UNKNOWN})


class Retried(msgspec.Struct, frozen=True):
    """A message that is queued again; `may_duplicate` is true if a copy may have been accepted already."""

    record: Record
    may_duplicate: bool


def find_email(project_id: ProjectId, id: str, *, ledger: Ledger) -> Record:
    """Return the project's message; raises `NotFound`, even if another project has a message with this id."""
    record = ledger.find(project_id, id)
    if record is None:
        raise NotFound
    return record


def page_emails(project_id: ProjectId, *, state: State | None, cursor: str | None, limit: int, ledger: Ledger) -> Page:
    """Return a page of the project's messages, newest first; raises `ValueError` for a malformed cursor.

    Claimed messages count as `SENDING`: the pages of `SENDING` list them after the messages with the SENDING mark.
    """
    if state is not State.SENDING:
        return ledger.page(project_id, state=state, cursor=cursor, limit=limit)
    position, separator, rest = (cursor or "0.").partition(".")
    if position not in {"0", "1"} or not separator:
        raise ValueError("not a cursor")
    begun: tuple[Record, ...] = ()
    if position == "0":
        page = ledger.page(project_id, state=State.SENDING, cursor=rest or None, limit=limit)
        if page.cursor is not None or len(page.records) == limit:
            return Page(page.records, "1." if page.cursor is None else f"0.{page.cursor}")
        begun, rest = page.records, ""
    page = ledger.page(project_id, state=State.CLAIMED, cursor=rest or None, limit=limit - len(begun))
    return Page((*begun, *page.records), None if page.cursor is None else f"1.{page.cursor}")


def retry_email(project_id: ProjectId, id: str, *, ports: LedgerPorts) -> Retried:
    """Queue a waiting or ended message again, for the recipients that were not accepted.

    Raises `NotFound`, and `NotPossibleNow` if no recipient is left or the content is not available.
    """
    before, after = _change(project_id, id, _retried, ports)
    ports.queue.send([Delivery(project_id, id)])
    if before.state is State.HELD:
        ports.events.publish([released_event(after)])
    may_duplicate = any(each.possible_copy is not None and each.latest is None for each in after.recipients)
    return Retried(after, may_duplicate)


def cancel_email(project_id: ProjectId, id: str, *, ports: LedgerPorts) -> Record:
    """Cancel a message before its (next) attempt. If a copy was or may have been accepted, the state says so.

    Raises `NotFound`, and `NotPossibleNow` if the message is being sent or has ended.
    """
    _, after = _change(project_id, id, _cancelled, ports)
    ports.publish_state(after)
    return after


def _change(
    project_id: ProjectId, id: str, decide: Callable[[Record, float], Record], ports: LedgerPorts
) -> tuple[Record, Record]:
    for _ in range(_TRIES):
        record = find_email(project_id, id, ledger=ports.ledger)
        try:
            return record, write_record(decide(record, ports.timestamp()), ports)
        except WriteConflict:
            continue
    raise NotPossibleNow("The message is changing at this moment. Read its status, and ask again.")


def _retried(record: Record, now: float) -> Record:
    if record.state not in RETRIABLE:
        raise NotPossibleNow(f"{_IN_STATE[record.state]} There is nothing to retry.")
    if not record.has_content:
        raise NotPossibleNow(f"{_IN_STATE[record.state]} Its content was not stored: send a new message.")
    if record.valid_until is not None and record.valid_until <= now:
        raise NotPossibleNow(f"{_IN_STATE[record.state]} Its content is not valid any more: request a new one.")
    if not recipients_left(record):
        raise NotPossibleNow(f"{_IN_STATE[record.state]} Every recipient has accepted or rejected it already.")
    return retry(record, now=now)


def _cancelled(record: Record, now: float) -> Record:
    if record.state not in _CANCELLABLE or record.is_final:
        raise NotPossibleNow(f"{_IN_STATE[record.state]} It is too late to cancel it.")
    return conclude(record, State.CANCELLED, Reason.CANCELLED, now=now)


_IN_STATE = {
    State.QUEUED: "The message is `queued`: it will be sent soon.",
    State.CLAIMED: "The message is `sending`: an attempt is under way.",
    State.SENDING: "The message is `sending`: an attempt is under way.",
    State.DEFERRED: "The message is `deferred`: it waits for its next attempt.",
    State.HELD: "The message is `held`: it waits for the project's configuration.",
    State.SENT: "The message is `sent`: every recipient's copy was accepted.",
    State.PARTIALLY_SENT: "The message is `partially_sent`: some recipients' copies were accepted.",
    State.REJECTED: "The message is `rejected`: every copy was rejected.",
    State.UNKNOWN: "The message is `unknown`: it may or may not have been accepted.",
    State.EXPIRED: "The message is `expired`: it could not be sent in time.",
    State.CANCELLED: "The message is `cancelled`: it was cancelled by request.",
    State.FAILED: "The message is `failed`: it could not be sent.",
    State.SUPPRESSED: "The message is `suppressed`: this stage sends no messages.",
}
