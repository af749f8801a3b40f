"""The clock's round: whatever is not final is looked at when its time has come."""

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
from tests.support.post_office import PostOffice
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")


def office(answer: SecretAnswer | None = None) -> PostOffice:
    answers = {ACME: answer if answer is not None else fakes.secret(entries())}
    return PostOffice(secrets=fakes.FakeSecretStore(answers=answers))


def test_a_message_whose_worker_was_never_called_is_found_by_the_clock() -> None:
    post = office()
    post.queue.failing = True
    accepted = post.accept(DRAFT)
    post.queue.failing = False
    assert post.tick().queued == 0
    post.advance(QUEUE_GUARD_SECONDS)

    assert post.tick().queued == 1
    assert post.queue.sends[-1].id == accepted.id


def test_the_clock_calls_a_worker_once_for_what_it_queued() -> None:
    post = office()
    post.accept(DRAFT)
    post.advance(QUEUE_GUARD_SECONDS)

    assert (post.tick().queued, post.tick().queued) == (1, 0)


def test_the_clock_finds_everything_however_much_it_is() -> None:
    post = office(fakes.secret("{broken"))
    for _ in range(250):
        held = hold(post.accept(DRAFT), "project-smtp-invalid", now=post.seconds, recheck_at=post.seconds)
        post.ledger.replace(held)
    post.advance(MAX_AGE_SECONDS)

    assert len(post.tick().settled) == 250


class UnreadableLedger(MemoryLedger):
    """Has an unreadable record, and an index that lags behind as configured."""

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
    post = PostOffice(ledger=ledger)
    first, second = post.accept(DRAFT), post.accept(DRAFT)
    ledger.unreadable = first.id
    post.advance(QUEUE_GUARD_SECONDS)
    went = post.tick()

    assert (went.queued, went.failed) == (1, 1)
    assert post.queue.sends[-1].id == second.id


def test_an_index_that_is_behind_does_not_end_the_round() -> None:
    ledger = UnreadableLedger()
    post = PostOffice(ledger=ledger)
    ledger.behind = tuple((ACME, f"gone{number}") for number in range(350))
    accepted = post.accept(DRAFT)
    post.advance(QUEUE_GUARD_SECONDS)

    assert post.tick().queued == 1
    assert post.queue.sends[-1].id == accepted.id


def test_what_was_written_down_is_queued_even_if_the_ledger_gives_out_on_the_way() -> None:
    post = office()
    first, _ = post.accept(DRAFT), post.accept(DRAFT)
    post.queue.sends.clear()
    post.advance(QUEUE_GUARD_SECONDS)
    writes = []

    def give_out(point: str) -> None:
        writes.append(point)
        if writes.count("before ledger.replace") == 2:
            raise LedgerUnavailable

    post.ledger.failpoint = give_out
    with pytest.raises(LedgerUnavailable):
        post.tick()

    assert [each.id for each in post.queue.sends] == [first.id]
