"""A project whose relay or provider is removed while messages wait."""

import json

from mailer.ledger.held import HeldChoice
from mailer.ledger.record import Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.ports import SecretWriter
from mailer.secret.resolution import SecretAbsent
from mailer.service.configuring.change_configuration import remove_configuration
from mailer.service.configuring.change_providers import remove_provider
from mailer.service.configuring.choose_held import choose_held
from mailer.service.configuring.validate_project import validate_and_release
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, RelayError, RelayFault
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
GREYLISTED = Deferred(Failure(Phase.RCPT, Cause.REPLY, make_reply(451, "4.7.1 later")))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no")))
AN_HOUR = 3600.0


def with_relay() -> MemoryService:
    service = MemoryService()
    service.secrets.answers[ACME] = fakes.secret(entries())
    return service


def with_two_providers() -> MemoryService:
    service = MemoryService()
    listed = [
        {
            "id": id,
            "provider": "smtp",
            "priority": priority,
            "config": {"host": f"{id}.acme.example", "port": 587, "auth": {"user": "u", "pass": "p"}},
        }
        for priority, id in enumerate("ab", start=1)
    ]
    text = json.dumps({"smtpFromAddress": "Acme <hello@acme.example>", "emailProviders": listed})
    service.secrets.answers[ACME] = fakes.secret(text)
    return service


def deferred(service: MemoryService) -> Record:
    service.relay.verdict = GREYLISTED
    report = service.send(DRAFT)
    assert isinstance(report, SendReport)
    service.advance(5)
    return report.record


def held_by_rejected_credentials(service: MemoryService) -> Record:
    service.relay.verdict = AUTH_REJECTED
    record = service.accept(DRAFT)
    service.deliver(record)
    service.advance(5)
    return record


def delete(service: MemoryService, held: HeldChoice, writer: SecretWriter | None = None) -> None:
    remove_configuration(ACME, held=held, ports=service.configuration_ports(writer=writer), deadline=24.0)


def delete_first_provider(service: MemoryService, held: HeldChoice, writer: SecretWriter | None = None) -> None:
    remove_provider(ACME, "a", held=held, ports=service.configuration_ports(writer=writer), deadline=24.0)


def decide(service: MemoryService, choice: HeldChoice) -> None:
    """Decide about held messages, as `POST held` does, and run the release that it requests."""
    choose_held(ACME, choice, ports=service.configuration_ports(), deadline=24.0)
    validate(service)


def validate(service: MemoryService) -> None:
    validate_and_release(ACME, ports=service.configuration_ports(), deadline=24.0)


def remove_in_the_console(service: MemoryService) -> None:
    service.secrets.answers[ACME] = SecretAbsent()


def after_a_while(service: MemoryService, record: Record) -> Record:
    service.advance(1900)
    service.sweep()
    service.deliver(record)
    return service.known(record)


def assert_kept(service: MemoryService, record: Record) -> None:
    known = service.known(record)
    assert (known.state, known.reason) == (State.HELD, "relay-removed")
    assert service.server.requests == []
