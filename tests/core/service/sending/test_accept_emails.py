"""Accepting for later, concurrently: one key is one message, and a failed request frees its key."""

import threading
from collections.abc import Callable
from copy import replace

import pytest
from mailer.errors import KeyInFlight, KeyReused
from mailer.ledger.idempotency import KEY_LIFETIME_SECONDS, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import claim, conclude
from mailer.ledger.record import Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft, StoredDraft
from mailer.service.sending.accept_emails import Accepted, EmailRequest, accept_batch, accept_email
from mailer.service.sending.send_email import Replayed, Resumed, new_record

from tests.support.post_office import PostOffice
from tests.support.projects import ACME, NOW

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
REQUEST = EmailRequest(DRAFT)
KEY = KeyUse("digest", "fingerprint", NOW.timestamp() + KEY_LIFETIME_SECONDS)


def render(accepted: Accepted) -> StoredAnswer:
    return StoredAnswer(202, accepted.id, "text/plain")


def accept(office: PostOffice, key: KeyUse | None = KEY) -> Accepted | Replayed | Resumed:
    return accept_email(REQUEST, ACME, ports=office.send_ports, deadline=24.0, key=key, render=render)


def batch(office: PostOffice, size: int) -> list[str | None]:
    def key_of(index: int) -> KeyUse:
        return replace(KEY, digest=f"digest {index}")

    items = accept_batch(
        [REQUEST] * size, ACME, ports=office.send_ports, deadline=24.0, key_of=key_of, has_time=lambda: True
    )
    return [item.id for item in items]


def at_once[T](number: int, action: Callable[[], T]) -> list[T]:
    """What so many threads get that begin together."""
    barrier = threading.Barrier(number)
    results: list[T] = []

    def run() -> None:
        barrier.wait()
        results.append(action())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def taken_by_key(office: PostOffice, key: KeyUse = KEY) -> Record:
    """A message of the same request that a worker has claimed without an answer yet."""
    fresh = new_record(StoredDraft(DRAFT, NOW), ACME, identity="f" * 32, now=office.seconds)
    record = claim(fresh, now=office.seconds, lease_until=office.seconds + 60)
    office.ledger.insert(record, key=key)
    return record


def test_DU2_of_fifty_at_once_one_is_queued_and_the_others_get_its_answer() -> None:
    office = PostOffice()

    answers: list[Accepted | Replayed | Resumed] = at_once(50, lambda: accept(office))

    (accepted,) = [answer for answer in answers if isinstance(answer, Accepted)]
    replayed = [answer for answer in answers if isinstance(answer, Replayed)]
    assert {answer.answer.body for answer in replayed} == {accepted.id}
    assert (len(replayed), len(office.queue.sends), len(office.ledger.records)) == (49, 1, 1)
    assert [id for _, id in office.drafts.contents] == [accepted.id]


def test_DU2_batches_at_once_have_the_same_ids() -> None:
    office = PostOffice()

    answers: list[list[str | None]] = at_once(20, lambda: batch(office, 5))

    assert all(answer == answers[0] for answer in answers)
    assert (len(office.queue.sends), len(office.ledger.records), len(office.drafts.contents)) == (5, 5, 5)


def test_without_a_key_each_is_a_message() -> None:
    office = PostOffice()

    assert [type(accept(office, None)) for _ in range(2)] == [Accepted, Accepted]
    assert len(office.ledger.records) == 2


def test_a_request_that_is_being_sent_is_in_flight() -> None:
    office = PostOffice()
    taken_by_key(office)

    with pytest.raises(KeyInFlight):
        accept(office)


def test_a_request_whose_worker_was_lost_before_anything_left_is_queued_anew() -> None:
    office = PostOffice()
    lost = taken_by_key(office)
    office.advance(60.0)

    accepted = accept(office)

    assert isinstance(accepted, Accepted)
    assert office.known(lost).state is State.FAILED
    assert isinstance(accept(office), Replayed)


def test_a_request_that_was_ended_otherwise_is_told_so() -> None:
    office = PostOffice()
    record = taken_by_key(office)
    office.ledger.replace(conclude(record, State.CANCELLED, "cancelled", now=office.seconds))

    told = accept(office)

    assert isinstance(told, Resumed)
    assert told.record.state is State.CANCELLED


def test_another_request_with_the_key_is_refused_whatever_became_of_the_first() -> None:
    office = PostOffice()
    taken_by_key(office, replace(KEY, fingerprint="other"))

    with pytest.raises(KeyReused):
        accept(office)
