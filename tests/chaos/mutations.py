"""Systems with one fault each, which a run must detect: a checker that cannot fail proves nothing."""

from collections.abc import Callable
from copy import replace

from mailer.ledger.idempotency import KeyClosing
from mailer.ledger.record import Record, State
from mailer.message.message import Message
from mailer.ports import RelayTransport
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.smtp.outcome import Attempt, Unknown

from tests.chaos.world import World
from tests.ledger_fakes import MemoryLedger


class SendsAgain:
    """A `RelayTransport` that treats an unknown outcome as a failure and tries again."""

    def __init__(self, inner: RelayTransport) -> None:
        self._inner = inner

    def send(
        self,
        message: Message,
        relay: Relay,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """See `RelayTransport`."""

        def attempt() -> Attempt:
            return self._inner.send(
                message, relay, project_id=project_id, version_id=version_id, deadline=deadline, before_end=before_end
            )

        first = attempt()
        is_unknown = any(isinstance(verdict, Unknown) for verdict in first.verdicts.values())
        return attempt() if is_unknown else first

    def close_idle(self) -> None:
        """See `RelayTransport`."""
        self._inner.close_idle()


class ForgetsTheMark(MemoryLedger):
    """A ledger that drops the SENDING mark."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """See `Ledger`."""
        if record.state is State.SENDING:
            super().replace(replace(record, state=State.CLAIMED), closing=closing)
            return replace(record, revision=record.revision + 1)
        return super().replace(record, closing=closing)


class LosesReleased(MemoryLedger):
    """A ledger that never lists a released message as due."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """See `Ledger`."""
        before = self.find(record.project_id, record.id)
        if before is not None and before.state is State.HELD and record.state is State.QUEUED:
            return super().replace(replace(record, state=State.CANCELLED, due_at=None), closing=closing)
        return super().replace(record, closing=closing)


class TakesTwice(MemoryLedger):
    """A ledger with unconditional writes: the last writer wins."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """See `Ledger`."""
        latest = self.find(record.project_id, record.id)
        return super().replace(record if latest is None else replace(record, revision=latest.revision), closing=closing)


def with_ledger(world: World, kind: type[MemoryLedger]) -> World:
    """Replace the ledger of a new world."""
    world.memory = kind(failpoint=world.memory.failpoint)
    world.ledger = world.memory
    return world


def sending_again(world: World) -> World:
    """Replace its transport with one that sends again."""
    world.relay = SendsAgain(world.relay)
    return world
