"""Let a project's held messages go on, oldest first and spread over time: ten thousand are no storm.

Each is looked at again by a worker, which reads the configuration anew and holds the message again where it must.
"""

import msgspec

from mailer.ledger.event import Event, released_event
from mailer.ledger.lifecycle import requeue
from mailer.ledger.record import State
from mailer.ports import Delivery, LedgerPorts, WriteConflict
from mailer.project import ProjectId

# What a project's relay is offered at most; the first second's messages leave at once.
PER_SECOND = 10
# One invocation's work: some seconds of it, and half a minute of sending.
AT_A_TIME = 300


class Released(msgspec.Struct, frozen=True):
    """How many messages go on; others are held `beyond` the message of this id, None where there are none.

    They have all left the queue after `seconds`: the rest is released then.
    """

    count: int
    beyond: str | None = None

    @property
    def seconds(self) -> int:
        """How long the released messages take."""
        return -(-self.count // PER_SECOND)


def release_held(
    project_id: ProjectId, *, ports: LedgerPorts, now: float, beyond: str | None = None, limit: int = AT_A_TIME
) -> Released:
    """Put up to `limit` held messages back into the queue; raises `LedgerUnavailable`.

    Each is written down before a worker is called, so that the clock finds what a crash leaves behind. Whoever cancels
    or releases one meanwhile is not disturbed.
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
        # They are written down as released: whatever stops this, they are, and are told of.
        ports.queue.send(deliveries)
        if events:
            ports.events.publish(events)
    return Released(len(deliveries), ids[limit - 1] if len(ids) > limit else None)
