"""The validation of a project: its checks decide the health, which is recorded and published."""

from dataclasses import dataclass, field

import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.health import Health, HealthState
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.secret.resolution import SecretAbsent, SecretAnswer, SecretUnavailable, SecretUnusable, Unavailability
from mailer.service.configuring.validate_project import HealthUpdate, validate_project
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.ledger_fakes import MemoryLedger, RecordingPublisher
from tests.support import canaries
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, entries, settings

NOW = 1_000_000.0


@dataclass
class Setup:
    """A project with a secret, a relay and a ledger."""

    answer: SecretAnswer = field(default_factory=lambda: fakes.secret(entries()))
    failure: Failure | None = None
    api: fakes.FakeApiTransport = field(default_factory=fakes.FakeApiTransport)
    allowed: str = "true"
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)

    def validate(self, *, now: float = NOW) -> HealthUpdate:
        self.secrets = fakes.FakeSecretStore({ACME: self.answer})
        ports = configuration_ports(
            chosen=settings(ALLOW_PROJECT_SMTP=self.allowed),
            secrets=self.secrets,
            probe=fakes.FakeProbe(self.failure),
            api=self.api,
            ledger=self.ledger,
            events=self.events,
        )
        return validate_project(ACME, ports=ports, now=now, deadline=NOW + 24)


def reply(phase: Phase, code: int, text: str = "") -> Failure:
    return Failure(phase, Cause.REPLY, make_reply(code, text))


def test_a_relay_that_accepts_the_sender_is_verified() -> None:
    setup = Setup()

    update = setup.validate()

    assert update == HealthUpdate(Health(HealthState.VERIFIED, "version-1", NOW), is_news=True)
    assert setup.ledger.health(ACME) == update.health


@pytest.mark.parametrize(
    ("failure", "code", "entry"),
    [
        (reply(Phase.AUTH, 535, "5.7.8 no"), "relay-auth-rejected", "smtpPassword"),
        (Failure(Phase.AUTH, Cause.AUTH_MECHANISM_UNSUPPORTED), "relay-auth-rejected", None),
        (Failure(Phase.RESOLVE, Cause.HOST_BLOCKED), "relay-host-blocked", "smtpHost"),
        (Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED), "relay-tls-failed", None),
        (Failure(Phase.STARTTLS, Cause.STARTTLS_NOT_OFFERED), "relay-tls-failed", None),
        (reply(Phase.MAIL, 550, "5.7.1 not your sender"), "relay-refuses-sender", "smtpFromAddress"),
        (reply(Phase.MAIL, 530, "5.7.0 authenticate first"), "relay-auth-rejected", None),
        (reply(Phase.MAIL, 550, "5.7.9 must be authenticated"), "relay-auth-rejected", "smtpAuth"),
        (
            reply(Phase.RCPT, 553, "5.7.1 Sender address rejected: not logged in"),
            "relay-refuses-sender",
            "smtpFromAddress",
        ),
        (reply(Phase.RCPT, 554, "5.7.1 Relay access denied"), "relay-auth-rejected", None),
    ],
)
def test_a_permanent_refusal_makes_the_project_invalid(failure: Failure, code: str, entry: str | None) -> None:
    setup = Setup(failure=failure)

    health = setup.validate().health

    (problem,) = health.problems
    assert (health.state, problem.code) == (HealthState.INVALID, code)
    assert problem.detail
    assert entry in (None, problem.entry)


@pytest.mark.parametrize(
    "failure",
    [
        Failure(Phase.RESOLVE, Cause.NAME_NOT_FOUND),
        Failure(Phase.RESOLVE, Cause.NAME_UNAVAILABLE),
        Failure(Phase.CONNECT, Cause.REFUSED),
        Failure(Phase.CONNECT, Cause.TIMEOUT),
        Failure(Phase.AUTH, Cause.CONNECTION_LOST),
        reply(Phase.GREETING, 421),
        reply(Phase.AUTH, 454, "4.7.0 later"),
        reply(Phase.MAIL, 451),
        Failure(Phase.MAIL, Cause.TIMEOUT),
    ],
)
def test_an_inconclusive_probe_leaves_the_project_unverified_with_a_warning(failure: Failure) -> None:
    setup = Setup(failure=failure)

    health = setup.validate().health

    assert (health.state, health.problems) == (HealthState.UNVERIFIED, ())
    assert [warning.code for warning in health.warnings] == ["relay-not-verified"]
    assert setup.events.names == []


