"""Failover: what each outcome of the first provider means for the second; the server transport is never asked."""

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
from mailer.service.sending.send_email import SendReport
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
from tests.support.post_office import PostOffice
from tests.support.projects import ACME, entries, settings
from tests.support.provider_stage import ADA, BOB, DRAFT
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
class Scene:
    """A project with a relay and, after it, SendGrid."""

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
        self.post = PostOffice(
            secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(secret)}),
            relay=relay,
            api=fakes.FakeApiTransport(verdict=self.second),
        )

    def send(self, draft: Draft = DRAFT) -> SendReport:
        report = self.post.send(draft)
        assert isinstance(report, SendReport)
        return report

    def fail(self, draft: Draft = DRAFT) -> MailerError:
        with pytest.raises(MailerError) as caught:
            self.post.send(draft)
        return caught.value

    def deliver(self, draft: Draft = DRAFT) -> Delivered:
        return self.post.deliver(self.post.accept(draft))

    def asked(self) -> tuple[int, int]:
        """How often each provider was asked; the server never is."""
        assert self.post.server.requests == []
        return len(self.post.relay.sends), len(self.post.api.sends)


# -- the first provider's outcome, and what the second sees -----------------------------------------------------------


@pytest.mark.parametrize("verdict", PROVABLY_NOT_ACCEPTED)
def test_DU12_what_provably_was_not_accepted_goes_to_the_next(verdict: Verdict) -> None:
    scene = Scene(verdict)

    report = scene.send()

    assert (scene.asked(), report.status) == ((1, 1), State.SENT)
    assert report.transport.value == "project-sendgrid"


@pytest.mark.parametrize("verdict", PROVABLY_NOT_ACCEPTED)
def test_DU12_and_so_it_does_from_the_queue(verdict: Verdict) -> None:
    scene = Scene(verdict)

    delivered = scene.deliver()

    assert scene.asked() == (1, 1)
    assert delivered.record is not None
    assert (delivered.record.state, delivered.failovers) == (State.SENT, 1)


@pytest.mark.parametrize("verdict", UNKNOWNS)
def test_DU11_after_an_unknown_outcome_no_other_provider_is_asked(verdict: Verdict) -> None:
    scene = Scene(verdict)

    report = scene.send()

    assert (scene.asked(), report.status, report.record.failovers) == ((1, 0), State.UNKNOWN, ())


@pytest.mark.parametrize("verdict", UNKNOWNS)
def test_DU11_nor_from_the_queue(verdict: Verdict) -> None:
    scene = Scene(verdict)

    delivered = scene.deliver()

    assert scene.asked() == (1, 0)
    assert delivered.record is not None
    assert delivered.record.state is State.UNKNOWN


def test_what_was_accepted_goes_nowhere_else() -> None:
    scene = Scene(fakes.ACCEPTED)

    assert (scene.send().status, scene.asked()) == (State.SENT, (1, 0))


def test_what_was_rejected_goes_nowhere_else() -> None:
    scene = Scene(REFUSED)

    assert (scene.fail().code, scene.asked()) == ("recipients-rejected", (1, 0))


def test_only_pending_recipients_go_to_the_next_provider_and_the_answer_lists_all() -> None:
    scene = Scene(Attempt({ADA.address: fakes.ACCEPTED, BOB.address: GREYLISTED}))

    report = scene.send(BOTH)

    assert scene.post.api.sends[0].letter.message.recipients == (BOB.address,)
    assert (report.status, scene.asked()) == (State.SENT, (1, 1))
    assert {str(each) for each, verdict in report.verdicts.items() if isinstance(verdict, Accepted)} == {
        "ada@example.net",
        "bob@example.net",
    }


def test_one_unknown_recipient_keeps_the_others_from_the_next() -> None:
    scene = Scene(Attempt({ADA.address: LOST, BOB.address: GREYLISTED}))
    scene.send(BOTH)

    assert scene.asked() == (1, 0)


def test_an_error_after_a_failover_lists_every_recipient() -> None:
    scene = Scene(Attempt({ADA.address: REFUSED, BOB.address: GREYLISTED}), REFUSED)

    document = shown(problem_document(scene.fail(BOTH), instance="request-1"))

    rejected = document["rejected"]
    assert isinstance(rejected, list)
    assert [each["recipient"] for each in rejected] == ["ada@example.net", "bob@example.net"]


def test_DU16_every_provider_gets_the_same_octets() -> None:
    scene = Scene(GREYLISTED)
    scene.send()

    octets = {send.message.as_bytes() for send in scene.post.relay.sends}
    assert octets == {send.letter.message.as_bytes() for send in scene.post.api.sends}


def test_where_every_provider_defers_the_message_waits_and_the_server_is_not_asked() -> None:
    scene = Scene(GREYLISTED, GREYLISTED)

    report = scene.send()

    assert (report.status, scene.asked()) == (State.DEFERRED, (1, 1))


def test_where_the_second_s_outcome_is_unknown_so_is_the_message_s() -> None:
    scene = Scene(GREYLISTED, LOST)

    assert (scene.send().status, scene.asked()) == (State.UNKNOWN, (1, 1))


