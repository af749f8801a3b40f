"""Mail that waits for a project's relay never leaves by the server transport, unless an admin or a caller says so."""

from collections.abc import Callable

import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.epoch import decide_held
from mailer.ledger.held import HeldChoice
from mailer.ledger.record import Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.secret.resolution import SecretAbsent, SecretPresent, SecretUnavailable, Unavailability
from mailer.service.configuring.validate_project import validate_and_release
from mailer.service.sending.accept_emails import EmailRequest, accept_batch, accept_email
from mailer.service.sending.manage_email import retry_email
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, RelayError, RelayFault
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.memory_service import MemoryService, render
from tests.support.projects import ACME, entries, settings

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
GREYLISTED = Deferred(Failure(Phase.RCPT, Cause.REPLY, make_reply(451, "4.7.1 later")))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no")))
BROKEN, OFF = fakes.secret(entries(smtpPort="mail")), fakes.secret('{"emailEnabled": "false"}')


def with_relay(**environment: str) -> MemoryService:
    service = MemoryService(settings(**environment))
    service.secrets.answers[ACME] = fakes.secret(entries())
    return service


def held_as_invalid(service: MemoryService) -> Record:
    service.secrets.answers[ACME] = BROKEN
    record = service.accept(DRAFT, origin="PasswordResetRequested")
    service.deliver(record)
    return record


def held_by_rejected_credentials(service: MemoryService) -> Record:
    service.relay.verdict = AUTH_REJECTED
    record = service.accept(DRAFT)
    service.deliver(record)
    return record


def deferred_by_the_relay(service: MemoryService) -> Record:
    service.relay.verdict = GREYLISTED
    record = service.accept(DRAFT)
    service.deliver(record)
    return record


def deferred_while_the_caller_waited(service: MemoryService) -> Record:
    service.relay.verdict = GREYLISTED
    report = service.send(DRAFT)
    assert isinstance(report, SendReport)
    return report.record


def queued_for_the_relay(service: MemoryService) -> Record:
    accepted = accept_email(
        EmailRequest(DRAFT), ACME, ports=service.send_ports, deadline=24.0, render=lambda _: render(_sent(service))
    )
    assert not isinstance(accepted, SendReport)
    return service.ledger.records[-1]


def queued_in_a_batch(service: MemoryService) -> Record:
    accept_batch((EmailRequest(DRAFT),), ACME, ports=service.send_ports, deadline=24.0, has_time=lambda: True)
    return service.ledger.records[-1]


def _sent(service: MemoryService) -> SendReport:
    report = service.send(DRAFT)
    assert isinstance(report, SendReport)
    return report


WAITING = [
    held_as_invalid,
    held_by_rejected_credentials,
    deferred_by_the_relay,
    deferred_while_the_caller_waited,
    queued_for_the_relay,
    queued_in_a_batch,
]


def remove_relay(service: MemoryService, choice: HeldChoice | None = None) -> None:
    """Remove the relay, as an edit in the console or, with a choice, as `DELETE` does."""
    service.secrets.answers[ACME] = SecretAbsent()
    service.relay.verdict = fakes.ACCEPTED
    if choice is not None:
        decided = decide_held(service.ledger.epoch(ACME), choice, is_removed=True, now=service.seconds)
        service.ledger.save_epoch(ACME, decided)


def after_a_while(service: MemoryService, record: Record) -> Record:
    service.advance(1900)
    service.sweep()
    service.deliver(record)
    return service.known(record)


@pytest.mark.parametrize("wait", WAITING)
def test_mail_that_waits_for_a_removed_relay_stays_held(wait: Callable[[MemoryService], Record]) -> None:
    service = with_relay()
    record = wait(service)
    remove_relay(service)

    known = after_a_while(service, record)

    assert (known.state, known.reason) == (State.HELD, "relay-removed")
    assert service.server.requests == []


@pytest.mark.parametrize("wait", WAITING)
def test_held_mail_is_sent_by_the_server_if_the_admin_says_so(wait: Callable[[MemoryService], Record]) -> None:
    service = with_relay()
    record = wait(service)
    remove_relay(service, HeldChoice.SEND)

    assert after_a_while(service, record).state is State.SENT
    assert len(service.server.requests) == 1


@pytest.mark.parametrize("wait", WAITING)
def test_waiting_mail_is_cancelled_if_the_admin_says_so(wait: Callable[[MemoryService], Record]) -> None:
    service = with_relay()
    record = wait(service)
    remove_relay(service, HeldChoice.CANCEL)

    assert after_a_while(service, record).state is State.CANCELLED
    assert service.server.requests == []


@pytest.mark.parametrize("wait", WAITING)
def test_mail_of_a_removed_relay_leaves_by_the_next_relay(wait: Callable[[MemoryService], Record]) -> None:
    service = with_relay()
    record = wait(service)
    remove_relay(service)
    after_a_while(service, record)
    service.secrets.answers[ACME] = fakes.secret(entries(smtpHost="new.acme.example"), "version-2")

    assert after_a_while(service, record).state is State.SENT
    assert service.relay.sends[-1].relay.host == "new.acme.example"
    assert service.server.requests == []


def test_a_choice_does_not_cover_later_messages() -> None:
    service = with_relay()
    remove_relay(service, HeldChoice.SEND)
    service.advance(60)
    service.secrets.answers[ACME] = fakes.secret(entries())
    record = deferred_by_the_relay(service)
    remove_relay(service)

    assert after_a_while(service, record).state is State.HELD
    assert service.server.requests == []


