"""The clock's round: whatever is not final has a time at which somebody looks at it, and this is who looks.

It is also the safety net of the queue: a message whose worker was never called, or was lost, is found here.
"""

from collections.abc import Callable

import msgspec

from mailer.lifecycle import look_again, requeue
from mailer.ports import Delivery, Superseded
from mailer.project import ProjectId
from mailer.record import Record, State
from mailer.service.deliver_email import DeliverPorts, settle_overdue

_AT_A_TIME = 100


class Round(msgspec.Struct, frozen=True):
    """What a round came to; `has_more` where time was up before everything was looked at."""

    queued: int = 0
    settled: tuple[Record, ...] = ()
    has_more: bool = False


def look_after_due(*, ports: DeliverPorts, has_time: Callable[[], bool], limit: int = 10_000) -> Round:
    """Queue what is due, and settle what time alone has decided; raises `LedgerUnavailable`."""
    queued = 0
    settled: list[Record] = []
    seen: set[tuple[ProjectId | None, str]] = set()
    while len(seen) < limit and has_time():
        due = ports.ledger.due(now=ports.now().timestamp(), limit=_AT_A_TIME)
        due = tuple(each for each in due if each not in seen)
        if not due:
            return Round(queued, tuple(settled))
        seen.update(due)
        deliveries: list[Delivery] = []
        for project_id, identity in due:
            looked_at = _look(project_id, identity, ports)
            if isinstance(looked_at, Delivery):
                deliveries.append(looked_at)
            elif looked_at is not None:
                settled.append(looked_at)
        ports.queue.send(deliveries)
        queued += len(deliveries)
    return Round(queued, tuple(settled), has_more=True)


def _look(project_id: ProjectId | None, identity: str, ports: DeliverPorts) -> Delivery | Record | None:
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
        called = look_again(record, now=now) if record.state is State.HELD else requeue(record, now=now)
        ports.ledger.replace(called)
    except Superseded:
        return None
    return Delivery(project_id, identity)
