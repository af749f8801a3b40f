"""The write of an attempt's outcome is repeated while the ledger does not answer."""

import pytest
from mailer.api.emails.responses import result_view
from mailer.errors import LedgerUnavailable, MailerError
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import State
from mailer.service.sending.repeated_request import Replayed, Resumed

from tests.support.chain import (
    ADA,
    BOB,
    BOTH,
    GREYLISTED,
    UNREACHABLE,
    Turn,
    chain_service,
    fail_ledger,
    give_out_after,
    only_record,
    sent_report,
    serve_what_is_due,
)
from tests.support.memory_service import LEASE_SECONDS
from tests.support.projects import NOW
from tests.support.shown import shown

ADA_ONLY = Turn(verdicts={"bob": GREYLISTED})
KEY = KeyUse("digest", "fingerprint", NOW.timestamp() + 86400)


@pytest.mark.parametrize("point", ["before ledger.replace", "after ledger.replace"])
@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("is_queued", [False, True])
def test_the_outcome_is_written_again_until_the_ledger_answers(point: str, times: int, is_queued: bool) -> None:
    service, providers = chain_service(Turn())
    # After the mark; a worker from the queue has also claimed the message.
    fail_ledger(service, point, LedgerUnavailable, number=3 if is_queued else 2, times=times)
    if is_queued:
        service.deliver(service.accept(BOTH))
    else:
        assert sent_report(service.send(BOTH, key=KEY)).status is State.SENT

    assert (only_record(service).state, service.waited > 0) == (State.SENT, True)
    serve_what_is_due(service)
    assert (providers.copies_of(ADA.address), providers.copies_of(BOB.address)) == (1, 1)
    if not is_queued:
        assert isinstance(service.send(BOTH, key=KEY), Replayed)


def test_the_tries_to_write_the_outcome_end_with_the_worker() -> None:
    service, _ = chain_service(Turn())
    fail_ledger(service, "before ledger.replace", LedgerUnavailable, number=3, times=1000)

    with pytest.raises(LedgerUnavailable):
        service.deliver(service.accept(BOTH))

    assert 0 < service.waited < LEASE_SECONDS
    assert only_record(service).state is State.SENDING


def test_an_error_does_not_wait_long_for_the_ledger() -> None:
    service, _ = chain_service(Turn(UNREACHABLE))
    fail_ledger(service, "before ledger.replace", LedgerUnavailable, times=1000)

    with pytest.raises(MailerError) as caught:
        service.send(BOTH)

    assert (caught.value.code, 0 < service.waited <= 2) == ("relay-unreachable", True)


def test_the_pauses_between_the_tries_grow_and_are_spread() -> None:
    def waited(chance: float) -> float:
        service, _ = chain_service(Turn())
        service.chance = chance
        fail_ledger(service, "before ledger.replace", LedgerUnavailable, number=2, times=4)
        service.send(BOTH)
        return service.waited

    assert waited(0.0) == pytest.approx(0.05 + 0.1 + 0.2 + 0.4)
    assert waited(0.5) == pytest.approx(0.1 + 0.2 + 0.4 + 0.8)


def test_an_outcome_that_another_worker_has_replaced_is_not_written_again() -> None:
    service, _ = chain_service(Turn())

    def end_it(point: str) -> None:
        if point == "before ledger.replace" and service.relay.sends and only_record(service).state is State.SENDING:
            service.ledger.failpoint = lambda _point: None
            service.advance(LEASE_SECONDS)
            service.sweep()

    service.ledger.failpoint = end_it

    assert sent_report(service.send(BOTH)).status is State.SENT
    assert only_record(service).state is State.UNKNOWN


def test_a_deferral_that_may_be_recorded_is_no_reason_to_send_again() -> None:
    """The write is lost and the ledger does not answer: the message may be queued."""
    service, providers = chain_service(Turn(GREYLISTED))
    service.ledger.failpoint = give_out_after(service, "after ledger.replace")

    with pytest.raises(MailerError) as caught:
        service.send(BOTH)
    service.ledger.failing = False
    serve_what_is_due(service)

    assert (caught.value.code, caught.value.retryable) == ("acceptance-unknown", False)
    assert (providers.copies_of(ADA.address), only_record(service).id in caught.value.detail) == (1, True)


def test_a_deferral_that_may_be_recorded_may_be_repeated_with_its_key() -> None:
    service, providers = chain_service(Turn(GREYLISTED))
    service.ledger.failpoint = give_out_after(service, "after ledger.replace")
    with pytest.raises(LedgerUnavailable):
        service.send(BOTH, key=KEY)
    service.ledger.failing = False

    assert isinstance(service.send(BOTH, key=KEY), Resumed | Replayed)
    serve_what_is_due(service)
    assert (providers.copies_of(ADA.address), len(service.ledger.records)) == (1, 1)


def test_a_recipient_that_a_worker_may_still_serve_is_shown_as_unknown() -> None:
    service, _ = chain_service(ADA_ONLY)
    service.ledger.failpoint = give_out_after(service, "after ledger.replace", number=2)

    body = shown(result_view(sent_report(service.send(BOTH))))

    assert (body["accepted"], body["deferred"]) == (["ada@example.net"], [])
    assert [each["recipient"] for each in body["unknown"]] == ["bob@example.net"]
