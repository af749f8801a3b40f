"""The validation of a project: the health that follows from the checks, its record and its event."""

from dataclasses import dataclass, field

import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.health import Health, HealthState
from mailer.problem import Problem
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
class Stage:
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


def test_a_relay_that_takes_the_sender_is_verified() -> None:
    stage = Stage()

    update = stage.validate()

    assert update == HealthUpdate(Health(HealthState.VERIFIED, "version-1", NOW), is_news=True)
    assert stage.ledger.health(ACME) == update.health


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
    ],
)
def test_a_permanent_refusal_makes_the_project_invalid(failure: Failure, code: str, entry: str | None) -> None:
    stage = Stage(failure=failure)

    health = stage.validate().health

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
    stage = Stage(failure=failure)

    health = stage.validate().health

    assert (health.state, health.problems) == (HealthState.UNVERIFIED, ())
    assert [warning.code for warning in health.warnings] == ["relay-not-verified"]
    assert stage.events.names == []


def test_invalid_entries_are_named() -> None:
    health = Stage(fakes.secret(entries(smtpPort="mail", smtpPassword=None))).validate().health

    assert health.state is HealthState.INVALID
    assert [problem.entry for problem in health.problems] == ["smtpPassword", "smtpPort"]
    assert health.version_id == "version-1"


def test_FC5_a_secret_that_is_unusable_by_design_is_invalid() -> None:
    problem = Problem("secret-scheduled-for-deletion", "Restore it.")

    health = Stage(SecretUnusable(problem)).validate().health

    assert (health.state, health.problems) == (HealthState.INVALID, (problem,))


@pytest.mark.parametrize("answer", [SecretUnavailable(reason) for reason in Unavailability])
def test_FC2_FC3_an_unavailable_secret_store_records_no_health(answer: SecretAnswer) -> None:
    stage = Stage()
    known = stage.validate().health
    stage.answer = answer

    update = stage.validate(now=NOW + 60)

    assert (update.health.state, update.is_news) == (HealthState.UNAVAILABLE, False)
    assert stage.ledger.health(ACME) == known


def test_a_secret_without_a_relay_is_the_servers() -> None:
    health = Stage(fakes.secret('{"smtpUsername": "x"}')).validate().health

    assert (health.state, health.version_id) == (HealthState.SERVER, "version-1")
    assert [warning.code for warning in health.warnings] == ["entry-inactive"]


def test_a_project_that_never_had_a_secret_leaves_no_trace() -> None:
    stage = Stage(SecretAbsent())

    assert not stage.validate().is_news
    assert stage.ledger.health(ACME) is None


def test_a_deleted_secret_is_news() -> None:
    stage = Stage()
    stage.validate()
    stage.answer = SecretAbsent()

    assert stage.validate(now=NOW + 1).is_news
    assert stage.ledger.health(ACME) == Health(HealthState.SERVER, None, NOW + 1)


def test_FC14_switched_off_by_the_operator_nothing_is_read_or_written() -> None:
    stage = Stage(allowed="false")

    assert stage.validate().health.state is HealthState.SERVER
    assert (stage.ledger.health(ACME), stage.secrets.reads) == (None, [])


def test_the_secret_is_read_past_the_cache() -> None:
    stage = Stage()
    stage.validate()

    assert [read.refresh for read in stage.secrets.reads] == [True]


def test_each_new_health_is_published_once() -> None:
    stage = Stage()
    stage.validate()
    stage.validate(now=NOW + 1)
    stage.failure = reply(Phase.AUTH, 535)
    stage.validate(now=NOW + 2)
    stage.validate(now=NOW + 3)
    stage.failure = None
    stage.validate(now=NOW + 4)
    stage.answer = fakes.secret(entries(), version_id="version-2")
    stage.validate(now=NOW + 5)

    assert stage.events.names == [
        "ProjectSmtpVerified",
        "ProjectSmtpInvalid",
        "ProjectSmtpVerified",
        "ProjectSmtpVerified",
    ]


def test_the_daily_validation_finds_revoked_credentials() -> None:
    stage = Stage()
    stage.validate()
    stage.failure = reply(Phase.AUTH, 535, "5.7.8 revoked")

    update = stage.validate(now=NOW + 86_400)

    assert (update.health.state, update.is_news) == (HealthState.INVALID, True)
    assert stage.events.events[-1].detail == {
        "projectId": "acme",
        "state": "invalid",
        "versionId": "version-1",
        "problems": [{"code": "relay-auth-rejected", "entry": "smtpPassword"}],
    }


def test_an_overtaken_validation_publishes_nothing() -> None:
    stage = Stage()
    later = Health(HealthState.INVALID, "version-2", NOW + 10)
    stage.ledger.save_health(ACME, later)

    assert not stage.validate(now=NOW).is_news
    assert stage.ledger.health(ACME) == later
    assert stage.events.names == []


def test_an_unavailable_ledger_is_raised() -> None:
    stage = Stage()
    stage.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        stage.validate()
    assert stage.events.names == []


def test_no_health_contains_a_value() -> None:
    for failure in (None, reply(Phase.AUTH, 535, "no"), Failure(Phase.CONNECT, Cause.TIMEOUT)):
        stage = Stage(failure=failure)

        assert canaries.found_in(repr(stage.validate()) + repr(stage.events)) == []
