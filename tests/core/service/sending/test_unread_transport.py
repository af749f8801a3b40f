"""A removal also decides about messages whose transport was not read when they were accepted."""

from collections.abc import Callable

import pytest
from mailer.errors import ContentUnavailable
from mailer.ledger.held import HeldChoice
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import Record, State
from mailer.secret.resolution import SecretUnavailable, Unavailability
from mailer.service.sending.accept_emails import EmailRequest, accept_batch
from mailer.service.sending.manage_email import retry_email

from tests import fakes
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME
from tests.support.removals import (
    DRAFT,
    after_a_while,
    assert_kept,
    delete,
    remove_in_the_console,
    validate,
    with_relay,
)


def repeated_batch(service: MemoryService) -> tuple[Record, ...]:
    """Accept the second message of a batch only when the caller repeats the request."""
    requests = [EmailRequest(DRAFT), EmailRequest(DRAFT)]

    def key_of(index: int) -> KeyUse:
        return KeyUse(digest=f"key-{index}", fingerprint="f", expires_at=service.seconds + 86400)

    turns = iter([True, False])
    with pytest.raises(ContentUnavailable):
        accept_batch(
            requests, ACME, ports=service.send_ports, deadline=24.0, key_of=key_of, has_time=lambda: next(turns)
        )
    accept_batch(requests, ACME, ports=service.send_ports, deadline=24.0, key_of=key_of, has_time=lambda: True)
    assert len(service.ledger.records) == 2
    return tuple(service.ledger.records)


def test_the_rest_of_a_repeated_batch_waits_for_the_relay() -> None:
    service = with_relay()
    batch = repeated_batch(service)
    delete(service, HeldChoice.KEEP)

    for message in batch:
        service.deliver(message)
        assert_kept(service, message)


def test_the_rest_of_a_repeated_batch_is_sent() -> None:
    service = with_relay()
    batch = repeated_batch(service)

    for message in batch:
        service.deliver(message)
    assert [service.known(message).state for message in batch] == [State.SENT, State.SENT]


def queued_system_email(service: MemoryService) -> Record:
    return service.accept(DRAFT, origin="PasswordResetRequested")


def held_in_an_outage(service: MemoryService) -> Record:
    stored = service.secrets.answers[ACME]
    service.secrets.answers[ACME] = SecretUnavailable(Unavailability.TIMEOUT)
    message = queued_system_email(service)
    service.deliver(message)
    service.secrets.answers[ACME] = stored
    return message


@pytest.mark.parametrize("wait", [queued_system_email, held_in_an_outage])
@pytest.mark.parametrize(
    ("choice", "state", "by_server"),
    [
        (HeldChoice.KEEP, State.HELD, 0),
        (HeldChoice.SEND, State.SENT, 1),
        (HeldChoice.CANCEL, State.CANCELLED, 0),
    ],
)
def test_a_removal_decides_about_system_emails(
    wait: Callable[[MemoryService], Record], choice: HeldChoice, state: State, by_server: int
) -> None:
    service = with_relay()
    message = wait(service)
    delete(service, choice)

    known = after_a_while(service, message)

    assert (known.state, len(service.server.requests)) == (state, by_server)
    assert known.reason == (None if state is State.SENT else "relay-removed")


def test_a_system_email_held_in_an_outage_still_waits_for_the_validated_relay() -> None:
    service = with_relay()
    validate(service)
    message = held_in_an_outage(service)
    remove_in_the_console(service)
    validate(service)

    after_a_while(service, message)

    assert_kept(service, message)


@pytest.mark.parametrize("wait", [queued_system_email, held_in_an_outage])
def test_a_removal_of_nothing_holds_no_system_email(wait: Callable[[MemoryService], Record]) -> None:
    service = MemoryService()
    service.secrets.answers[ACME] = fakes.secret('{"database": "x"}')
    message = wait(service)
    delete(service, HeldChoice.KEEP)

    assert after_a_while(service, message).state is State.SENT
    assert len(service.server.requests) == 1


def test_a_system_email_after_the_removal_leaves_by_the_server() -> None:
    service = with_relay()
    delete(service, HeldChoice.KEEP)
    service.advance(5)
    message = queued_system_email(service)
    service.deliver(message)

    assert service.known(message).state is State.SENT


def test_a_kept_system_email_is_released_to_the_server_by_hand() -> None:
    service = with_relay()
    message = queued_system_email(service)
    delete(service, HeldChoice.KEEP)
    service.deliver(message)
    assert_kept(service, message)
    service.advance(5)

    retry_email(ACME, message.id, ports=service.send_ports)
    service.deliver(message)

    assert service.known(message).state is State.SENT
