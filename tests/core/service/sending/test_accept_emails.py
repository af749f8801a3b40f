"""Messages are accepted for later: concurrent requests with one key make one message."""

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
from mailer.service.sending.new_record import new_record
from mailer.service.sending.repeated_request import Replayed, Resumed

from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, NOW

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
REQUEST = EmailRequest(DRAFT)
KEY = KeyUse("digest", "fingerprint", NOW.timestamp() + KEY_LIFETIME_SECONDS)


def render(accepted: Accepted) -> StoredAnswer:
    return StoredAnswer(202, accepted.id, "text/plain")


def accept(service: MemoryService, key: KeyUse | None = KEY) -> Accepted | Replayed | Resumed:
    return accept_email(REQUEST, ACME, ports=service.send_ports, deadline=24.0, key=key, render=render)


def batch(service: MemoryService, size: int) -> list[str | None]:
    def key_of(index: int) -> KeyUse:
        return replace(KEY, digest=f"digest {index}")

    items = accept_batch(
        [REQUEST] * size, ACME, ports=service.send_ports, deadline=24.0, key_of=key_of, has_time=lambda: True
    )
    return [item.id for item in items]


def at_once[T](number: int, action: Callable[[], T]) -> list[T]:
    """Run the action in this many threads at the same time, and return their results."""
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


def claimed_by_key(service: MemoryService, key: KeyUse = KEY) -> Record:
    """Insert a message of the same request that a worker has claimed."""
    fresh = new_record(StoredDraft(DRAFT, NOW), ACME, identity="f" * 32, now=service.seconds)
    record = claim(fresh, now=service.seconds, lease_until=service.seconds + 60)
    service.ledger.insert(record, key=key)
    return record


def test_DU2_fifty_concurrent_requests_with_a_key_queue_one_message() -> None:
    service = MemoryService()

    answers: list[Accepted | Replayed | Resumed] = at_once(50, lambda: accept(service))

    (accepted,) = [answer for answer in answers if isinstance(answer, Accepted)]
    replayed = [answer for answer in answers if isinstance(answer, Replayed)]
    assert {answer.answer.body for answer in replayed} == {accepted.id}
    assert (len(replayed), len(service.queue.sends), len(service.ledger.records)) == (49, 1, 1)
    assert [id for _, id in service.drafts.contents] == [accepted.id]


def test_an_abandoned_message_that_a_repeated_request_ends_is_published() -> None:
    service = MemoryService()
    claimed_by_key(service)
    service.advance(61)

    assert isinstance(accept(service), Accepted)
    assert service.events.names == ["EmailFailed"]


def test_DU2_concurrent_batches_with_a_key_get_the_same_ids() -> None:
    service = MemoryService()

    answers: list[list[str | None]] = at_once(20, lambda: batch(service, 5))

    assert all(answer == answers[0] for answer in answers)
    assert (len(service.queue.sends), len(service.ledger.records), len(service.drafts.contents)) == (5, 5, 5)


def test_each_request_without_a_key_is_a_message() -> None:
    service = MemoryService()

    assert [type(accept(service, None)) for _ in range(2)] == [Accepted, Accepted]
    assert len(service.ledger.records) == 2


def test_a_repeated_request_is_in_flight_while_its_message_is_sent() -> None:
    service = MemoryService()
    claimed_by_key(service)

    with pytest.raises(KeyInFlight):
        accept(service)


def test_a_request_of_a_lost_worker_without_a_mark_is_queued_again() -> None:
    service = MemoryService()
    lost = claimed_by_key(service)
    service.advance(60.0)

    accepted = accept(service)

    assert isinstance(accepted, Accepted)
    assert service.known(lost).state is State.FAILED
    assert isinstance(accept(service), Replayed)


def test_a_repeated_request_reports_the_cancelled_message() -> None:
    service = MemoryService()
    record = claimed_by_key(service)
    service.ledger.replace(conclude(record, State.CANCELLED, "cancelled", now=service.seconds))

    answer = accept(service)

    assert isinstance(answer, Resumed)
    assert answer.record.state is State.CANCELLED


def test_another_request_with_the_same_key_is_refused() -> None:
    service = MemoryService()
    claimed_by_key(service, replace(KEY, fingerprint="other"))

    with pytest.raises(KeyReused):
        accept(service)
