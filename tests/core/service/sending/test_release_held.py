"""Held messages are released: the oldest first, spread over time, and each only once."""

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


class Setup:
    """A ledger with this many held messages of a project."""

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


def test_a_single_held_message_is_queued_without_delay() -> None:
    setup = Setup(1)

    assert setup.release() == Released(1)
    assert setup.queue.sends == [Delivery(ACME, f"{0:012x}", 0)]
    assert setup.events.names == ["EmailReleased"]


def test_a_released_message_is_queued_with_a_due_time() -> None:
    setup = Setup(1)
    setup.release()

    (record,) = setup.ledger.records
    assert (record.state, record.reason) == (State.QUEUED, None)
    assert record.due_at is not None
    assert record.due_at > NOW


def test_recorded_releases_are_queued_even_if_the_ledger_fails_midway() -> None:
    setup = Setup(2)
    writes = []

    def fail_at_the_second_write(point: str) -> None:
        writes.append(point)
        if writes.count("before ledger.replace") == 2:
            raise LedgerUnavailable

    setup.ledger.failpoint = fail_at_the_second_write
    with pytest.raises(LedgerUnavailable):
        setup.release()

    assert [delivery.id for delivery in setup.queue.sends] == [f"{0:012x}"]
    assert setup.events.names == ["EmailReleased"]


def test_a_release_without_held_messages_does_nothing() -> None:
    setup = Setup(0)

    assert setup.release() == Released(0)
    assert (setup.queue.sends, setup.events.events) == ([], [])


def test_AV9_ten_thousand_messages_are_released_oldest_first_at_a_limited_rate() -> None:
    setup = Setup(10_000)
    begun = 0
    leaving: list[tuple[int, str]] = []
    while True:
        released = setup.release()
        leaving += [(begun + delivery.delay_seconds, delivery.id) for delivery in setup.queue.sends]
        setup.queue.sends.clear()
        begun += released.seconds
        if released.beyond is None:
            break

    assert [id for _, id in leaving] == [f"{number:012x}" for number in range(10_000)]
    per_second: dict[int, int] = {}
    for second, _ in leaving:
        per_second[second] = per_second.get(second, 0) + 1
    assert max(per_second.values()) == PER_SECOND
    assert begun == 10_000 // PER_SECOND
    assert setup.ledger.count(ACME, State.HELD) == 0


def test_one_invocation_releases_a_limited_number() -> None:
    setup = Setup(30)

    assert setup.release(limit=20) == Released(20, beyond=f"{19:012x}")
    assert setup.ledger.count(ACME, State.HELD) == 10


class Cancelling(MemoryLedger):
    """A ledger that cancels each message just before a release writes it."""

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        held = self.find(record.project_id, record.id)
        assert held is not None
        super().replace(conclude(held, State.CANCELLED, "cancelled", now=NOW))
        return super().replace(record, closing=closing)


def test_a_concurrently_cancelled_message_is_not_released() -> None:
    setup = Setup(0)
    setup.ledger = Cancelling()
    setup.insert("1")

    assert setup.release().count == 0
    assert [record.state for record in setup.ledger.records] == [State.CANCELLED]
    assert setup.queue.sends == []


def test_two_releases_queue_each_message_once() -> None:
    setup = Setup(50)
    setup.release()
    setup.release()

    assert len(setup.queue.sends) == 50


def test_a_failing_queue_loses_no_message() -> None:
    setup = Setup(5)
    setup.queue.failing = True
    setup.release()

    assert len(setup.ledger.due(now=NOW + 400, limit=10)) == 5


def test_a_continued_release_skips_messages_held_again() -> None:
    setup = Setup(30)
    first = setup.release(limit=20)
    for id in (delivery.id for delivery in list(setup.queue.sends)):
        record = setup.ledger.find(ACME, id)
        assert record is not None
        setup.ledger.replace(hold(record, "sender-not-approved", now=NOW, recheck_at=NOW + 1800))
    setup.queue.sends.clear()

    assert setup.release(limit=20, beyond=first.beyond) == Released(10)
    assert [delivery.id for delivery in setup.queue.sends] == [f"{number:012x}" for number in range(20, 30)]
