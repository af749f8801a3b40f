"""Changes over the API: the relay must accept the entries before they become current."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from mailer.errors import (
    ConfigurationChanged,
    LedgerUnavailable,
    ProjectSmtpDisabled,
    ProjectSmtpInvalid,
    SecretsUnavailable,
)
from mailer.ledger.health import Health, HealthState
from mailer.ports import ConfigurationPorts
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import (
    SecretAbsent,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    Unavailability,
)
from mailer.service.configuring.change_configuration import (
    Refused,
    remove_configuration,
    replace_configuration,
)
from mailer.service.configuring.show_configuration import ConfigurationState, ConfigurationView
from mailer.service.configuring.validation_report import CheckStatus
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.ledger_fakes import (
    MemoryLedger,
    MemorySecretWriter,
    MemoryValidationQueue,
    RecordingPublisher,
    ValidationRequest,
)
from tests.support import canaries
from tests.support.config_function import OvertakenWriter
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, NOW, VALID_ENTRIES, entries, settings

NO_VALUE = SecretUnusable(Problem("secret-without-value", "Store its entries."))


@dataclass
class Setup:
    """A project's secret, its relay, and the ports that a change uses."""

    secrets: fakes.FakeSecretStore = field(default_factory=fakes.FakeSecretStore)
    probe: fakes.FakeProbe = field(default_factory=fakes.FakeProbe)
    api: fakes.FakeApiTransport = field(default_factory=fakes.FakeApiTransport)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)
    validations: MemoryValidationQueue = field(default_factory=MemoryValidationQueue)
    allowed: str = "true"

    def __post_init__(self) -> None:
        self.writer = MemorySecretWriter(self.secrets)
        self.secrets.answers.setdefault(ACME, fakes.secret(entries(database="x")))

    @property
    def ports(self) -> ConfigurationPorts:
        return configuration_ports(
            chosen=settings(ALLOW_PROJECT_SMTP=self.allowed),
            secrets=self.secrets,
            writer=self.writer,
            probe=self.probe,
            api=self.api,
            ledger=self.ledger,
            events=self.events,
            validations=self.validations,
        )

    def put(self, **changes: object) -> ConfigurationView | Refused:
        given = {**VALID_ENTRIES, **changes}
        return replace_configuration(ACME, given, ports=self.ports, deadline=24.0)

    def delete(self) -> ConfigurationView:
        return remove_configuration(ACME, ports=self.ports, deadline=24.0)

    @property
    def text(self) -> dict[str, object]:
        """The text of the current version."""
        answer = self.secrets.answers[ACME]
        assert isinstance(answer, SecretPresent)
        entries: dict[str, object] = json.loads(answer.text.reveal())
        return entries


def make_setup(answer: SecretAnswer) -> Setup:
    return Setup(fakes.FakeSecretStore({ACME: answer}))


def test_accepted_entries_become_current_and_verified() -> None:
    setup = Setup()

    view = setup.put(smtpFromName="Acme")

    assert isinstance(view, ConfigurationView)
    assert (view.state, view.version_id, view.checked_at, view.held) == (
        ConfigurationState.VERIFIED,
        "promoted-1",
        NOW.timestamp(),
        0,
    )
    assert view.entries["smtpPassword"] == {"set": True}
    assert setup.text == {**VALID_ENTRIES, "smtpFromName": "Acme", "database": "x"}


def test_a_change_records_health_publishes_it_and_requests_a_release() -> None:
    setup = Setup()
    setup.put()

    assert setup.ledger.health(ACME) == Health(HealthState.VERIFIED, "promoted-1", NOW.timestamp())
    assert setup.events.names == ["ProjectSmtpVerified"]
    assert setup.validations.sends == [ValidationRequest((ACME,))]


@pytest.mark.parametrize("answer", [SecretAbsent(), NO_VALUE])
def test_a_project_without_a_secret_value_gets_its_first_value(answer: SecretAnswer) -> None:
    setup = make_setup(answer)
    setup.put()

    assert setup.text == VALID_ENTRIES


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no")), "relay-auth-rejected"),
        (Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED), "relay-tls-failed"),
        (Failure(Phase.RESOLVE, Cause.HOST_BLOCKED), "relay-host-blocked"),
        (Failure(Phase.CONNECT, Cause.REFUSED), "relay-unreachable"),
        (Failure(Phase.MAIL, Cause.REPLY, make_reply(451, "4.3.0 later")), "relay-deferred"),
        (Failure(Phase.MAIL, Cause.REPLY, make_reply(550, "5.7.1 not yours")), "project-smtp-invalid"),
    ],
)
def test_entries_that_the_relay_refuses_are_not_stored(failure: Failure, code: str) -> None:
    setup = Setup(probe=fakes.FakeProbe(failure))

    refused = setup.put()

    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.error.failure) == (code, failure)
    assert CheckStatus.FAILED in {check.status for check in refused.report.checks}
    assert (setup.writer.promoted, setup.events.names, setup.validations.sends) == ([], [], [])