# -- the configuration ------------------------------------------------------------------------------------------------


def test_FC15_switched_off_between_two_attempts_the_server_is_not_asked_after_an_unknown_one() -> None:
    scene = Scene(LOST)
    record = scene.send().record
    scene.post.settings = settings(ALLOW_PROJECT_SMTP="false")
    scene.post.advance(4000.0)
    scene.post.deliver(record)

    assert scene.asked() == (1, 0)


@pytest.mark.parametrize("preferred", ["no-at-sign", "BACKUP", "backup "])
def test_FC16_a_preferred_provider_outside_the_chain_is_refused_without_an_attempt(preferred: str) -> None:
    scene = Scene(fakes.ACCEPTED)

    assert scene.fail(replace(DRAFT, preferred_provider=preferred)).code == "invalid-request"
    assert scene.asked() == (0, 0)


def test_FC16_a_provider_that_is_not_enabled_cannot_be_preferred() -> None:
    scene = Scene(fakes.ACCEPTED, providers=[{**SECOND, "enabled": False}])

    assert scene.fail(replace(DRAFT, preferred_provider="backup")).code == "invalid-request"
    assert scene.asked() == (0, 0)


def test_a_preferred_provider_is_asked_first_and_the_others_after_it() -> None:
    scene = Scene(fakes.ACCEPTED, GREYLISTED)

    report = scene.send(replace(DRAFT, preferred_provider="backup"))

    assert (scene.asked(), report.record.failovers[0].provider) == ((1, 1), "backup")


@pytest.mark.parametrize(
    "providers",
    [
        pytest.param([SECOND, {**SECOND, "id": "broken", "config": {}}], id="one-invalid"),
        pytest.param([{**SECOND, "config": {}}], id="all-invalid"),
        pytest.param([SECOND, SECOND], id="twice"),
    ],
)
def test_FC17_a_chain_with_an_invalid_provider_is_invalid_as_a_whole(providers: list[dict[str, object]]) -> None:
    scene = Scene(fakes.ACCEPTED, providers=providers)

    assert isinstance(scene.fail(), ProjectSmtpInvalid)
    assert scene.asked() == (0, 0)


def test_FC17_equal_priorities_are_in_the_order_of_their_ids() -> None:
    providers = [{**SECOND, "id": name, "config": {"apiKey": f"key-of-{name}"}} for name in ("b", "a")]
    scene = Scene(GREYLISTED, GREYLISTED, providers=providers)
    scene.send()

    keys = [send.account.api_key.reveal() for send in scene.post.api.sends if isinstance(send.account, SendgridAccount)]
    assert keys == ["key-of-a", "key-of-b"]


# -- what is told of it -----------------------------------------------------------------------------------------------

PASSED_OVER = [{"provider": "smtp", "result": "deferred", "cause": "reply", "code": 450}]


def test_every_attempt_is_in_the_record_with_its_provider() -> None:
    record = Scene(GREYLISTED).send().record

    attempts = shown(email_view(record))["attempts"]
    assert isinstance(attempts, list)
    assert [(each["provider"], each["transport"], each["result"]) for each in attempts] == [
        ("smtp", "project-smtp", "deferred"),
        ("backup", "project-sendgrid", "accepted"),
    ]


def test_the_answer_and_the_history_name_the_failed_providers() -> None:
    report = Scene(GREYLISTED).send()

    assert shown(send_view(report))["failovers"] == PASSED_OVER
    assert shown(email_view(report.record))["failovers"] == PASSED_OVER


def test_an_answer_without_a_failover_says_nothing_of_it() -> None:
    assert "failovers" not in shown(send_view(Scene(fakes.ACCEPTED).send()))


def test_the_event_names_the_failed_providers() -> None:
    scene = Scene(GREYLISTED)
    scene.send()

    assert [event.detail["failovers"] for event in scene.post.events.events] == [PASSED_OVER]


def test_a_failover_is_counted() -> None:
    report = Scene(GREYLISTED).send()

    assert observe_report(report).counts[Metric.FAILOVERS] == 1


def test_a_failover_that_led_nowhere_is_counted_and_shown_too() -> None:
    error = Scene(GREYLISTED, REFUSED).fail()

    assert observe_error(error).counts[Metric.FAILOVERS] == 1
    assert shown(problem_document(error, instance="request-1"))["failovers"] == PASSED_OVER


def test_new_credentials_are_no_way_past_another_provider_s_daily_limit() -> None:
    rejected = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))
    providers = json.dumps([SECOND])
    before = entries(smtpDailyLimit="1", emailProviders=providers)
    after = entries(smtpDailyLimit="1", emailProviders=providers, smtpPassword="new")
    scene = Scene(fakes.ACCEPTED, rejected)
    scene.post.secrets.answers[ACME] = fakes.secret(before)
    scene.post.secrets.refreshed[ACME] = fakes.secret(after, "version-2")
    scene.send()
    scene.fail()

    assert scene.asked() == (1, 2)
