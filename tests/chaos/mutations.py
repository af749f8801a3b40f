"""Systems with a fault in them, each of which a run must notice: a checker that cannot fail proves nothing."""

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
    """A `RelayTransport` that takes an unknown outcome for a failure and tries again."""

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


class ForgetsTheMark(MemoryLedger):
    """A ledger that keeps no trace of a message being about to leave."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """See `Ledger`."""
        if record.state is State.SENDING:
            super().replace(replace(record, state=State.CLAIMED), closing=closing)
            return replace(record, revision=record.revision + 1)
        return super().replace(record, closing=closing)


class LosesReleased(MemoryLedger):
    """A ledger in which a message that is released is looked at by nobody any more."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """See `Ledger`."""
        before = self.find(record.project_id, record.id)
        if before is not None and before.state is State.HELD and record.state is State.QUEUED:
            return super().replace(replace(record, state=State.CANCELLED, due_at=None), closing=closing)
        return super().replace(record, closing=closing)


class TakesTwice(MemoryLedger):
    """A ledger whose writes are not conditional: whoever writes last is right."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """See `Ledger`."""
        latest = self.find(record.project_id, record.id)
        return super().replace(record if latest is None else replace(record, revision=latest.revision), closing=closing)


def with_ledger(world: World, kind: type[MemoryLedger]) -> World:
    """Give a world that nothing has happened in yet another ledger."""
    world.memory = kind(failpoint=world.memory.failpoint)
    world.ledger = world.memory
    return world


def sending_again(world: World) -> World:
    """Give it a transport that sends again."""
    world.relay = SendsAgain(world.relay)
    return world