def test_invalid_entries_are_named_and_no_relay_is_probed() -> None:
    setup = Setup()

    refused = setup.put(smtpPort="mail", smtpFromAddress="no-at-sign")

    assert isinstance(refused, Refused)
    assert [problem.entry for problem in refused.error.problems] == ["smtpFromAddress", "smtpPort"]
    assert (setup.writer.promoted, setup.probe.probes) == ([], [])


def test_SH7_SH16_the_stored_password_is_not_sent_to_a_new_host() -> None:
    setup = Setup()

    refused = setup.put(smtpHost="mail.evil.example", smtpPassword={"set": True})

    assert isinstance(refused, Refused)
    assert [problem.entry for problem in refused.error.problems] == ["smtpPassword"]
    assert setup.probe.probes == []


def test_the_second_of_two_concurrent_changes_is_refused() -> None:
    setup = Setup()
    overtaken = setup.writer

    class Overtaken(MemorySecretWriter):
        """Another writer stores a version first."""

        def promote(
            self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False
        ) -> str:
            self.store.answers[project_id] = fakes.secret("{}", "theirs")
            return super().promote(project_id, text, replaces=replaces, forgets=forgets)

    setup.writer = Overtaken(overtaken.store)

    with pytest.raises(ConfigurationChanged):
        setup.put()
    assert setup.text == {}


@pytest.mark.parametrize("change", [Setup.put, Setup.delete])
def test_FC14_a_disabled_configuration_is_neither_read_nor_changed(change: Callable[[Setup], object]) -> None:
    setup = Setup(allowed="false")

    with pytest.raises(ProjectSmtpDisabled):
        change(setup)
    assert (setup.secrets.reads, setup.writer.promoted) == ([], [])


@pytest.mark.parametrize("change", [Setup.put, Setup.delete])
@pytest.mark.parametrize("reason", list(Unavailability))
def test_an_unavailable_secret_store_changes_nothing(change: Callable[[Setup], object], reason: Unavailability) -> None:
    setup = make_setup(SecretUnavailable(reason))

    with pytest.raises(SecretsUnavailable):
        change(setup)
    assert setup.writer.promoted == []


@pytest.mark.parametrize("change", [Setup.put, Setup.delete])
@pytest.mark.parametrize("code", ["secret-scheduled-for-deletion", "secret-binary"])
def test_a_secret_that_is_scheduled_for_deletion_is_refused(change: Callable[[Setup], object], code: str) -> None:
    setup = make_setup(SecretUnusable(Problem(code, "Restore it.")))

    with pytest.raises(ProjectSmtpInvalid) as refused:
        change(setup)
    assert [problem.code for problem in refused.value.problems] == [code]


def test_a_change_succeeds_even_if_its_health_cannot_be_recorded() -> None:
    setup = Setup()

    def fail_after_the_announcement(point: str) -> None:
        setup.ledger.failing = point == "after ledger.save_epoch"

    setup.ledger.failpoint = fail_after_the_announcement
    view = setup.put()

    assert isinstance(view, ConfigurationView)
    assert (view.state, view.held) == (ConfigurationState.VERIFIED, None)
    assert setup.validations.sends == [ValidationRequest((ACME,))]


@pytest.mark.parametrize("change", [Setup.put, Setup.delete])
def test_a_change_that_cannot_be_announced_stores_nothing(change: Callable[[Setup], object]) -> None:
    setup = Setup()
    setup.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        change(setup)
    assert setup.writer.promoted == []


def test_a_change_reports_its_version_to_every_function() -> None:
    setup = Setup()
    setup.put()

    epoch = setup.ledger.epoch(ACME)
    assert (epoch.version_id, epoch.replaced, epoch.pending) == ("promoted-1", ("version-1",), ())