def test_mail_held_for_a_removed_relay_expires_with_a_report() -> None:
    service = with_relay()
    record = held_as_invalid(service)
    remove_relay(service)
    after_a_while(service, record)
    service.advance(24 * 3600)
    service.sweep()

    assert service.known(record).state is State.EXPIRED
    assert service.events.names[-1] == "EmailExpired"


def test_a_held_message_is_released_to_the_server_by_hand() -> None:
    service = with_relay()
    record = held_as_invalid(service)
    remove_relay(service)
    after_a_while(service, record)

    retry_email(ACME, record.id, ports=service.send_ports)
    service.deliver(record)

    assert service.known(record).state is State.SENT
    assert len(service.server.requests) == 1


def test_a_retry_before_the_removal_is_no_release_to_the_server() -> None:
    service = with_relay()
    record = held_as_invalid(service)
    retry_email(ACME, record.id, ports=service.send_ports)
    remove_relay(service)
    service.deliver(record)

    assert service.known(record).reason == "relay-removed"
    assert service.server.requests == []


def test_mail_that_never_waited_for_a_relay_is_sent_by_the_server() -> None:
    service = MemoryService()
    record = service.accept(DRAFT)
    service.deliver(record)

    assert service.known(record).state is State.SENT
    assert len(service.server.requests) == 1


def test_mail_of_a_project_without_a_relay_leaves_by_the_server_when_it_is_switched_on_again() -> None:
    service = MemoryService()
    service.secrets.answers[ACME] = OFF
    record = service.accept(DRAFT)
    service.deliver(record)
    assert service.known(record).state is State.HELD
    service.secrets.answers[ACME] = SecretAbsent()

    assert after_a_while(service, record).state is State.SENT


def test_mail_of_a_project_with_a_relay_that_is_switched_off_still_waits_for_the_relay() -> None:
    service = with_relay()
    service.secrets.answers[ACME] = fakes.secret(entries(emailEnabled="false"))
    record = service.accept(DRAFT)
    service.deliver(record)
    remove_relay(service)

    assert after_a_while(service, record).reason == "relay-removed"


def test_mail_held_by_an_outage_of_the_secret_store_is_sent_by_a_project_without_a_relay() -> None:
    service = MemoryService()
    service.secrets.answers[ACME] = SecretUnavailable(Unavailability.TIMEOUT)
    record = service.accept(DRAFT)
    service.deliver(record)
    service.secrets.answers[ACME] = SecretAbsent()

    assert after_a_while(service, record).state is State.SENT


@pytest.mark.parametrize("wait", WAITING)
def test_the_operator_s_switch_sends_waiting_mail_by_the_server(wait: Callable[[MemoryService], Record]) -> None:
    service = with_relay()
    record = wait(service)
    service.settings = settings(ALLOW_PROJECT_SMTP="false")

    assert after_a_while(service, record).state is State.SENT
    assert len(service.server.requests) == 1


# -- the release after a validation -----------------------------------------------------------------------------------


def release(service: MemoryService) -> list[Record]:
    validate_and_release(ACME, ports=service.configuration_ports(), deadline=24.0)
    return sorted(service.ledger.records, key=lambda record: record.id)


def several_held(service: MemoryService) -> None:
    """Hold two messages for the relay, and one for the server transport only."""
    held_as_invalid(service)
    held_as_invalid(service)
    service.secrets.answers[ACME] = OFF
    service.deliver(service.accept(DRAFT))
    service.queue.sends.clear()
    service.events.events.clear()


def test_a_release_after_a_removal_keeps_what_waited_for_the_relay() -> None:
    service = with_relay()
    several_held(service)
    remove_relay(service)

    records = release(service)

    assert [(record.state, record.reason) for record in records] == [
        (State.HELD, "relay-removed"),
        (State.HELD, "relay-removed"),
        (State.QUEUED, None),
    ]
    assert [delivery.id for delivery in service.queue.sends] == [records[2].id]
    assert service.events.names == ["EmailHeld", "EmailHeld", "EmailReleased"]


@pytest.mark.parametrize(
    ("choice", "states"),
    [
        (HeldChoice.SEND, [State.QUEUED, State.QUEUED, State.QUEUED]),
        (HeldChoice.CANCEL, [State.CANCELLED, State.CANCELLED, State.CANCELLED]),
        (HeldChoice.KEEP, [State.HELD, State.HELD, State.QUEUED]),
    ],
)
def test_a_release_carries_out_the_admin_s_choice(choice: HeldChoice, states: list[State]) -> None:
    service = with_relay()
    several_held(service)
    remove_relay(service, choice)

    assert [record.state for record in release(service)] == states


def test_held_mail_is_cancelled_even_while_the_configuration_is_invalid() -> None:
    service = with_relay()
    several_held(service)
    remove_relay(service, HeldChoice.CANCEL)
    service.secrets.answers[ACME] = BROKEN

    assert {record.state for record in release(service)} == {State.CANCELLED}


def test_a_relay_that_is_corrected_gets_its_held_mail() -> None:
    service = with_relay()
    several_held(service)
    service.secrets.answers[ACME] = SecretPresent(fakes.secret(entries()).text, "version-2")

    assert {record.state for record in release(service)} == {State.QUEUED}


def test_a_release_without_the_ledger_releases_nothing() -> None:
    service = with_relay()
    several_held(service)
    remove_relay(service, HeldChoice.SEND)
    service.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        release(service)