def test_invalid_entries_are_named() -> None:
    health = Setup(fakes.secret(entries(smtpPort="mail", smtpPassword=None))).validate().health

    assert health.state is HealthState.INVALID
    assert [problem.entry for problem in health.problems] == ["smtpPassword", "smtpPort"]
    assert health.version_id == "version-1"


def test_FC5_a_secret_that_is_unusable_by_design_is_invalid() -> None:
    problem = Problem("secret-scheduled-for-deletion", "Restore it.")

    health = Setup(SecretUnusable(problem)).validate().health

    assert (health.state, health.problems) == (HealthState.INVALID, (problem,))


@pytest.mark.parametrize("answer", [SecretUnavailable(reason) for reason in Unavailability])
def test_FC2_FC3_an_unavailable_secret_store_records_no_health(answer: SecretAnswer) -> None:
    setup = Setup()
    known = setup.validate().health
    setup.answer = answer

    update = setup.validate(now=NOW + 60)

    assert (update.health.state, update.is_news) == (HealthState.UNAVAILABLE, False)
    assert setup.ledger.health(ACME) == known


def test_a_secret_without_a_relay_uses_the_server() -> None:
    health = Setup(fakes.secret('{"smtpUsername": "x"}')).validate().health

    assert (health.state, health.version_id) == (HealthState.SERVER, "version-1")
    assert [warning.code for warning in health.warnings] == ["entry-inactive"]


def test_a_project_that_never_had_a_secret_gets_no_health_and_no_event() -> None:
    setup = Setup(SecretAbsent())

    assert not setup.validate().is_news
    assert setup.ledger.health(ACME) is None


def test_a_deleted_secret_publishes_an_event() -> None:
    setup = Setup()
    setup.validate()
    setup.answer = SecretAbsent()

    assert setup.validate(now=NOW + 1).is_news
    assert setup.ledger.health(ACME) == Health(HealthState.SERVER, None, NOW + 1)


def test_FC14_a_disabled_project_relay_is_neither_read_nor_recorded() -> None:
    setup = Setup(allowed="false")

    assert setup.validate().health.state is HealthState.SERVER
    assert (setup.ledger.health(ACME), setup.secrets.reads) == (None, [])


def test_a_validation_bypasses_the_secret_cache() -> None:
    setup = Setup()
    setup.validate()

    assert [read.refresh for read in setup.secrets.reads] == [True]


def test_each_new_health_is_published_once() -> None:
    setup = Setup()
    setup.validate()
    setup.validate(now=NOW + 1)
    setup.failure = reply(Phase.AUTH, 535)
    setup.validate(now=NOW + 2)
    setup.validate(now=NOW + 3)
    setup.failure = None
    setup.validate(now=NOW + 4)
    setup.answer = fakes.secret(entries(), version_id="version-2")
    setup.validate(now=NOW + 5)

    assert setup.events.names == [
        "ProjectSmtpVerified",
        "ProjectSmtpInvalid",
        "ProjectSmtpVerified",
        "ProjectSmtpVerified",
    ]


def test_the_daily_validation_finds_revoked_credentials() -> None:
    setup = Setup()
    setup.validate()
    setup.failure = reply(Phase.AUTH, 535, "5.7.8 revoked")

    update = setup.validate(now=NOW + 86_400)

    assert (update.health.state, update.is_news) == (HealthState.INVALID, True)
    assert setup.events.events[-1].detail == {
        "projectId": "acme",
        "state": "invalid",
        "versionId": "version-1",
        "problems": [{"code": "relay-auth-rejected", "entry": "smtpPassword"}],
    }


def test_an_overtaken_validation_publishes_nothing() -> None:
    setup = Setup()
    later = Health(HealthState.INVALID, "version-2", NOW + 10)
    setup.ledger.save_health(ACME, later)

    assert not setup.validate(now=NOW).is_news
    assert setup.ledger.health(ACME) == later
    assert setup.events.names == []


def test_an_unavailable_ledger_is_raised() -> None:
    setup = Setup()
    setup.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        setup.validate()
    assert setup.events.names == []


def test_no_health_contains_a_value() -> None:
    for failure in (None, reply(Phase.AUTH, 535, "no"), Failure(Phase.CONNECT, Cause.TIMEOUT)):
        setup = Setup(failure=failure)

        assert canaries.found_in(repr(setup.validate()) + repr(setup.events)) == []


def test_a_validated_project_is_known() -> None:
    setup = Setup()
    setup.validate()

    assert setup.ledger.projects_like(ProjectId(ACME.upper())) == (ACME,)


def test_a_project_without_any_secret_is_not_known_after_a_validation() -> None:
    setup = Setup(answer=SecretAbsent())
    setup.validate()

    assert setup.ledger.projects_like(ACME) == ()
