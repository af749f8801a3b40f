"""A refused sender or login holds a system e-mail, as any invalid configuration does; an API message is rejected."""

from dataclasses import dataclass

import pytest
from mailer.ledger.event import EventName
from mailer.ledger.health import HealthState
from mailer.ledger.record import Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.service.configuring.validate_project import validate_and_release
from mailer.smtp.outcome import Cause, Failure, Phase, Rejected
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Reset", text="Hi\n")
SENDER_REFUSED = (Phase.MAIL, 550, "5.7.1 no such sender")
REFUSALS = [
    pytest.param(*SENDER_REFUSED, "relay-refuses-sender", id="sender at MAIL"),
    pytest.param(Phase.RCPT, 553, "5.7.1 Sender address rejected", "relay-refuses-sender", id="sender at RCPT"),
    pytest.param(Phase.RCPT, 554, "5.7.1 Relay access denied", "relay-auth-rejected", id="login at RCPT"),
    pytest.param(Phase.MAIL, 550, "5.7.9 must be authenticated", "relay-auth-rejected", id="login at MAIL"),
]


@dataclass
class Setup:
    """A project whose relay refuses every message in the same way."""

    phase: Phase
    code: int
    text: str

    def __post_init__(self) -> None:
        self.failure = Failure(self.phase, Cause.REPLY, make_reply(self.code, self.text))
        self.service = MemoryService(
            secrets=fakes.FakeSecretStore({ACME: fakes.secret(entries())}),
            relay=fakes.FakeRelayTransport(verdict=Rejected(self.failure)),
        )

    def deliver(self, *, origin: str | None = "PasswordResetRequested") -> Record:
        accepted = self.service.accept(DRAFT, origin=origin)
        self.service.deliver(accepted)
        return self.service.known(accepted)


@pytest.mark.parametrize(("phase", "code", "text", "reason"), REFUSALS)
def test_a_refused_sender_or_login_holds_a_system_email(phase: Phase, code: int, text: str, reason: str) -> None:
    setup = Setup(phase, code, text)

    held = setup.deliver()

    assert (held.state, held.reason) == (State.HELD, reason)
    assert held.due_at is not None
    assert setup.service.events.names[-1] == EventName.EMAIL_HELD.value
    assert setup.service.server.requests == []


@pytest.mark.parametrize(("phase", "code", "text", "reason"), REFUSALS)
def test_a_held_system_email_leaves_after_the_correction(phase: Phase, code: int, text: str, reason: str) -> None:
    setup = Setup(phase, code, text)
    held = setup.deliver()
    probe = fakes.FakeProbe(setup.failure)
    ports = setup.service.configuration_ports(probe=probe)
    update, released = validate_and_release(ACME, ports=ports, deadline=24.0)

    assert (update.health.state, released) == (HealthState.INVALID, None)
    assert [problem.code for problem in update.health.problems] == [reason]

    setup.service.secrets.answers[ACME] = fakes.secret(entries(smtpFromAddress="right@acme.example"), "version-2")
    probe.failure, setup.service.relay.verdict = None, fakes.ACCEPTED
    validate_and_release(ACME, ports=ports, deadline=24.0)
    setup.service.deliver(setup.service.known(held))

    assert setup.service.known(held).state is State.SENT


def test_a_refused_sender_rejects_an_api_message() -> None:
    assert Setup(*SENDER_REFUSED).deliver(origin=None).state is State.REJECTED


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        (Phase.RCPT, 550, "5.1.1 User unknown"),
        (Phase.MAIL, 552, "5.3.4 Message size exceeds fixed limit"),
        (Phase.FINAL, 554, "5.7.1 Spam"),
    ],
)
def test_a_refused_recipient_or_message_rejects_a_system_email(phase: Phase, code: int, text: str) -> None:
    assert Setup(phase, code, text).deliver().state is State.REJECTED


def test_a_refused_sender_does_not_open_the_breaker() -> None:
    setup = Setup(*SENDER_REFUSED)
    for _ in range(5):
        setup.deliver()
    setup.service.relay.verdict = fakes.ACCEPTED

    assert setup.deliver().state is State.SENT


def test_the_next_provider_takes_a_system_email_whose_sender_the_first_one_refuses() -> None:
    setup = Setup(*SENDER_REFUSED)
    backup = '[{"id": "b", "provider": "sendgrid", "name": "B", "priority": 1, "config": {"apiKey": "SG.kanarie"}}]'
    setup.service.secrets.answers[ACME] = fakes.secret(entries(emailProviders=backup))

    sent = setup.deliver()

    assert (sent.state, sent.transport) == (State.SENT, "project-sendgrid")
    assert setup.service.server.requests == []