def test_a_change_that_was_not_made_is_withdrawn() -> None:
    setup = Setup()
    setup.writer = OvertakenWriter(setup.secrets)

    with pytest.raises(ConfigurationChanged):
        setup.put()
    epoch = setup.ledger.epoch(ACME)
    assert (epoch.version_id, epoch.pending) == (None, ())


def test_a_change_stays_pending_if_it_is_not_known_whether_it_was_made() -> None:
    setup = Setup()
    setup.writer.failing = True

    with pytest.raises(SecretsUnavailable):
        setup.put()
    assert setup.ledger.epoch(ACME).is_pending(now=NOW.timestamp())


def test_removing_returns_to_the_server_and_keeps_other_entries() -> None:
    setup = Setup()

    view = setup.delete()

    assert (view.state, view.version_id) == (ConfigurationState.SERVER, "promoted-1")
    assert setup.text == {"database": "x"}
    assert setup.validations.sends == [ValidationRequest((ACME,))]


def test_removing_a_configuration_deletes_its_credentials() -> None:
    setup = Setup()
    setup.delete()

    assert setup.writer.forgotten == ["version-1"]


@pytest.mark.parametrize("answer", [NO_VALUE, fakes.secret(entries(smtpPort="x"))])
def test_a_broken_configuration_can_be_removed(answer: SecretAnswer) -> None:
    setup = make_setup(answer)

    assert setup.delete().state is ConfigurationState.SERVER
    assert setup.text == {}


def test_a_secret_that_cannot_be_decoded_is_neither_replaced_nor_removed() -> None:
    setup = make_setup(fakes.secret('{"database": "x",}'))

    refused = setup.put()

    assert isinstance(refused, Refused)
    assert [(refused.error.code, each.code) for each in refused.error.problems] == [
        ("project-smtp-invalid", "secret-not-json")
    ]
    with pytest.raises(ProjectSmtpInvalid) as raised:
        setup.delete()
    assert [problem.code for problem in raised.value.problems] == ["secret-not-json"]
    assert (setup.writer.promoted, setup.probe.probes) == ([], [])


@pytest.mark.parametrize("change", [Setup.put, Setup.delete])
def test_mail_that_is_switched_off_stays_off(change: Callable[[Setup], object]) -> None:
    setup = make_setup(fakes.secret(entries(emailEnabled="false")))

    view = change(setup)

    assert isinstance(view, ConfigurationView)
    assert (view.state, [problem.code for problem in view.problems]) == (
        ConfigurationState.INVALID,
        ["email-disabled"],
    )
    assert view.entries["emailEnabled"] == setup.text["emailEnabled"] == "false"
    health = setup.ledger.health(ACME)
    assert health is not None
    assert (health.state, health.version_id) == (HealthState.INVALID, "promoted-1")


def test_mail_is_switched_off_although_the_relay_does_not_answer() -> None:
    setup = Setup(probe=fakes.FakeProbe(Failure(Phase.CONNECT, Cause.TIMEOUT)))

    view = setup.put(emailEnabled="false")

    assert isinstance(view, ConfigurationView)
    assert (view.state, view.version_id) == (ConfigurationState.INVALID, "promoted-1")
    assert setup.text == {**VALID_ENTRIES, "emailEnabled": "false", "database": "x"}


def test_mail_is_switched_on_again_after_the_relay_has_accepted_the_entries() -> None:
    setup = make_setup(fakes.secret(entries(emailEnabled="false")))

    view = setup.put(emailEnabled="true")

    assert isinstance(view, ConfigurationView)
    assert (view.state, len(setup.probe.probes)) == (ConfigurationState.VERIFIED, 1)


def test_invalid_entries_are_refused_although_mail_is_off() -> None:
    setup = make_setup(fakes.secret(entries(emailEnabled="false")))

    refused = setup.put(smtpPort="mail")

    assert isinstance(refused, Refused)
    assert [problem.entry for problem in refused.error.problems] == ["smtpPort"]


def test_removing_without_a_secret_changes_nothing() -> None:
    setup = make_setup(SecretAbsent())

    assert setup.delete().state is ConfigurationState.SERVER
    assert setup.writer.promoted == []


def test_no_result_of_a_change_shows_a_value() -> None:
    setup = Setup()
    refusing = Setup(probe=fakes.FakeProbe(Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "no"))))

    assert canaries.found_in(f"{setup.put()!r} {refusing.put()!r} {setup.events!r} {setup.delete()!r}") == []
