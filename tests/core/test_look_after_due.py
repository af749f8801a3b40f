"""The clock's round: whatever is not final is looked at when its time has come."""

from mailer.address import parse_mailbox
from mailer.draft import Draft
from mailer.lifecycle import QUEUE_GUARD_SECONDS, hold
from mailer.record import MAX_AGE_SECONDS
from mailer.resolution import SecretAnswer

from tests import fakes
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
        held = hold(post.accept(DRAFT), "project-smtp-invalid", now=post.seconds, look_again_at=post.seconds)
        post.ledger.replace(held)
    post.advance(MAX_AGE_SECONDS)

    assert len(post.tick().settled) == 250
