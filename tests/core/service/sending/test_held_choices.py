"""A choice about waiting messages covers what waits at that time, and a removed transport only until the next one."""

import json
from collections.abc import Callable

import pytest
from mailer.errors import LedgerUnavailable, SecretsUnavailable
from mailer.ledger.held import HeldChoice
from mailer.ledger.record import State
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr
from mailer.service.configuring.change_configuration import replace_configuration
from mailer.service.configuring.change_providers import remove_provider
from mailer.service.configuring.choose_held import choose_held
from mailer.service.configuring.validate_project import validate_and_release
from mailer.service.sending.manage_email import retry_email
from mailer.smtp.outcome import Failure, ProbePassed

from tests import fakes
from tests.ledger_fakes import MemorySecretWriter
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries
from tests.support.removals import (
    AUTH_REJECTED,
    after_a_while,
    assert_kept,
    decide,
    deferred,
    delete,
    delete_first_provider,
    held_by_rejected_credentials,
    remove_in_the_console,
    validate,
    with_relay,
    with_two_providers,
)


def test_the_removal_of_one_of_two_providers_gives_the_server_transport_no_mail() -> None:
    service = with_two_providers()
    message = deferred(service)
    delete_first_provider(service, HeldChoice.SEND)
    remove_in_the_console(service)

    after_a_while(service, message)

    assert_kept(service, message)


@pytest.mark.parametrize("choice", list(HeldChoice))
def test_mail_of_a_removed_provider_leaves_by_the_remaining_one(choice: HeldChoice) -> None:
    service = with_two_providers()
    message = deferred(service)
    delete_first_provider(service, choice)
    service.relay.verdict = fakes.ACCEPTED

    assert after_a_while(service, message).state is State.SENT
    assert service.relay.sends[-1].relay.host == "b.acme.example"


def test_a_worker_in_the_middle_of_a_removal_finds_no_earlier_choice() -> None:
    service = with_relay()
    message = deferred(service)
    delete(service, HeldChoice.SEND)
    service.secrets.answers[ACME] = fakes.secret(entries(), "console-2")
    service.advance(1900)

    class Racing(MemorySecretWriter):
        def promote(
            self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False
        ) -> str:
            version_id = super().promote(project_id, text, replaces=replaces, forgets=forgets)
            service.deliver(message)
            return version_id

    delete(service, HeldChoice.KEEP, Racing(service.secrets))

    assert_kept(service, message)


def configured_in_the_console(service: MemoryService) -> None:
    service.secrets.answers[ACME] = fakes.secret(entries(), "console-2")
    validate(service)


def put_switched_off(service: MemoryService) -> None:
    text = {**json.loads(entries()), "emailEnabled": "false"}
    replace_configuration(ACME, text, ports=service.configuration_ports(), deadline=24.0)


@pytest.mark.parametrize("configure", [configured_in_the_console, put_switched_off])
def test_a_configured_relay_ends_an_earlier_choice(configure: Callable[[MemoryService], None]) -> None:
    service = with_relay()
    message = deferred(service)
    delete(service, HeldChoice.SEND)
    configure(service)
    remove_in_the_console(service)

    after_a_while(service, message)

    assert_kept(service, message)


def test_a_validation_of_an_older_state_does_not_end_a_choice() -> None:
    service = with_relay()
    message = deferred(service)
    service.advance(1900)

    class Overtaken(fakes.FakeProbe):
        def probe(
            self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float
        ) -> Failure | ProbePassed:
            delete(service, HeldChoice.SEND)
            return super().probe(relay, envelope_sender=envelope_sender, recipient=recipient, deadline=deadline)

    validate_and_release(ACME, ports=service.configuration_ports(probe=Overtaken()), deadline=24.0)
    service.deliver(message)

    assert service.known(message).state is State.SENT
    assert len(service.server.requests) == 1


# -- cancelling what is held now --------------------------------------------------------------------------------------


def test_held_messages_are_cancelled_although_they_are_checked_meanwhile() -> None:
    service = with_relay()
    message = held_by_rejected_credentials(service)
    choose_held(ACME, HeldChoice.CANCEL, ports=service.configuration_ports(), deadline=24.0)
    service.advance(1900)
    service.sweep()
    validate(service)

    assert service.known(message).state is State.CANCELLED


