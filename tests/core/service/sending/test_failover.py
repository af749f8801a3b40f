"""Failover: the first provider's outcome decides whether the second is used. The server transport is never used."""

import json
from copy import replace
from dataclasses import dataclass, field

import pytest
from mailer.api.emails.history import email_view
from mailer.api.emails.responses import send_view
from mailer.api.problems import problem_document
from mailer.errors import MailerError, ProjectSmtpInvalid
from mailer.ledger.record import State
from mailer.message.draft import Draft
from mailer.observation.metrics import Metric
from mailer.observation.sending import observe_error, observe_report
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.service.sending.deliver_email import Delivered
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import (
    Accepted,
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
from mailer.smtp.reply import Reply

from tests import fakes
from tests.support import canaries
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries, settings
from tests.support.provider_setup import ADA, BOB, DRAFT
from tests.support.shown import shown

BOTH = replace(DRAFT, cc=(BOB,))
SECOND = {
    "id": "backup",
    "provider": "sendgrid",
    "name": "Backup",
    "enabled": True,
    "priority": 1,
    "config": {"apiKey": canaries.API_KEY},
}
GREYLISTED = Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450)))
REFUSED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))
PROVABLY_NOT_ACCEPTED = [
    pytest.param(Deferred(Failure(Phase.CONNECT, Cause.REFUSED)), id="refused"),
    pytest.param(Deferred(Failure(Phase.RESOLVE, Cause.NAME_NOT_FOUND)), id="no-name"),
    pytest.param(Deferred(Failure(Phase.GREETING, Cause.TIMEOUT)), id="silent"),
    pytest.param(Deferred(Failure(Phase.CONTENT, Cause.CONNECTION_LOST)), id="cut-off-before-the-end"),
    pytest.param(Deferred(Failure(Phase.MAIL, Cause.REPLY, Reply(421))), id="DU12-421"),
    pytest.param(GREYLISTED, id="450"),
    pytest.param(Deferred(Failure(Phase.FINAL, Cause.THROTTLED, Reply(451))), id="throttled"),
    pytest.param(RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535))), id="535"),
    pytest.param(RelayError(RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED)), id="tls"),
    pytest.param(RelayError(RelayFault.HOST_BLOCKED, Failure(Phase.RESOLVE, Cause.HOST_BLOCKED)), id="blocked"),
]
UNKNOWNS = [
    pytest.param(LOST, id="DU11-lost"),
    pytest.param(Unknown(Failure(Phase.FINAL, Cause.TIMEOUT)), id="DU11-hangs"),
    pytest.param(Unknown(Failure(Phase.FINAL, Cause.SERVICE_ERROR)), id="DU14-500"),
]


@dataclass
class Setup:
    """A project with two providers: a relay, then SendGrid."""

    first: Verdict | Attempt
    second: Verdict = fakes.ACCEPTED
    providers: list[dict[str, object]] = field(default_factory=lambda: [SECOND])

    def __post_init__(self) -> None:
        secret = entries(emailProviders=json.dumps(self.providers))
        relay = fakes.FakeRelayTransport()
        if isinstance(self.first, Attempt):
            relay.attempts = [self.first]
        else:
            relay.verdict = self.first
        self.service = MemoryService(
            secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(secret)}),
            relay=relay,
            api=fakes.FakeApiTransport(verdict=self.second),
        )

    def send(self, draft: Draft = DRAFT) -> SendReport:
        report = self.service.send(draft)
        assert isinstance(report, SendReport)
        return report

    def fail(self, draft: Draft = DRAFT) -> MailerError:
        with pytest.raises(MailerError) as caught:
            self.service.send(draft)
        return caught.value

    def deliver(self, draft: Draft = DRAFT) -> Delivered:
        return self.service.deliver(self.service.accept(draft))

    def asked(self) -> tuple[int, int]:
        """How often each provider was asked; asserts that the server transport was never used."""
        assert self.service.server.requests == []
        return len(self.service.relay.sends), len(self.service.api.sends)


# -- the first provider's outcome -------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", PROVABLY_NOT_ACCEPTED)
def test_DU12_provable_non_acceptance_leads_to_the_next_provider(verdict: Verdict) -> None:
    setup = Setup(verdict)

    report = setup.send()

    assert (setup.asked(), report.status) == ((1, 1), State.SENT)
    assert report.transport.value == "project-sendgrid"


