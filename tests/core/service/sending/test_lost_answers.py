"""The ledger writes a change, and its answer is lost: the change is reported as if the answer had come."""

import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import State
from mailer.service.sending.manage_email import cancel_email, retry_email
from mailer.service.sending.release_held import release_held

from tests import fakes
from tests.support.chain import (
    AUTH_REJECTED,
    BOTH,
    Killed,
    Turn,
    chain_service,
    fail_ledger,
    only_record,
)
from tests.support.memory_service import LEASE_SECONDS, MemoryService
from tests.support.projects import ACME, NOW, entries

KEY = KeyUse("digest", "fingerprint", NOW.timestamp() + 86400)


def test_an_expired_message_is_reported_by_the_sweep_that_ended_it() -> None:
    service, _ = chain_service(Turn())
    record = service.accept(BOTH, valid_until=NOW.timestamp() + 600)
    service.advance(1000.0)
    fail_ledger(service, "after ledger.replace", LedgerUnavailable)

    swept = service.sweep()

    assert [(each.id, each.state) for each in swept.settled] == [(record.id, State.EXPIRED)]
    assert (service.events.names, service.drafts.contents) == (["EmailExpired"], {})


def test_an_end_that_was_not_written_is_left_to_the_next_sweep() -> None:
    service, _ = chain_service(Turn())
    service.accept(BOTH)
    service.advance(90000.0)
    fail_ledger(service, "before ledger.replace", LedgerUnavailable)

    with pytest.raises(LedgerUnavailable):
        service.sweep()
    assert service.events.names == []
    assert [each.state for each in service.sweep().settled] == [State.EXPIRED]
    assert service.events.names == ["EmailExpired"]


def test_a_cancellation_is_reported() -> None:
    service, _ = chain_service(Turn())
    record = service.accept(BOTH)
    fail_ledger(service, "after ledger.replace", LedgerUnavailable)

    assert cancel_email(ACME, record.id, ports=service.send_ports).state is State.CANCELLED
    assert service.events.names == ["EmailCancelled"]


def test_a_retried_message_is_queued() -> None:
    service, _ = chain_service(Turn())
    record = service.accept(BOTH)
    cancel_email(ACME, record.id, ports=service.send_ports)
    service.queue.sends.clear()
    fail_ledger(service, "after ledger.replace", LedgerUnavailable)

    retry_email(ACME, record.id, ports=service.send_ports)

    assert [each.id for each in service.queue.sends] == [record.id]


def test_a_released_message_is_queued_and_reported() -> None:
    service = held()
    fail_ledger(service, "after ledger.replace", LedgerUnavailable)

    assert release_held(ACME, ports=service.send_ports, now=service.seconds).count == 1
    assert (service.events.names, len(service.queue.sends)) == (["EmailReleased"], 1)


def test_a_message_that_becomes_held_is_reported() -> None:
    service, _ = chain_service(Turn())
    record = service.accept(BOTH)
    service.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"), "v2")
    fail_ledger(service, "after ledger.replace", LedgerUnavailable)

    service.deliver(record)

    assert (only_record(service).state, service.events.names) == (State.HELD, ["EmailHeld"])


def test_a_lost_worker_that_a_repeated_key_finds_is_reported() -> None:
    service, _ = chain_service(Turn(kills=True))
    with pytest.raises(Killed):
        service.send(BOTH, key=KEY)
    service.advance(LEASE_SECONDS)
    fail_ledger(service, "after ledger.replace", LedgerUnavailable)

    service.send(BOTH, key=KEY)

    assert (only_record(service).state, service.events.names) == (State.UNKNOWN, ["EmailOutcomeUnknown"])


def held() -> MemoryService:
    service, providers = chain_service(Turn(AUTH_REJECTED))
    service.deliver(service.accept(BOTH))
    assert (only_record(service).state, len(providers.sends)) == (State.HELD, 1)
    service.events.events.clear()
    service.queue.sends.clear()
    return service
