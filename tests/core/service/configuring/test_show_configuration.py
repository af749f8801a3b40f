"""The configuration as admins see it: the current secret, and the result of its last validation."""

import json
from dataclasses import dataclass, field

import pytest
from mailer.ledger.health import Health, HealthState
from mailer.ledger.record import RecipientRecord, Record, State
from mailer.message.address import Address
from mailer.problem import Problem
from mailer.secret.resolution import SecretAbsent, SecretAnswer, SecretUnavailable, SecretUnusable, Unavailability
from mailer.service.configuring.show_configuration import ConfigurationState, ConfigurationView, show_configuration

from tests import fakes
from tests.ledger_fakes import MemoryLedger
from tests.support import canaries
from tests.support.projects import ACME, entries, settings

THEN = 1_000_000.0
REJECTED = Problem("relay-auth-rejected", "Type the password again.", entry="smtpPassword")


@dataclass
class Setup:
    """A project with a secret, and the health in the ledger."""

    answer: SecretAnswer = field(default_factory=lambda: fakes.secret(entries()))
    allowed: str = "true"
    ledger: MemoryLedger = field(default_factory=MemoryLedger)

    def show(self) -> ConfigurationView:
        return show_configuration(
            ACME,
            settings=settings(ALLOW_PROJECT_SMTP=self.allowed),
            secrets=fakes.FakeSecretStore({ACME: self.answer}),
            ledger=self.ledger,
            deadline=24.0,
        )

    def found(self, state: HealthState, version_id: str | None = "version-1", **findings: tuple[Problem, ...]) -> None:
        self.ledger.save_health(ACME, Health(state, version_id, THEN, **findings))


@pytest.mark.parametrize(
    ("answer", "allowed", "state"),
    [
        (SecretAbsent(), "true", ConfigurationState.SERVER),
        (fakes.secret('{"smtpUsername": "x"}'), "true", ConfigurationState.SERVER),
        (fakes.secret(entries()), "true", ConfigurationState.UNVERIFIED),
        (fakes.secret(entries()), "false", ConfigurationState.DISABLED_BY_OPERATOR),
        (fakes.secret(entries(smtpPort="x")), "true", ConfigurationState.INVALID),
        (fakes.secret("{"), "true", ConfigurationState.INVALID),
        (SecretUnavailable(Unavailability.TIMEOUT), "true", ConfigurationState.UNAVAILABLE),
    ],
)
def test_the_state_is_one_word(answer: SecretAnswer, allowed: str, state: ConfigurationState) -> None:
    assert Setup(answer, allowed).show().state is state


@pytest.mark.parametrize("found", list(HealthState))
@pytest.mark.parametrize(
    ("answer", "allowed", "state"),
    [
        (SecretAbsent(), "true", ConfigurationState.SERVER),
        (fakes.secret(entries()), "false", ConfigurationState.DISABLED_BY_OPERATOR),
        (fakes.secret(entries(smtpPort="x")), "true", ConfigurationState.INVALID),
        (SecretUnavailable(Unavailability.TIMEOUT), "true", ConfigurationState.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("version_id", [None, "version-1"])
def test_the_secret_overrides_a_recorded_health(
    found: HealthState, answer: SecretAnswer, allowed: str, state: ConfigurationState, version_id: str | None
) -> None:
    setup = Setup(answer, allowed)
    setup.found(found, version_id)

    assert setup.show().state is state


def test_a_validation_of_the_same_version_verifies_it() -> None:
    setup = Setup()
    setup.found(HealthState.VERIFIED)

    view = setup.show()

    assert (view.state, view.checked_at, view.problems) == (ConfigurationState.VERIFIED, THEN, ())


def test_a_validation_of_another_version_is_ignored() -> None:
    setup = Setup()
    setup.found(HealthState.VERIFIED, "version-0")

    view = setup.show()

    assert (view.state, view.checked_at) == (ConfigurationState.UNVERIFIED, None)


def test_refused_credentials_make_the_state_invalid_and_show_the_problems() -> None:
    setup = Setup()
    setup.found(HealthState.INVALID, problems=(REJECTED,))

    view = setup.show()

    assert (view.state, view.problems) == (ConfigurationState.INVALID, (REJECTED,))


def test_an_unreachable_relay_is_a_warning() -> None:
    setup = Setup(fakes.secret(entries(smtpPort="25")))
    unreached = Problem("relay-not-verified", "Check the port.", entry="smtpPort")
    setup.found(HealthState.UNVERIFIED, warnings=(unreached,))

    view = setup.show()

    assert view.state is ConfigurationState.UNVERIFIED
    assert view.warnings[0] == unreached
    assert "port-25-blocked" in [warning.code for warning in view.warnings]


def test_the_time_of_a_problem_s_validation_is_shown() -> None:
    setup = Setup(fakes.secret(entries(smtpPort="x")))
    setup.found(HealthState.INVALID)

    assert setup.show().checked_at == THEN


@pytest.mark.parametrize(
    ("answer", "version_id", "found"),
    [
        (fakes.secret(entries(smtpPort="x")), "version-1", HealthState.VERIFIED),
        (SecretUnusable(Problem("secret-binary", "Store entries.")), None, HealthState.SERVER),
    ],
)
def test_a_problem_is_not_dated_by_another_validation(
    answer: SecretAnswer, version_id: str | None, found: HealthState
) -> None:
    setup = Setup(answer)
    setup.found(found, version_id)

    view = setup.show()

    assert (view.state, view.checked_at) == (ConfigurationState.INVALID, None)


def test_the_held_messages_are_counted() -> None:
    setup = Setup()
    for number, state in enumerate([State.HELD, State.HELD, State.SENT]):
        recipients = (RecipientRecord(Address("ada", "example.net")),)
        setup.ledger.insert(Record(str(number), ACME, state, THEN, THEN, THEN + 60, recipients))

    assert setup.show().held == 2


def test_an_unavailable_ledger_hides_no_part_of_the_configuration() -> None:
    setup = Setup()
    setup.ledger.failing = True

    view = setup.show()

    assert (view.state, view.held, view.checked_at) == (ConfigurationState.UNVERIFIED, None, None)
    assert view.entries["smtpHost"] == "mail.acme.example"


def test_the_entries_are_shown_and_the_password_never() -> None:
    view = Setup(fakes.secret(entries(unrelated=canaries.TOKEN))).show()

    assert view.entries["smtpHost"] == "mail.acme.example"
    assert view.entries["smtpPassword"] == {"set": True}
    assert canaries.found_in(json.dumps(dict(view.entries)) + repr(view)) == []