@pytest.mark.parametrize("verdict", PROVABLY_NOT_ACCEPTED)
def test_DU12_a_queued_message_also_goes_to_the_next_provider(verdict: Verdict) -> None:
    setup = Setup(verdict)

    delivered = setup.deliver()

    assert setup.asked() == (1, 1)
    assert delivered.record is not None
    assert (delivered.record.state, delivered.failovers) == (State.SENT, 1)


@pytest.mark.parametrize("verdict", UNKNOWNS)
def test_DU11_after_an_unknown_outcome_no_other_provider_is_asked(verdict: Verdict) -> None:
    setup = Setup(verdict)

    report = setup.send()

    assert (setup.asked(), report.status, report.record.failovers) == ((1, 0), State.UNKNOWN, ())


@pytest.mark.parametrize("verdict", UNKNOWNS)
def test_DU11_a_queued_message_with_an_unknown_outcome_stays_with_its_provider(verdict: Verdict) -> None:
    setup = Setup(verdict)

    delivered = setup.deliver()

    assert setup.asked() == (1, 0)
    assert delivered.record is not None
    assert delivered.record.state is State.UNKNOWN


def test_an_accepted_message_goes_to_no_other_provider() -> None:
    setup = Setup(fakes.ACCEPTED)

    assert (setup.send().status, setup.asked()) == (State.SENT, (1, 0))


def test_a_rejected_message_goes_to_no_other_provider() -> None:
    setup = Setup(REFUSED)

    assert (setup.fail().code, setup.asked()) == ("recipients-rejected", (1, 0))


def test_only_pending_recipients_go_to_the_next_provider_and_the_answer_lists_all() -> None:
    setup = Setup(Attempt({ADA.address: fakes.ACCEPTED, BOB.address: GREYLISTED}))

    report = setup.send(BOTH)

    assert setup.service.api.sends[0].api_message.message.recipients == (BOB.address,)
    assert (report.status, setup.asked()) == (State.SENT, (1, 1))
    assert {str(each) for each, verdict in report.verdicts.items() if isinstance(verdict, Accepted)} == {
        "ada@example.net",
        "bob@example.net",
    }


def test_only_the_recipient_with_an_unknown_outcome_stays_with_its_provider() -> None:
    setup = Setup(Attempt({ADA.address: LOST, BOB.address: GREYLISTED}))
    report = setup.send(BOTH)

    assert setup.service.api.sends[0].api_message.message.recipients == (BOB.address,)
    assert [type(report.verdicts[each.address]) for each in (ADA, BOB)] == [Unknown, Accepted]


def test_an_error_after_a_failover_lists_every_recipient() -> None:
    setup = Setup(Attempt({ADA.address: REFUSED, BOB.address: GREYLISTED}), REFUSED)
    setup.service.drafts.failing = True

    document = shown(problem_document(setup.fail(BOTH), instance="request-1"))

    listed = {name: [each["recipient"] for each in document[name]] for name in ("rejected", "deferred")}
    assert listed == {"rejected": ["ada@example.net"], "deferred": ["bob@example.net"]}


def test_DU16_every_provider_gets_the_same_octets() -> None:
    setup = Setup(GREYLISTED)
    setup.send()

    octets = {send.message.as_bytes() for send in setup.service.relay.sends}
    assert octets == {send.api_message.message.as_bytes() for send in setup.service.api.sends}


def test_a_message_that_every_provider_defers_waits() -> None:
    setup = Setup(GREYLISTED, GREYLISTED)

    report = setup.send()

    assert (report.status, setup.asked()) == (State.DEFERRED, (1, 1))


def test_an_unknown_outcome_of_the_second_provider_makes_the_message_unknown() -> None:
    setup = Setup(GREYLISTED, LOST)

    assert (setup.send().status, setup.asked()) == (State.UNKNOWN, (1, 1))


# -- the configuration ------------------------------------------------------------------------------------------------


def test_FC15_disabling_relays_does_not_send_an_unknown_message_by_the_server() -> None:
    setup = Setup(LOST)
    record = setup.send().record
    setup.service.settings = settings(ALLOW_PROJECT_SMTP="false")
    setup.service.advance(4000.0)
    setup.service.deliver(record)

    assert setup.asked() == (1, 0)


