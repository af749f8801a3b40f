"""A forgotten address stays erased, and an answer that is lost does not hide what is left."""

from copy import replace

import pytest
from mailer.errors import ContentUnavailable, LedgerUnavailable
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import State
from mailer.message.address import parse_address
from mailer.service.sending.forget_address import Forgotten, forget_address
from mailer.service.sending.repeated_request import Resumed

from tests.support.chain import (
    ADA,
    BOTH,
    GREYLISTED,
    Killed,
    Turn,
    chain_service,
    fail_ledger,
    only_record,
    serve_what_is_due,
)
from tests.support.memory_service import LEASE_SECONDS, MemoryService
from tests.support.projects import ACME, NOW

KEY = KeyUse("digest", "fingerprint", NOW.timestamp() + 86400)
BOB_ONLY = replace(BOTH, to=BOTH.to[1:])


def forget(service: MemoryService, address: str = "bob@example.net") -> Forgotten:
    return forget_address(ACME, parse_address(address), cursor=None, ports=service.send_ports, has_time=lambda: True)


def kept(service: MemoryService) -> str:
    """Return everything that the ledger and the content store have."""
    return f"{service.ledger.records}{service.drafts.contents}"


@pytest.mark.parametrize("write", [1, 2], ids=["none-has-a-copy", "ada-has-a-copy"])
def test_a_repeated_request_does_not_bring_back_a_forgotten_address(write: int) -> None:
    """The worker is lost before the first mark, or between two providers, while no content can be stored."""
    service, providers = chain_service(Turn(verdicts={"bob": GREYLISTED}), Turn())
    service.drafts.failing = True
    fail_ledger(service, "before ledger.replace" if write == 1 else "after ledger.replace", Killed, number=write)
    with pytest.raises(Killed):
        service.send(BOTH, key=KEY)
    service.drafts.failing = False
    service.advance(LEASE_SECONDS)
    service.sweep()
    state = only_record(service).state
    assert forget(service).erased == 1
    sends = len(providers.sends)

    again = service.send(BOTH, key=KEY)
    serve_what_is_due(service)

    assert isinstance(again, Resumed)
    assert (again.record.state, only_record(service).state) == (state, state)
    assert (len(providers.sends), providers.copies_of(ADA.address)) == (sends, write - 1)
    assert "bob" not in kept(service)


@pytest.mark.parametrize("number", [1, 2])
def test_an_erasure_whose_answer_is_lost_is_complete(number: int) -> None:
    """The answer to the cancellation, or that to the erasure."""
    service = waiting_for_bob()
    fail_ledger(service, "after ledger.replace", LedgerUnavailable, number=number)

    assert forget(service) == Forgotten(erased=1, cancelled=1)
    assert ("bob" in kept(service), service.events.names) == (False, ["EmailCancelled"])


@pytest.mark.parametrize("error", [LedgerUnavailable, Killed])
@pytest.mark.parametrize(
    "point", ["before ledger.replace", "after ledger.replace", "before drafts.delete", "after drafts.delete"]
)
def test_an_erasure_that_was_interrupted_is_completed_by_the_next_one(point: str, error: type[BaseException]) -> None:
    service = waiting_for_bob()

    def interrupt(passed: str) -> None:
        if passed == point:
            service.ledger.failing = error is LedgerUnavailable
            raise error

    service.ledger.failpoint = service.drafts.failpoint = interrupt
    with pytest.raises(error):
        forget(service)
    service.ledger.failing = False
    service.ledger.failpoint = service.drafts.failpoint = lambda _point: None

    assert forget(service).erased == 1
    assert "bob" not in kept(service)
    assert (only_record(service).state, forget(service).erased) == (State.CANCELLED, 0)


def test_an_address_is_not_forgotten_while_its_content_cannot_be_deleted() -> None:
    service = waiting_for_bob()
    service.drafts.failing = True

    with pytest.raises(ContentUnavailable) as caught:
        forget(service)
    assert ("forget" in caught.value.detail.lower(), caught.value.retryable) == (True, True)
    assert "bob" in kept(service)

    service.drafts.failing = False
    assert forget(service).erased == 1
    assert ("bob" in kept(service), service.events.names) == (False, ["EmailCancelled"])


def test_a_message_that_a_worker_claims_meanwhile_is_reported_as_waiting_and_is_sent() -> None:
    service = waiting_for_bob()

    def deliver_first(point: str) -> None:
        if point == "before ledger.replace":
            service.ledger.failpoint = lambda _point: None
            service.deliver(only_record(service))

    service.ledger.failpoint = deliver_first

    assert forget(service) == Forgotten(waiting=1)
    assert (only_record(service).state, service.events.names) == (State.SENT, ["EmailSent"])
    assert forget(service) == Forgotten(erased=1)


def test_a_content_that_a_lost_worker_stored_without_recording_it_is_deleted() -> None:
    service, _ = chain_service(Turn(verdicts={"bob": GREYLISTED}), Turn())
    fail_ledger(service, "before ledger.replace", Killed, number=2)
    with pytest.raises(Killed):
        service.send(BOTH, key=KEY)
    service.advance(LEASE_SECONDS)
    service.sweep()
    assert (only_record(service).has_content, len(service.drafts.contents)) == (False, 1)

    assert forget(service).erased == 1
    assert "bob" not in kept(service)


def waiting_for_bob() -> MemoryService:
    service, _ = chain_service(Turn())
    service.accept(BOB_ONLY)
    return service


def test_the_other_requests_of_the_project_are_still_served() -> None:
    service, providers = chain_service(Turn())
    service.send(BOB_ONLY, key=KEY)
    forget(service)

    service.send(BOTH, key=replace(KEY, digest="another"))

    assert (providers.copies_of(ADA.address), len(service.ledger.records)) == (1, 2)