@pytest.mark.parametrize("choice", [None, HeldChoice.SEND, HeldChoice.KEEP])
def test_a_message_that_is_held_after_a_cancellation_is_not_cancelled(choice: HeldChoice | None) -> None:
    service = with_relay()
    message = deferred(service)
    decide(service, HeldChoice.CANCEL)
    service.relay.verdict = AUTH_REJECTED
    service.advance(100)
    service.deliver(message)
    assert service.known(message).state is State.HELD

    service.relay.verdict = fakes.ACCEPTED
    if choice is not None:
        decide(service, choice)

    assert after_a_while(service, message).state is State.SENT


def test_a_provider_that_is_left_may_hold_a_message_after_a_cancellation() -> None:
    service = with_two_providers()
    message = deferred(service)
    delete_first_provider(service, HeldChoice.CANCEL)
    service.relay.verdict = AUTH_REJECTED
    after_a_while(service, message)

    assert after_a_while(service, message).state is State.HELD


def test_a_removal_of_one_of_two_providers_cancels_what_is_held() -> None:
    service = with_two_providers()
    message = held_by_rejected_credentials(service)
    delete_first_provider(service, HeldChoice.CANCEL)
    validate(service)

    assert service.known(message).state is State.CANCELLED


def test_a_retried_message_is_not_cancelled_again() -> None:
    service = with_relay()
    message = held_by_rejected_credentials(service)
    decide(service, HeldChoice.CANCEL)
    assert service.known(message).state is State.CANCELLED
    service.advance(5)
    retry_email(ACME, message.id, ports=service.send_ports)
    service.deliver(message)
    service.relay.verdict = fakes.ACCEPTED

    assert after_a_while(service, message).state is State.SENT


def test_a_retry_of_mail_cancelled_by_a_removal_does_not_reach_the_server_transport() -> None:
    service = with_relay()
    message = held_by_rejected_credentials(service)
    delete(service, HeldChoice.CANCEL)
    validate(service)
    assert service.known(message).state is State.CANCELLED
    service.advance(5)

    retry_email(ACME, message.id, ports=service.send_ports)
    service.deliver(message)

    assert_kept(service, message)


# -- a change that is not confirmed -----------------------------------------------------------------------------------


class Unconfirmed(MemorySecretWriter):
    """Stores the secret, but the answer is lost."""

    def promote(self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False) -> str:
        super().promote(project_id, text, replaces=replaces, forgets=forgets)
        raise SecretsUnavailable


def test_the_choice_of_an_unconfirmed_removal_can_be_given_afterwards() -> None:
    service = with_two_providers()
    message = deferred(service)
    delete_first_provider(service, HeldChoice.KEEP)
    with pytest.raises(SecretsUnavailable) as refused:
        remove_provider(
            ACME,
            "b",
            held=HeldChoice.SEND,
            ports=service.configuration_ports(writer=Unconfirmed(service.secrets)),
            deadline=24.0,
        )
    assert "may be stored" in refused.value.detail
    assert "POST email-config/held" in refused.value.detail
    after_a_while(service, message)
    assert_kept(service, message)

    decide(service, HeldChoice.SEND)
    service.deliver(message)

    assert service.known(message).state is State.SENT


def test_a_removal_whose_choice_is_not_recorded_says_how_to_give_it() -> None:
    service = with_two_providers()
    delete_first_provider(service, HeldChoice.KEEP)
    writes: list[str] = []

    def fail_after_the_change(point: str) -> None:
        writes.append(point)
        if point == "before ledger.save_epoch" and writes.count(point) > 1:
            raise LedgerUnavailable

    service.ledger.failpoint = fail_after_the_change

    with pytest.raises(LedgerUnavailable) as refused:
        remove_provider(ACME, "b", held=HeldChoice.CANCEL, ports=service.configuration_ports(), deadline=24.0)
    assert "POST email-config/held" in refused.value.detail


def test_an_unconfirmed_change_says_that_it_may_be_stored() -> None:
    service = with_relay()
    ports = service.configuration_ports(writer=Unconfirmed(service.secrets))

    with pytest.raises(SecretsUnavailable) as refused:
        replace_configuration(ACME, json.loads(entries()), ports=ports, deadline=24.0)
    assert "may be stored" in refused.value.detail
    assert "nothing was sent" not in refused.value.detail
