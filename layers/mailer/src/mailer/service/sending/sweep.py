"""The sweep: each minute it finds the records whose `due_at` has come.

It is a backup for the delivery queue: it finds messages whose worker was never called or was lost.
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
from mailer.service.sending.release_after_outage import release_after_outage

_AT_A_TIME = 100
_LOGGER = logging.getLogger(__name__)


class SweepResult(msgspec.Struct, frozen=True):
    """The result of a sweep; `has_more` is true if the sweep ended before it had handled all due records.

    `failed` counts records that were skipped because of an error. `released` counts messages that were held because the
    server transport refused the platform.
    """

    queued: int = 0
    settled: tuple[Record, ...] = ()
    has_more: bool = False
    failed: int = 0
    released: int = 0


def sweep(*, ports: SendPorts, has_time: Callable[[], bool], limit: int = 10_000) -> SweepResult:
    """Queue due messages, and settle messages that expired or lost their worker; raises `LedgerUnavailable`."""
    queued = failed = stale = released = 0
    try:
        released = release_after_outage(ports)
    except LedgerUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 -- due messages must be handled in any case
        _LOGGER.error("messages not released after an outage", extra={"error_type": type(error).__name__})
        failed = 1
    settled: list[Record] = []
    seen: set[tuple[ProjectId | None, str]] = set()
    while len(seen) < limit and has_time():
        wanted = stale + _AT_A_TIME
        found = ports.ledger.due(now=ports.timestamp(), limit=wanted)
        due = tuple(each for each in found if each not in seen)
        # The index lags behind and still lists handled records, so the next read asks for that many more.
        stale = len(found) - len(due)
        if not due and len(found) < wanted:
            return SweepResult(queued, tuple(settled), failed=failed, released=released)
        seen.update(due)
        part = _handle_all(due, ports)
        queued += part.queued
        failed += part.failed
        settled.extend(part.settled)
    return SweepResult(queued, tuple(settled), has_more=True, failed=failed, released=released)


def _handle_all(due: Sequence[tuple[ProjectId | None, str]], ports: SendPorts) -> SweepResult:
    deliveries: list[Delivery] = []
    settled: list[Record] = []
    failed = 0
    try:
        for project_id, identity in due:
            try:
                handled = _handle(project_id, identity, ports)
            except LedgerUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 -- one bad record must not stop the sweep
                _LOGGER.error("due message not handled", extra={"id": identity, "error_type": type(error).__name__})
                failed += 1
                continue
            if isinstance(handled, Delivery):
                deliveries.append(handled)
            elif handled is not None:
                settled.append(handled)
    finally:
        # The messages are recorded as queued, so workers must follow, even after an exception.
        ports.queue.send(deliveries)
    return SweepResult(len(deliveries), tuple(settled), failed=failed)


def _handle(project_id: ProjectId | None, identity: str, ports: SendPorts) -> Delivery | Record | None:
    """Settle the record, or record that a worker is called; None if nothing is due or another worker was first."""
    record = ports.ledger.find(project_id, identity)
    now = ports.timestamp()
    # The index may be older than the record.
    if record is None or record.due_at is None or record.due_at > now:
        return None
    try:
        settled = settle_overdue(record, ports=ports)
        if settled is not None:
            return settled
        # A held message stays held until a worker finds that it may be sent.
        called = recheck(record, now=now) if record.state is State.HELD else requeue(record, now=now)
        ports.ledger.replace(called)
    except WriteConflict:
        return None
    return Delivery(project_id, identity)
