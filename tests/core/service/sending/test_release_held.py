"""Releases of held messages: oldest first, spread over time, each once."""

import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.idempotency import KeyClosing
from mailer.ledger.lifecycle import conclude, hold
from mailer.ledger.record import RecipientRecord, Record, State
from mailer.message.address import Address
from mailer.ports import Delivery
from mailer.service.sending.release_held import PER_SECOND, Released, release_held

from tests.ledger_fakes import MemoryDeliveryQueue, MemoryLedger, RecordingPublisher
from tests.support.ports import ledger_ports
from tests.support.projects import ACME

NOW = 1_000_000.0


class Stage:
    """A ledger with so many held messages of a project."""

    def __init__(self, held: int) -> None:
        self.ledger, self.queue, self.events = MemoryLedger(), MemoryDeliveryQueue(), RecordingPublisher()
        for number in range(held):
            self.insert(f"{number:012x}")

    def insert(self, id: str) -> Record:
        fresh = Record(
            id=id,
            project_id=ACME,
            state=State.QUEUED,
            created_at=NOW - 3600,
            updated_at=NOW - 3600,
            expires_at=NOW + 80_000,
            recipients=(RecipientRecord(Address("ada", "example.net")),),
            has_content=True,
        )
        record = hold(fresh, "project-smtp-invalid", now=NOW - 3600, recheck_at=NOW + 60)
        self.ledger.insert(record)
        return record

    def release(self, *, beyond: str | None = None, limit: int = 300) -> Released:
        ports = ledger_ports(ledger=self.ledger, queue=self.queue, events=self.events)
        return release_held(ACME, ports=ports, now=NOW, beyond=beyond, limit=limit)


def test_a_single_held_message_leaves_at_once() -> None:
    stage = Stage(1)

    assert stage.release() == Released(1)
    assert stage.queue.sends == [Delivery(ACME, f"{0:012x}", 0)]
    assert stage.events.names == ["EmailReleased"]


def test_a_released_message_is_queued_with_a_due_time() -> None:
    stage = Stage(1)
    stage.release()

    (record,) = stage.ledger.records
    assert (record.state, record.reason) == (State.QUEUED, None)
    assert record.due_at is not None
    assert record.due_at > NOW


def test_recorded_releases_are_queued_even_if_the_ledger_fails_on_the_way() -> None:
    stage = Stage(2)
    writes = []

    def give_out(point: str) -> None:
        writes.append(point)
        if writes.count("before ledger.replace") == 2:
            raise LedgerUnavailable

    stage.ledger.failpoint = give_out
    with pytest.raises(LedgerUnavailable):
        stage.release()

    assert [delivery.id for delivery in stage.queue.sends] == [f"{0:012x}"]
    assert stage.events.names == ["EmailReleased"]


def test_a_release_without_held_messages_does_nothing() -> None:
    stage = Stage(0)

    assert stage.release() == Released(0)
    assert (stage.queue.sends, stage.events.events) == ([], [])


def test_AV9_ten_thousand_leave_oldest_first_and_never_faster_than_the_relay_is_offered() -> None:
    stage = Stage(10_000)
    begun = 0
    leaving: list[tuple[int, str]] = []
    while True:
        released = stage.release()
        leaving += [(begun + delivery.delay_seconds, delivery.id) for delivery in stage.queue.sends]
        stage.queue.sends.clear()
        begun += released.seconds
        if released.beyond is None:
            break

    assert [id for _, id in leaving] == [f"{number:012x}" for number in range(10_000)]
    per_second: dict[int, int] = {}
    for second, _ in leaving:
        per_second[second] = per_second.get(second, 0) + 1
    assert max(per_second.values()) == PER_SECOND
    assert begun == 10_000 // PER_SECOND
    assert stage.ledger.count(ACME, State.HELD) == 0


def test_one_invocation_does_a_bounded_part() -> None:
    stage = Stage(30)

    assert stage.release(limit=20) == Released(20, beyond=f"{19:012x}")
    assert stage.ledger.count(ACME, State.HELD) == 10


class Cancelling(MemoryLedger):
    """Cancels each message between its reading and its writing."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        held = self.find(record.project_id, record.id)
        assert held is not None
        super().replace(conclude(held, State.CANCELLED, "cancelled", now=NOW))
        return super().replace(record, closing=closing)


def test_a_message_that_was_cancelled_meanwhile_is_left_alone() -> None:
    stage = Stage(0)
    stage.ledger = Cancelling()
    stage.insert("1")

    assert stage.release().count == 0
    assert [record.state for record in stage.ledger.records] == [State.CANCELLED]
    assert stage.queue.sends == []


def test_two_releases_at_once_queue_a_message_once() -> None:
    stage = Stage(50)
    stage.release()
    stage.release()

    assert len(stage.queue.sends) == 50


def test_a_failing_queue_loses_no_message() -> None:
    stage = Stage(5)
    stage.queue.failing = True
    stage.release()

    assert len(stage.ledger.due(now=NOW + 400, limit=10)) == 5


def test_a_release_that_goes_on_leaves_alone_what_was_held_again() -> None:
    stage = Stage(30)
    first = stage.release(limit=20)
    for id in (delivery.id for delivery in list(stage.queue.sends)):
        record = stage.ledger.find(ACME, id)
        assert record is not None
        stage.ledger.replace(hold(record, "sender-not-approved", now=NOW, recheck_at=NOW + 1800))
    stage.queue.sends.clear()

    assert stage.release(limit=20, beyond=first.beyond) == Released(10)
    assert [delivery.id for delivery in stage.queue.sends] == [f"{number:012x}" for number in range(20, 30)]