@pytest.mark.parametrize("preferred", ["no-at-sign", "BACKUP", "backup "])
def test_FC16_an_unknown_preferred_provider_is_refused_without_an_attempt(preferred: str) -> None:
    setup = Setup(fakes.ACCEPTED)

    assert setup.fail(replace(DRAFT, preferred_provider=preferred)).code == "invalid-request"
    assert setup.asked() == (0, 0)


def test_FC16_a_disabled_provider_cannot_be_preferred() -> None:
    setup = Setup(fakes.ACCEPTED, providers=[{**SECOND, "enabled": False}])

    assert setup.fail(replace(DRAFT, preferred_provider="backup")).code == "invalid-request"
    assert setup.asked() == (0, 0)


def test_a_preferred_provider_is_asked_before_the_others() -> None:
    setup = Setup(fakes.ACCEPTED, GREYLISTED)

    report = setup.send(replace(DRAFT, preferred_provider="backup"))

    assert (setup.asked(), report.record.failovers[0].provider) == ((1, 1), "backup")


@pytest.mark.parametrize(
    "providers",
    [
        pytest.param([SECOND, {**SECOND, "id": "broken", "config": {}}], id="one-invalid"),
        pytest.param([{**SECOND, "config": {}}], id="all-invalid"),
        pytest.param([SECOND, SECOND], id="twice"),
    ],
)
def test_FC17_one_invalid_provider_makes_the_chain_invalid(providers: list[dict[str, object]]) -> None:
    setup = Setup(fakes.ACCEPTED, providers=providers)

    assert isinstance(setup.fail(), ProjectSmtpInvalid)
    assert setup.asked() == (0, 0)


def test_FC17_providers_of_equal_priority_are_ordered_by_id() -> None:
    providers = [{**SECOND, "id": name, "config": {"apiKey": f"key-of-{name}"}} for name in ("b", "a")]
    setup = Setup(GREYLISTED, GREYLISTED, providers=providers)
    setup.send()

    keys = [
        send.account.api_key.reveal() for send in setup.service.api.sends if isinstance(send.account, SendgridAccount)
    ]
    assert keys == ["key-of-a", "key-of-b"]


# -- records, answers, events and metrics -----------------------------------------------------------------------------

PASSED_OVER = [{"provider": "smtp", "result": "deferred", "cause": "reply", "code": 450}]


def test_every_attempt_is_in_the_record_with_its_provider() -> None:
    record = Setup(GREYLISTED).send().record

    attempts = shown(email_view(record))["attempts"]
    assert isinstance(attempts, list)
    assert [(each["provider"], each["transport"], each["result"]) for each in attempts] == [
        ("smtp", "project-smtp", "deferred"),
        ("backup", "project-sendgrid", "accepted"),
    ]


def test_the_answer_and_the_history_name_the_failed_providers() -> None:
    report = Setup(GREYLISTED).send()

    assert shown(send_view(report))["failovers"] == PASSED_OVER
    assert shown(email_view(report.record))["failovers"] == PASSED_OVER


def test_an_answer_without_a_failover_has_no_failovers_member() -> None:
    assert "failovers" not in shown(send_view(Setup(fakes.ACCEPTED).send()))


def test_the_event_names_the_failed_providers() -> None:
    setup = Setup(GREYLISTED)
    setup.send()

    assert [event.detail["failovers"] for event in setup.service.events.events] == [PASSED_OVER]


def test_a_failover_is_counted() -> None:
    report = Setup(GREYLISTED).send()

    assert observe_report(report).counts[Metric.FAILOVERS] == 1


def test_an_unsuccessful_failover_is_counted_and_shown() -> None:
    setup = Setup(GREYLISTED, REFUSED)
    setup.service.drafts.failing = True

    error = setup.fail()

    assert observe_error(error).counts[Metric.FAILOVERS] == 1
    assert shown(problem_document(error, instance="request-1"))["failovers"] == PASSED_OVER


def test_new_credentials_do_not_bypass_another_provider_s_daily_limit() -> None:
    rejected = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))
    providers = json.dumps([SECOND])
    before = entries(smtpDailyLimit="1", emailProviders=providers)
    after = entries(smtpDailyLimit="1", emailProviders=providers, smtpPassword="new")
    setup = Setup(fakes.ACCEPTED, rejected)
    setup.service.secrets.answers[ACME] = fakes.secret(before)
    setup.service.secrets.refreshed[ACME] = fakes.secret(after, "version-2")
    setup.send()
    setup.fail()

    assert setup.asked() == (1, 2)
