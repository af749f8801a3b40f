"""A send uses the chosen transport or no transport; an error says who must act."""

import random
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from mailer.api.problems import INTERNAL_ERROR, STATUS, status_of
from mailer.errors import AttemptFailed, MailerError, ProjectSmtpInvalid, SecretsUnavailable, SenderNotApproved
from mailer.ledger.record import State
from mailer.message.address import Address, Mailbox, parse_address, parse_mailbox
from mailer.message.draft import Draft
from mailer.problem import Problem
from mailer.secret.resolution import SecretAbsent, SecretAnswer, SecretUnavailable, SecretUnusable, Unavailability
from mailer.service.sending.decide import TransportName
from mailer.service.sending.send_email import send_email
from mailer.service.sending.send_outcome import SendReport
from mailer.settings import Settings
from mailer.smtp.outcome import (
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import Reply, make_reply

from tests import fakes
from tests.support.memory_service import MemoryService, render
from tests.support.projects import ACME, NOW, VALID_ENTRIES, counting_ids, entries, settings

ADA, BOB = parse_address("ada@example.net"), parse_address("bob@example.net")
DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")


@dataclass
class Setup:
    """A project, its relay, and the platform's SES."""

    answer: SecretAnswer = field(default_factory=lambda: fakes.secret(entries()))
    settings: Settings = field(default_factory=settings)
    relay: fakes.FakeRelayTransport = field(default_factory=fakes.FakeRelayTransport)
    server: fakes.CountingServerTransport = field(default_factory=fakes.CountingServerTransport)
    secrets: fakes.FakeSecretStore = field(default_factory=fakes.FakeSecretStore)

    def send(self, draft: Draft = DRAFT) -> SendReport:
        self.secrets.answers.setdefault(ACME, self.answer)
        service = MemoryService(self.settings, self.secrets, self.relay, self.server)
        # This service cannot store content: test_send_record.py has the tests with a store.
        service.drafts.failing = True
        report = service.send(draft)
        assert isinstance(report, SendReport)
        return report

    def fail(self, draft: Draft = DRAFT) -> MailerError:
        with pytest.raises(MailerError) as caught:
            self.send(draft)
        return caught.value


def failure(phase: Phase, cause: Cause = Cause.REPLY, code: int | None = None, text: str = "") -> Failure:
    return Failure(phase, cause, make_reply(code, text) if code is not None else None)


def test_a_project_with_a_relay_sends_only_by_its_relay() -> None:
    setup = Setup()

    report = setup.send()

    assert (report.status, report.transport) == (State.SENT, TransportName.PROJECT_SMTP)
    assert [send.relay.host for send in setup.relay.sends] == ["mail.acme.example"]
    assert setup.server.requests == []


def test_a_project_without_a_secret_sends_by_the_server() -> None:
    setup = Setup(secrets=fakes.FakeSecretStore(), answer=SecretAbsent())

    report = setup.send()

    assert report.transport is TransportName.SERVER_SES
    assert (len(setup.server.requests), setup.relay.sends) == (1, [])


@pytest.mark.parametrize(
    "answer",
    [
        *(
            fakes.secret(entries(**{name: None}))
            for name in VALID_ENTRIES
            if name not in ("smtpHost", "smtpApprovedSenders")
        ),
        fakes.secret(entries(smtpHost="")),
        fakes.secret(entries(smtpPort="mail")),
        fakes.secret("not json"),
        fakes.secret("[]"),
        SecretUnusable(Problem("secret-binary", "Store text.", entry=None)),
    ],
)
def test_FC1_an_invalid_configuration_uses_no_transport(answer: SecretAnswer) -> None:
    setup = Setup(answer=answer)

    error = setup.fail()

    assert isinstance(error, ProjectSmtpInvalid)
    assert error.problems
    assert (setup.server.requests, setup.relay.sends) == ([], [])


def test_a_corrected_secret_works_while_the_broken_one_is_cached() -> None:
    secrets = fakes.FakeSecretStore(refreshed={ACME: fakes.secret(entries())})
    setup = Setup(answer=fakes.secret(entries(smtpPort="mail")), secrets=secrets)

    assert setup.send().status is State.SENT


@pytest.mark.parametrize("reason", list(Unavailability))
def test_FC2_FC3_an_unavailable_configuration_uses_no_transport(reason: Unavailability) -> None:
    setup = Setup(answer=SecretUnavailable(reason))

    error = setup.fail()

    assert isinstance(error, SecretsUnavailable)
    assert error.retryable
    assert (setup.server.requests, setup.relay.sends) == ([], [])


VERDICTS: list[tuple[Verdict, str]] = [
    (Deferred(failure(Phase.CONNECT, Cause.REFUSED)), "relay-unreachable"),
    (Deferred(failure(Phase.CONNECT, Cause.TIMEOUT)), "relay-unreachable"),
    (Deferred(failure(Phase.RESOLVE, Cause.NAME_NOT_FOUND)), "relay-unreachable"),
    (Deferred(failure(Phase.GREETING, code=421)), "relay-deferred"),
    (Deferred(failure(Phase.GREETING, Cause.TOO_MANY_CONNECTIONS)), "relay-deferred"),
    (Deferred(failure(Phase.CONTENT, Cause.CONNECTION_LOST)), "relay-deferred"),
    (Deferred(failure(Phase.FINAL, code=451)), "relay-deferred"),
    (Rejected(failure(Phase.RCPT, code=550)), "recipients-rejected"),
    (Rejected(failure(Phase.RCPT, code=554, text="5.7.1 Relay access denied")), "message-rejected"),
    (Rejected(failure(Phase.FINAL, code=554)), "message-rejected"),
    (Rejected(failure(Phase.MAIL, code=550)), "message-rejected"),
    (Rejected(failure(Phase.MAIL, code=552)), "message-too-large"),
    (Rejected(failure(Phase.MAIL, code=534, text="SIZE=Message too big.")), "message-too-large"),
    (Rejected(failure(Phase.FINAL, code=552, text="5.3.4 too big")), "message-too-large"),
    (Rejected(failure(Phase.MAIL, Cause.TOO_LARGE)), "message-too-large"),
    (RelayError(RelayFault.AUTH_REJECTED, failure(Phase.AUTH, code=535)), "relay-auth-rejected"),
    (RelayError(RelayFault.TLS_FAILED, failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED)), "relay-tls-failed"),
    (RelayError(RelayFault.HOST_BLOCKED, failure(Phase.RESOLVE, Cause.HOST_BLOCKED)), "relay-host-blocked"),
]


