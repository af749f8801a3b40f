"""Changes over the API: entries become current only after the relay has accepted them; held messages are released."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from mailer.errors import ConfigurationChanged, ProjectSmtpDisabled, ProjectSmtpInvalid, SecretsUnavailable
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
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, NOW, VALID_ENTRIES, entries, settings

NO_VALUE = SecretUnusable(Problem("secret-without-value", "Store its entries."))


@dataclass
class Stage:
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
        """The current version's entries."""
        answer = self.secrets.answers[ACME]
        assert isinstance(answer, SecretPresent)
        entries: dict[str, object] = json.loads(answer.text.reveal())
        return entries


def stage(answer: SecretAnswer) -> Stage:
    return Stage(fakes.FakeSecretStore({ACME: answer}))


def test_accepted_entries_become_current_and_verified() -> None:
    here = Stage()

    view = here.put(smtpFromName="Acme")

    assert isinstance(view, ConfigurationView)
    assert (view.state, view.version_id, view.checked_at, view.held) == (
        ConfigurationState.VERIFIED,
        "promoted-1",
        NOW.timestamp(),
        0,
    )
    assert view.entries["smtpPassword"] == {"set": True}
    assert here.text == {**VALID_ENTRIES, "smtpFromName": "Acme", "database": "x"}


def test_the_health_is_recorded_and_published_and_a_release_requested() -> None:
    here = Stage()
    here.put()

    assert here.ledger.health(ACME) == Health(HealthState.VERIFIED, "promoted-1", NOW.timestamp())
    assert here.events.names == ["ProjectSmtpVerified"]
    assert here.validations.sends == [ValidationRequest((ACME,))]


@pytest.mark.parametrize("answer", [SecretAbsent(), NO_VALUE])
def test_a_project_without_a_value_gets_its_first(answer: SecretAnswer) -> None:
    here = stage(answer)
    here.put()

    assert here.text == VALID_ENTRIES


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
    here = Stage(probe=fakes.FakeProbe(failure))

    refused = here.put()

    assert isinstance(refused, Refused)
    assert (refused.error.code, refused.error.failure) == (code, failure)
    assert CheckStatus.FAILED in {check.status for check in refused.report.checks}
    assert (here.writer.promoted, here.events.names, here.validations.sends) == ([], [], [])


def test_invalid_entries_are_named_and_no_relay_is_probed() -> None:
    here = Stage()

    refused = here.put(smtpPort="mail", smtpFromAddress="no-at-sign")

    assert isinstance(refused, Refused)
    assert [problem.entry for problem in refused.error.problems] == ["smtpFromAddress", "smtpPort"]
    assert (here.writer.promoted, here.probe.probes) == ([], [])


def test_SH7_SH16_the_stored_password_never_meets_a_new_host() -> None:
    here = Stage()

    refused = here.put(smtpHost="mail.evil.example", smtpPassword={"set": True})

    assert isinstance(refused, Refused)
    assert [problem.entry for problem in refused.error.problems] == ["smtpPassword"]
    assert here.probe.probes == []


def test_a_change_that_came_second_is_not_made() -> None:
    here = Stage()
    overtaken = here.writer

    class Overtaken(MemorySecretWriter):
        """Another writer's version comes first."""

        def promote(
            self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False
        ) -> str:
            self.store.answers[project_id] = fakes.secret("{}", "theirs")
            return super().promote(project_id, text, replaces=replaces, forgets=forgets)

    here.writer = Overtaken(overtaken.store)

    with pytest.raises(ConfigurationChanged):
        here.put()
    assert here.text == {}


@pytest.mark.parametrize("change", [Stage.put, Stage.delete])
def test_FC14_a_switched_off_configuration_is_neither_read_nor_changed(change: Callable[[Stage], object]) -> None:
    here = Stage(allowed="false")

    with pytest.raises(ProjectSmtpDisabled):
        change(here)
    assert (here.secrets.reads, here.writer.promoted) == ([], [])


@pytest.mark.parametrize("change", [Stage.put, Stage.delete])
@pytest.mark.parametrize("reason", list(Unavailability))
def test_an_unavailable_secret_store_changes_nothing(change: Callable[[Stage], object], reason: Unavailability) -> None:
    here = stage(SecretUnavailable(reason))

    with pytest.raises(SecretsUnavailable):
        change(here)
    assert here.writer.promoted == []


@pytest.mark.parametrize("change", [Stage.put, Stage.delete])
@pytest.mark.parametrize("code", ["secret-scheduled-for-deletion", "secret-binary"])
def test_a_secret_that_is_scheduled_for_deletion_is_refused(change: Callable[[Stage], object], code: str) -> None:
    here = stage(SecretUnusable(Problem(code, "Restore it.")))

    with pytest.raises(ProjectSmtpInvalid) as refused:
        change(here)
    assert [problem.code for problem in refused.value.problems] == [code]


def test_a_change_counts_although_its_health_cannot_be_recorded() -> None:
    here = Stage()
    here.ledger.failing = True

    view = here.put()

    assert isinstance(view, ConfigurationView)
    assert (view.state, view.held) == (ConfigurationState.VERIFIED, None)
    assert here.validations.sends == [ValidationRequest((ACME,))]


def test_removing_leads_back_to_the_server_and_keeps_what_is_not_mail() -> None:
    here = Stage()

    view = here.delete()

    assert (view.state, view.version_id) == (ConfigurationState.SERVER, "promoted-1")
    assert here.text == {"database": "x"}
    assert here.validations.sends == [ValidationRequest((ACME,))]


def test_the_credentials_of_a_removed_configuration_are_gone() -> None:
    here = Stage()
    here.delete()

    assert here.writer.forgotten == ["version-1"]


@pytest.mark.parametrize("answer", [NO_VALUE, fakes.secret("not json"), fakes.secret(entries(smtpPort="x"))])
def test_a_broken_configuration_can_be_removed(answer: SecretAnswer) -> None:
    here = stage(answer)

    assert here.delete().state is ConfigurationState.SERVER
    assert here.text == {}


def test_removing_without_a_secret_changes_nothing() -> None:
    here = stage(SecretAbsent())

    assert here.delete().state is ConfigurationState.SERVER
    assert here.writer.promoted == []


def test_nothing_of_a_change_shows_a_value() -> None:
    here = Stage()
    refusing = Stage(probe=fakes.FakeProbe(Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "no"))))

    assert canaries.found_in(f"{here.put()!r} {refusing.put()!r} {here.events!r} {here.delete()!r}") == []
