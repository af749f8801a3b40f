"""The sweep: every record that is not final is handled when it is due."""

from copy import replace

import msgspec
import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.lifecycle import QUEUE_GUARD_SECONDS, hold
from mailer.ledger.record import MAX_AGE_SECONDS, OnUnknown, Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.project import ProjectId
from mailer.secret.resolution import SecretAnswer
from mailer.service.sending.manage_email import retry_email
from mailer.smtp.outcome import Cause, Failure, Phase, Unknown

from tests import fakes
from tests.ledger_fakes import MemoryLedger
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

RETRY = OnUnknown.RETRY
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


@pytest.mark.parametrize("state", [State.HELD, State.DEFERRED])
def test_the_content_of_an_expired_system_email_is_deleted_with_its_link(state: State) -> None:
    service = make_service(fakes.secret("{broken"))
    reset = service.accept(DRAFT, origin="PasswordResetRequested", valid_until=service.seconds + 60)
    service.ledger.replace(replace(reset, state=state, due_at=reset.expires_at))
    service.advance(60)

    (expired,) = service.sweep().settled

    assert expired.state is State.EXPIRED
    assert service.drafts.contents == {}


def test_the_content_stays_as_long_as_a_message_can_be_retried() -> None:
    service = make_service(fakes.secret("{broken"))
    service.accept(DRAFT)
    service.advance(MAX_AGE_SECONDS)

    (expired,) = service.sweep().settled

    assert retry_email(ACME, expired.id, ports=service.send_ports).record.state is State.QUEUED
    assert [id for _, id in service.drafts.contents] == [expired.id]


def test_the_content_of_an_unknown_system_email_is_deleted_when_its_link_expires() -> None:
    service = make_service()
    service.relay.verdict = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))
    reset = service.accept(DRAFT, origin="PasswordResetRequested", valid_until=service.seconds + 600, on_unknown=RETRY)
    service.deliver(reset)
    assert len(service.drafts.contents) == 1
    service.advance(600)

    (ended,) = service.sweep().settled

    assert (ended.state, ended.is_final, service.drafts.contents) == (State.UNKNOWN, True, {})


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