@pytest.mark.parametrize(("verdict", "code"), VERDICTS)
def test_FC11_no_failure_of_the_relay_leads_to_the_server(verdict: Verdict, code: str) -> None:
    setup = Setup(relay=fakes.FakeRelayTransport(verdict=verdict))

    error = setup.fail()

    assert (error.code, error.transport) == (code, "project-smtp")
    assert error.retryable == (STATUS[code] == 503)
    assert setup.server.requests == []
    assert len(setup.relay.sends) == 1


def test_an_unknown_outcome_is_reported_without_another_attempt() -> None:
    setup = Setup(relay=fakes.FakeRelayTransport(verdict=Unknown(failure(Phase.FINAL, Cause.CONNECTION_LOST))))

    report = setup.send()

    assert report.status is State.UNKNOWN
    assert (len(setup.relay.sends), setup.server.requests) == (1, [])


def test_HR21_one_accepted_recipient_is_a_partial_success() -> None:
    attempt = Attempt({ADA: fakes.ACCEPTED, BOB: Rejected(failure(Phase.RCPT, code=550))})
    setup = Setup(relay=fakes.FakeRelayTransport(attempts=[attempt]))

    both = Draft(to=(Mailbox(ADA), Mailbox(BOB)), subject="Hello", text="Hi\n")

    assert setup.send(both).status is State.PARTIALLY_SENT


REJECTED = Attempt({ADA: RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))})


def test_SH6_rejected_credentials_are_read_again_and_tried_once() -> None:
    renewed = fakes.secret(entries(smtpPassword="renewed"), version_id="version-2")
    secrets = fakes.FakeSecretStore(refreshed={ACME: renewed})
    setup = Setup(secrets=secrets, relay=fakes.FakeRelayTransport(attempts=[REJECTED]))

    report = setup.send()

    assert report.status is State.SENT
    assert [send.version_id for send in setup.relay.sends] == ["version-1", "version-2"]
    first, second = (send.message for send in setup.relay.sends)
    assert first.as_bytes() == second.as_bytes()
    assert [read.refresh for read in secrets.reads] == [False, True]


def test_SH6_the_same_version_is_not_tried_again() -> None:
    setup = Setup(relay=fakes.FakeRelayTransport(attempts=[REJECTED]))

    assert setup.fail().code == "relay-auth-rejected"
    assert len(setup.relay.sends) == 1


def test_FC15_removing_the_relay_does_not_send_the_message_by_the_server() -> None:
    secrets = fakes.FakeSecretStore(refreshed={ACME: SecretAbsent()})
    setup = Setup(secrets=secrets, relay=fakes.FakeRelayTransport(attempts=[REJECTED]))

    assert setup.fail().code == "relay-auth-rejected"
    assert setup.server.requests == []


@pytest.mark.parametrize("answer", [fakes.secret(entries()), fakes.secret("{broken")])
def test_FC14_disabled_project_relays_are_not_read(answer: SecretAnswer) -> None:
    setup = Setup(answer=answer, settings=settings(ALLOW_PROJECT_SMTP="false"))

    report = setup.send()

    assert report.transport is TransportName.SERVER_SES
    assert setup.secrets.reads == []
    assert setup.relay.sends == []


