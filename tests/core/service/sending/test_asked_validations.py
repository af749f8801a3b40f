"""A fault at sending asks for a validation of the project, once; `email-config` shows since when sending fails."""

from contextlib import suppress

import pytest
from mailer.errors import MailerError
from mailer.ledger.health import HealthState
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.relay.relay import PasswordAuth, Relay, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretPresent
from mailer.service.configuring.show_configuration import (
    NO_ATTEMPTS,
    ConfigurationState,
    ConfigurationView,
    RecentAttempts,
    show_configuration,
)
from mailer.service.configuring.validate_project import validate_and_release
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, RelayError, RelayFault, Verdict
from mailer.smtp.reply import Reply

from tests import fakes
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

ADA, ME = parse_mailbox("ada@example.net"), parse_mailbox("me@acme.example")
DRAFT = Draft(sender=ME, to=(ADA,), subject="Hi", text="Hi\n")
AUTH_FAILURE = Failure(Phase.AUTH, Cause.REPLY, Reply(535))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, AUTH_FAILURE)
TLS_FAILED = RelayError(RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED))
BLOCKED = RelayError(RelayFault.HOST_BLOCKED, Failure(Phase.CONNECT, Cause.HOST_BLOCKED))
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
REJECTED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))


def make_service(verdict: Verdict = fakes.ACCEPTED) -> MemoryService:
    return MemoryService(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


def send(service: MemoryService, times: int = 1) -> None:
    for _ in range(times):
        with suppress(MailerError):
            service.send(DRAFT)


def asked(service: MemoryService) -> int:
    """Count the requests to validate now; a release asks for a later one."""
    return sum((request.project_ids, request.after_seconds) == ((ACME,), 0) for request in service.validations.sends)


def show(service: MemoryService) -> ConfigurationView:
    return show_configuration(
        ACME, settings=service.settings, secrets=service.secrets, ledger=service.ledger, deadline=24.0
    )


@pytest.mark.parametrize("verdict", [AUTH_REJECTED, TLS_FAILED, BLOCKED], ids=lambda each: each.fault.value)
def test_many_messages_with_a_fault_ask_for_one_validation(verdict: Verdict) -> None:
    service = make_service(verdict)
    send(service, 20)
    for _ in range(5):
        service.deliver(service.accept(DRAFT))

    assert asked(service) == 1


@pytest.mark.parametrize("verdict", [UNREACHABLE, REJECTED, fakes.ACCEPTED], ids=lambda each: type(each).__name__)
def test_other_outcomes_ask_for_no_validation(verdict: Verdict) -> None:
    service = make_service(verdict)
    send(service, 20)

    assert asked(service) == 0


def test_a_worker_asks_for_a_validation_too() -> None:
    service = make_service(AUTH_REJECTED)
    service.deliver(service.accept(DRAFT))

    assert asked(service) == 1


def test_a_fault_of_an_override_says_nothing_about_the_project() -> None:
    service = make_service(AUTH_REJECTED)
    override = Relay("mail.other.example", 587, TlsMode.STARTTLS, PasswordAuth("me", SecretStr("wrong")))
    with pytest.raises(MailerError):
        service.send(DRAFT, override=override)

    assert (asked(service), show(service).recent) == (0, NO_ATTEMPTS)


def test_a_relay_that_begins_to_reject_the_password_is_shown_as_invalid_until_it_works_again() -> None:
    service = make_service()
    probe = fakes.FakeProbe()
    ports = service.configuration_ports(probe)
    validate_and_release(ACME, ports=ports, deadline=24.0)
    assert show(service).state is ConfigurationState.VERIFIED

    service.relay.verdict, probe.failure = AUTH_REJECTED, AUTH_FAILURE
    send(service)
    service.advance(61)
    assert asked(service) == 1
    update, _ = validate_and_release(ACME, ports=ports, deadline=24.0)
    assert (update.health.state, show(service).state) == (HealthState.INVALID, ConfigurationState.INVALID)

    service.relay.verdict, probe.failure = fakes.ACCEPTED, None
    send(service)
    service.advance(1)
    assert asked(service) == 2
    validate_and_release(ACME, ports=ports, deadline=24.0)
    assert show(service).state is ConfigurationState.VERIFIED


def test_the_configuration_shows_the_last_success_and_the_failures_since() -> None:
    service = make_service()
    assert show(service).recent == NO_ATTEMPTS
    send(service)
    succeeded_at = service.seconds
    service.advance(10)
    failing_since = service.seconds
    service.relay.verdict = UNREACHABLE
    send(service)
    service.advance(10)
    service.relay.verdict = AUTH_REJECTED
    service.deliver(service.accept(DRAFT))

    assert show(service).recent == RecentAttempts(succeeded_at, 2, failing_since, "relay-auth-rejected")


def test_a_success_resets_the_failures() -> None:
    service = make_service(UNREACHABLE)
    send(service, 3)
    service.relay.verdict = fakes.ACCEPTED
    send(service)

    assert show(service).recent == RecentAttempts(service.seconds)


def test_a_new_version_of_the_secret_begins_without_failures() -> None:
    service = make_service(AUTH_REJECTED)
    send(service, 3)
    service.secrets.answers[ACME] = SecretPresent(fakes.secret(entries()).text, "version-2")

    assert show(service).recent == NO_ATTEMPTS


def test_the_server_transport_has_no_recent_attempts() -> None:
    service = make_service()
    service.secrets.answers.clear()
    send(service)

    assert show(service).recent is None


def test_without_the_ledger_recent_attempts_are_unknown() -> None:
    service = make_service()
    service.ledger.failing = True

    assert show(service).recent is None


def test_a_success_needs_no_write_besides_those_of_the_record_and_the_slot() -> None:
    service = make_service()
    writes: list[str] = []
    service.ledger.failpoint = lambda point: writes.append(point.removeprefix("before ")) if "before" in point else None
    send(service)

    assert writes == ["ledger.take_slot", "ledger.insert", "ledger.replace", "ledger.replace", "ledger.leave_slot"]
