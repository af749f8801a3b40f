"""Release a project's held messages, oldest first and spread over time.

For each message a worker then reads the configuration again, and may hold the message again.
"""

import msgspec

from mailer.ledger.event import Event, released_event
from mailer.ledger.lifecycle import requeue
from mailer.ledger.record import State
from mailer.ports import Delivery, LedgerPorts, WriteConflict
from mailer.project import ProjectId

# The rate at which a project's messages are released; the first ten have no delay.
PER_SECOND = 10
# The messages of one invocation: releasing them takes seconds, and sending them takes half a minute.
AT_A_TIME = 300


class Released(msgspec.Struct, frozen=True):
    """The number of released messages. More messages are held after the id `beyond`; None if there are no more.

    All released messages have left the queue after `seconds`; then the next ones are released.
    """

    count: int
    beyond: str | None = None

    @property
    def seconds(self) -> int:
        """The time in which the released messages leave the queue."""
        return -(-self.count // PER_SECOND)


def release_held(
    project_id: ProjectId, *, ports: LedgerPorts, now: float, beyond: str | None = None, limit: int = AT_A_TIME
) -> Released:
    """Queue up to `limit` held messages again; raises `LedgerUnavailable`.

    Each is recorded before a worker is called, so the sweep finds it after a crash. A message that changes meanwhile is
    skipped.
    """
    ids = ports.ledger.ids_in_state(project_id, State.HELD, after=beyond, limit=limit + 1)
    deliveries: list[Delivery] = []
    events: list[Event] = []
    try:
        for id in ids[:limit]:
            record = ports.ledger.find(project_id, id)
            if record is None or record.state is not State.HELD:
                continue
            delay = len(deliveries) // PER_SECOND
            try:
                released = ports.ledger.replace(requeue(record, now=now, delay=delay))
            except WriteConflict:
                continue
            deliveries.append(Delivery(project_id, id, delay))
            events.append(released_event(released))
    finally:
        # The messages are recorded as released, so workers and events must follow, even after an exception.
        ports.queue.send(deliveries)
        if events:
            ports.events.publish(events)
    return Released(len(deliveries), ids[limit - 1] if len(ids) > limit else None)