@pytest.mark.parametrize(
    ("answer", "requested", "used", "reason"),
    [
        (fakes.secret(entries()), "Help <SUPPORT@acme.example>", "Help <support@acme.example>", "approved"),
        (fakes.secret(entries()), "support@platform.example", "Acme <hello@acme.example>", "not-approved"),
        (SecretAbsent(), "support@platform.example", "support@platform.example", "approved"),
        (SecretAbsent(), "support@acme.example", "Platform <no-reply@platform.example>", "not-approved"),
        (fakes.secret(entries()), None, "Acme <hello@acme.example>", "default"),
    ],
)
def test_FC18_the_used_transport_s_senders_decide_the_from(
    answer: SecretAnswer, requested: str | None, used: str, reason: str
) -> None:
    sender = parse_mailbox(requested) if requested is not None else None

    report = Setup(answer=answer).send(Draft(DRAFT.to, "Hello", sender, text="Hi"))

    assert (str(report.decision.sender.used), report.decision.sender.reason.value) == (used, reason)


def test_FC18_a_policy_of_reject_sends_nothing() -> None:
    setup = Setup(answer=fakes.secret(entries(smtpFromPolicy="reject")))

    error = setup.fail(Draft(DRAFT.to, "Hello", parse_mailbox("eve@elsewhere.example"), text="Hi"))

    assert isinstance(error, SenderNotApproved)
    assert setup.relay.sends == []


def test_the_sender_decides_message_id_domain_and_envelope_sender() -> None:
    setup = Setup(answer=fakes.secret(entries(smtpReturnPath="bounces@acme.example")))

    report = setup.send()

    assert report.message_id.endswith("@acme.example>")
    assert str(setup.relay.sends[0].message.envelope_sender) == "bounces@acme.example"


@dataclass
class _Breaking:
    """Raises an exception at the n-th call of any port."""

    at: int
    error: BaseException
    calls: int = 0

    def tick(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise self.error


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize(
    "error", [ValueError(), KeyError("x"), RuntimeError(), TimeoutError(), MemoryError()], ids=repr
)
def test_FC12_no_exception_leads_to_the_server(at: int, error: BaseException) -> None:
    breaking = _Breaking(at, error)
    server = fakes.CountingServerTransport()
    ids = counting_ids()

    class Secrets(fakes.FakeSecretStore):
        def current(self, *args: object, **named: object) -> SecretAnswer:
            breaking.tick()
            return fakes.secret(entries())

    class Relay(fakes.FakeRelayTransport):
        def send(self, *args: object, **named: object) -> Attempt:
            breaking.tick()
            return REJECTED

    def now() -> datetime:
        breaking.tick()
        return NOW

    def new_id() -> str:
        breaking.tick()
        return ids()

    ports = replace(MemoryService(settings(), Secrets(), Relay(), server).send_ports, now=now, new_id=new_id)
    with pytest.raises((type(error), MailerError)):
        send_email(DRAFT, ACME, ports=ports, deadline=24.0, record_by=28.0, lease_seconds=60.0, render=render)

    assert server.requests == []


def test_no_random_configuration_with_a_host_sends_by_ses() -> None:
    chance = random.Random(20260102)
    server = fakes.CountingServerTransport()
    relay_verdicts = [fakes.ACCEPTED, *(verdict for verdict, _ in VERDICTS)]
    names = [*VALID_ENTRIES, "smtpSecure", "smtpAuth", "smtpFromPolicy", "smtpRequireTls", "smtpService", "smtpReplyTo"]
    values = [
        "",
        " ",
        "true",
        "false",
        "465",
        "587",
        "0",
        "none",
        "oauth2",
        "reject",
        "gmail",
        "a@b.example",
        "*",
        "x" * 70,
    ]

    for _ in range(10_000):
        changes = {chance.choice(names): chance.choice([None, *values]) for _ in range(chance.randrange(4))}
        changes.pop("smtpHost", None)
        host = chance.choice(
            ["mail.acme.example", "", " ", "localhost", "10.0.0.1", "mail.acme.example.", "smtp.gmail.com"]
        )
        setup = Setup(
            answer=fakes.secret(entries(**changes, smtpHost=host)),
            relay=fakes.FakeRelayTransport(verdict=chance.choice(relay_verdicts)),
            server=server,
        )
        try:
            setup.send()
        except MailerError:
            continue

    assert server.requests == []


def test_every_error_has_a_status_and_only_503_and_409_are_retryable() -> None:
    leaves = [*MailerError.__subclasses__(), *AttemptFailed.__subclasses__()]
    codes = {leaf.code for leaf in leaves if hasattr(leaf, "code")} | {fault.value for fault in RelayFault}
    # This fault only holds system e-mails.
    codes.remove(RelayFault.SENDER_REFUSED.value)

    assert codes == {*STATUS, INTERNAL_ERROR}
    statuses = {STATUS[leaf.code] for leaf in leaves if hasattr(leaf, "code") and leaf.retryable}
    assert statuses == {503, 409}
    assert all(leaf.retryable for leaf in leaves if hasattr(leaf, "code") and status_of(leaf.code) == 503)


def test_a_recipient_in_to_cc_and_bcc_is_one_recipient() -> None:
    twice = parse_mailbox("Ada <ada@EXAMPLE.net>")
    setup = Setup()

    setup.send(Draft(to=DRAFT.to, cc=(twice,), bcc=(twice,), subject="Hello", text="Hi"))

    assert setup.relay.sends[0].message.recipients == (Address("ada", "example.net"),)
