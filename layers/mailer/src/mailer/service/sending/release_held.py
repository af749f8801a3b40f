"""Release a project's held messages, oldest first and spread over time.

For each message a worker then reads the configuration again, and may hold the message again. If the project's own
transport was removed, the messages that waited for it are released only if the admin has chosen that.
"""

import logging
from copy import replace
from typing import assert_never

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ledger.event import Event, email_event, released_event
from mailer.ledger.held import HeldChoice, HeldDecision, choose
from mailer.ledger.lifecycle import RECHECK_INVALID_SECONDS, Reason, conclude, hold, requeue
from mailer.ledger.record import Record, State
from mailer.ports import Delivery, LedgerPorts, WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.write_record import write_record

# The rate at which a project's messages are released; the first ten have no delay.
PER_SECOND = 10
# The messages of one invocation: releasing them takes seconds, and sending them takes half a minute.
AT_A_TIME = 300
_LOGGER = logging.getLogger(__name__)


class Released(msgspec.Struct, frozen=True):
    """The number of released messages. More messages are held after the id `beyond`; None if there are no more.

    `cancelled` messages were cancelled by the admin's choice, `kept` ones newly wait because their transport was
    removed. `failed` counts the records that could not be handled.
    """

    count: int
    beyond: str | None = None
    cancelled: int = 0
    kept: int = 0
    failed: int = 0

    @property
    def seconds(self) -> int:
        """The time in which the released messages leave the queue."""
        return -(-self.count // PER_SECOND)


class Condition(msgspec.Struct, frozen=True):
    """What a release depends on.

    Whether the project can send, whether its own transport was removed, and the admin's choice. With `only` the release
    is for messages that are held for this reason.
    """

    can_send: bool = True
    is_removed: bool = False
    decision: HeldDecision | None = None
    only: str | None = None


_SENDABLE = Condition()


def release_held(
    project_id: ProjectId | None,
    *,
    ports: LedgerPorts,
    now: float,
    condition: Condition = _SENDABLE,
    beyond: str | None = None,
    limit: int = AT_A_TIME,
) -> Released:
    """Queue up to `limit` held messages again; raises `LedgerUnavailable`.

    Each is recorded before a worker is called, so the sweep finds it after a crash. A message that changes meanwhile is
    skipped, and so is one that cannot be handled because of a bug.
    """
    ids = ports.ledger.ids_in_state(project_id, State.HELD, after=beyond, limit=limit + 1)
    release = _Release(project_id, ports, now, condition)
    try:
        for id in ids[:limit]:
            release.handle(id)
    finally:
        # The messages are recorded as released, so workers and events must follow, even after an exception.
        ports.queue.send(release.deliveries)
        if release.events:
            ports.events.publish(release.events)
    return Released(
        len(release.deliveries),
        ids[limit - 1] if len(ids) > limit else None,
        release.cancelled,
        release.kept,
        release.failed,
    )


class _Release(msgspec.Struct):
    """One release while it runs."""

    project_id: ProjectId | None
    ports: LedgerPorts
    now: float
    condition: Condition
    deliveries: list[Delivery] = msgspec.field(default_factory=list)
    events: list[Event] = msgspec.field(default_factory=list)
    cancelled: int = 0
    kept: int = 0
    failed: int = 0

    def handle(self, id: str) -> None:
        """Handle one message; raises only `LedgerUnavailable`."""
        try:
            record = self.ports.ledger.find(self.project_id, id)
            if record is not None and record.state is State.HELD and self.condition.only in (None, record.reason):
                self._handle(record)
        except WriteConflict:
            return
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 -- one bad record must not end the release
            _LOGGER.error("held message not handled", extra={"id": id, "error_type": type(error).__name__})
            self.failed += 1

    def _handle(self, record: Record) -> None:
        match choose(record, self.condition.decision, is_removed=self.condition.is_removed):
            case HeldChoice.CANCEL:
                self._write(conclude(record, State.CANCELLED, Reason.RELAY_REMOVED, now=self.now))
                self.cancelled += 1
            case HeldChoice.KEEP if record.reason != Reason.RELAY_REMOVED:
                recheck_at = self.now + RECHECK_INVALID_SECONDS
                waiting = replace(record, own_transport=True)
                self._write(hold(waiting, Reason.RELAY_REMOVED, now=self.now, recheck_at=recheck_at))
                self.kept += 1
            case HeldChoice.SEND if self.condition.can_send:
                delay = len(self.deliveries) // PER_SECOND
                released = write_record(requeue(record, now=self.now, delay=delay), self.ports)
                self.deliveries.append(Delivery(self.project_id, record.id, delay))
                self.events.append(released_event(released))
            case HeldChoice.KEEP | HeldChoice.SEND:
                pass
            case unreachable:
                assert_never(unreachable)

    def _write(self, record: Record) -> None:
        event = email_event(write_record(record, self.ports))
        if event is not None:
            self.events.append(event)
