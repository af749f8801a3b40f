"""The clock's round: whatever is not final has a time at which somebody looks at it, and this is who looks.

It is also the safety net of the queue: a message whose worker was never called, or was lost, is found here.
"""

import logging
from collections.abc import Callable, Sequence

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ledger.lifecycle import recheck, requeue
from mailer.ledger.record import Record, State
from mailer.ports import Delivery, SendPorts, WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.deliver_email import settle_overdue

_AT_A_TIME = 100
_LOGGER = logging.getLogger(__name__)


class SweepResult(msgspec.Struct, frozen=True):
    """What a round came to; `has_more` where time was up before everything was looked at.

    `failed` counts the records that could not be looked at, for a reason of their own.
    """

    queued: int = 0
    settled: tuple[Record, ...] = ()
    has_more: bool = False
    failed: int = 0


def sweep(*, ports: SendPorts, has_time: Callable[[], bool], limit: int = 10_000) -> SweepResult:
    """Queue what is due, and settle what time alone has decided; raises `LedgerUnavailable`."""
    queued = failed = lingering = 0
    settled: list[Record] = []
    seen: set[tuple[ProjectId | None, str]] = set()
    while len(seen) < limit and has_time():
        wanted = lingering + _AT_A_TIME
        found = ports.ledger.due(now=ports.now().timestamp(), limit=wanted)
        due = tuple(each for each in found if each not in seen)
        # The index still names what was looked at, being behind, or because it cannot be: what comes after is due too.
        lingering = len(found) - len(due)
        if not due and len(found) < wanted:
            return SweepResult(queued, tuple(settled), failed=failed)
        seen.update(due)
        part = _look_at_all(due, ports)
        queued += part.queued
        failed += part.failed
        settled.extend(part.settled)
    return SweepResult(queued, tuple(settled), has_more=True, failed=failed)


def _look_at_all(due: Sequence[tuple[ProjectId | None, str]], ports: SendPorts) -> SweepResult:
    deliveries: list[Delivery] = []
    settled: list[Record] = []
    failed = 0
    try:
        for project_id, identity in due:
            try:
                looked_at = _look(project_id, identity, ports)
            except LedgerUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 -- one that cannot be looked at would stop the clock for all
                _LOGGER.error(
                    "a due message cannot be looked at", extra={"id": identity, "error_type": type(error).__name__}
                )
                failed += 1
                continue
            if isinstance(looked_at, Delivery):
                deliveries.append(looked_at)
            elif looked_at is not None:
                settled.append(looked_at)
    finally:
        # They are written down as called: whatever stops the round, they are called.
        ports.queue.send(deliveries)
    return SweepResult(len(deliveries), tuple(settled), failed=failed)


def _look(project_id: ProjectId | None, identity: str, ports: SendPorts) -> Delivery | Record | None:
    """Settle the record or write down that a worker is called; None where somebody else was first."""
    record = ports.ledger.find(project_id, identity)
    now = ports.now().timestamp()
    # The index may be behind the record.
    if record is None or record.due_at is None or record.due_at > now:
        return None
    try:
        settled = settle_overdue(record, ports=ports)
        if settled is not None:
            return settled
        # A held message stays held, and is counted as such, until a worker finds that it may leave.
        called = recheck(record, now=now) if record.state is State.HELD else requeue(record, now=now)
        ports.ledger.replace(called)
    except WriteConflict:
        return None
    return Delivery(project_id, identity)
