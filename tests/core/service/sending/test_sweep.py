"""The sweep: every record that is not final is handled when it is due."""

import msgspec
import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.lifecycle import QUEUE_GUARD_SECONDS, hold
from mailer.ledger.record import MAX_AGE_SECONDS, Record
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.project import ProjectId
from mailer.secret.resolution import SecretAnswer

from tests import fakes
from tests.ledger_fakes import MemoryLedger
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")


def make_service(answer: SecretAnswer | None = None) -> MemoryService:
    answers = {ACME: answer if answer is not None else fakes.secret(entries())}
    return MemoryService(secrets=fakes.FakeSecretStore(answers=answers))


def test_the_sweep_queues_a_message_that_never_reached_the_queue() -> None:
    service = make_service()
    service.queue.failing = True
    accepted = service.accept(DRAFT)
    service.queue.failing = False
    assert service.sweep().queued == 0
    service.advance(QUEUE_GUARD_SECONDS)

    assert service.sweep().queued == 1
    assert service.queue.sends[-1].id == accepted.id


def test_the_next_sweep_does_not_queue_a_message_again() -> None:
    service = make_service()
    service.accept(DRAFT)
    service.advance(QUEUE_GUARD_SECONDS)

    assert (service.sweep().queued, service.sweep().queued) == (1, 0)


def test_one_sweep_settles_250_expired_messages() -> None:
    service = make_service(fakes.secret("{broken"))
    for _ in range(250):
        held = hold(service.accept(DRAFT), "project-smtp-invalid", now=service.seconds, recheck_at=service.seconds)
        service.ledger.replace(held)
    service.advance(MAX_AGE_SECONDS)

    assert len(service.sweep().settled) == 250


class UnreadableLedger(MemoryLedger):
    """A ledger with an unreadable record, and with an index that is as outdated as the test says."""

    unreadable = ""
    behind: tuple[tuple[ProjectId | None, str], ...] = ()

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        if id == self.unreadable:
            raise msgspec.ValidationError
        return super().find(project_id, id)

    def due(self, *, now: float, limit: int) -> tuple[tuple[ProjectId | None, str], ...]:
        return (*self.behind, *super().due(now=now, limit=limit))[:limit]


def test_an_unreadable_record_does_not_stop_the_sweep() -> None:
    ledger = UnreadableLedger()
    service = MemoryService(ledger=ledger)
    first, second = service.accept(DRAFT), service.accept(DRAFT)
    ledger.unreadable = first.id
    service.advance(QUEUE_GUARD_SECONDS)
    went = service.sweep()

    assert (went.queued, went.failed) == (1, 1)
    assert service.queue.sends[-1].id == second.id


def test_an_outdated_index_does_not_stop_the_sweep() -> None:
    ledger = UnreadableLedger()
    service = MemoryService(ledger=ledger)
    ledger.behind = tuple((ACME, f"gone{number}") for number in range(350))
    accepted = service.accept(DRAFT)
    service.advance(QUEUE_GUARD_SECONDS)

    assert service.sweep().queued == 1
    assert service.queue.sends[-1].id == accepted.id


def test_the_sweep_queues_recorded_messages_if_the_ledger_fails_midway() -> None:
    service = make_service()
    first, _ = service.accept(DRAFT), service.accept(DRAFT)
    service.queue.sends.clear()
    service.advance(QUEUE_GUARD_SECONDS)
    writes = []

    def fail_at_the_second_write(point: str) -> None:
        writes.append(point)
        if writes.count("before ledger.replace") == 2:
            raise LedgerUnavailable

    service.ledger.failpoint = fail_at_the_second_write
    with pytest.raises(LedgerUnavailable):
        service.sweep()

    assert [each.id for each in service.queue.sends] == [first.id]
