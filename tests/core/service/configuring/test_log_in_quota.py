"""The log-ins that API callers cause are limited for each project."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from mailer.errors import LedgerUnavailable, LimitReached
from mailer.message.address import parse_address
from mailer.ports import ConfigurationPorts
from mailer.project import ProjectId
from mailer.service.configuring.change_configuration import Refused, replace_configuration
from mailer.service.configuring.change_providers import add_provider
from mailer.service.configuring.change_sender import SenderChange, store_sender
from mailer.service.configuring.check_configuration import check_entries
from mailer.service.configuring.log_in_quota import CHANGES, REFUSED_CHANGES, VALIDATIONS
from mailer.service.configuring.validate_project import validate_project, validate_stored
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.core.provider_texts import CONFIGS, SENDER, item
from tests.ledger_fakes import MemoryLedger, MemorySecretWriter
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, NOW, VALID_ENTRIES, entries

REFUSED = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))
UNREACHABLE = Failure(Phase.CONNECT, Cause.TIMEOUT)


@dataclass
class Setup:
    """A project with a relay, and ports that a test reuses, as several processes would."""

    failure: Failure | None = None
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.secrets = fakes.FakeSecretStore({ACME: fakes.secret(entries())})
        self.probe = fakes.FakeProbe(self.failure)
        self.api = fakes.FakeApiTransport()

    @property
    def ports(self) -> ConfigurationPorts:
        return configuration_ports(
            secrets=self.secrets,
            writer=MemorySecretWriter(self.secrets),
            probe=self.probe,
            api=self.api,
            ledger=self.ledger,
            now=lambda: self.now,
        )

    @property
    def asked(self) -> int:
        return len(self.probe.probes)

    def validate(self, password: str = "guess", project_id: ProjectId = ACME) -> None:
        given = {**VALID_ENTRIES, "smtpHost": "mail.victim.example", "smtpPassword": password}
        check_entries(project_id, given, ports=self.ports, deadline=24.0)


def put(setup: Setup) -> None:
    answer = replace_configuration(ACME, {**VALID_ENTRIES, "smtpPassword": "guess"}, ports=setup.ports, deadline=24.0)
    assert isinstance(answer, Refused)


def add(setup: Setup) -> None:
    given = {"provider": "smtp", "priority": 5, "enabled": True, "config": CONFIGS["smtp"]}
    answer = add_provider(ACME, given, new_id=lambda: "new", ports=setup.ports, deadline=24.0)
    assert isinstance(answer, Refused)


def change_sender(setup: Setup) -> None:
    change = SenderChange(parse_address("new@acme.example"), None)
    store_sender(ACME, change, must_exist=True, ports=setup.ports, deadline=24.0)


def validate_what_is_stored(setup: Setup) -> None:
    validate_stored(ACME, ports=setup.ports, deadline=24.0)


WAYS: list[Callable[[Setup], None]] = [Setup.validate, put, add, change_sender]


def attempts_before_the_limit(setup: Setup, way: Callable[[Setup], object]) -> tuple[int, LimitReached]:
    for count in range(200):
        try:
            way(setup)
        except LimitReached as reached:
            return count, reached
    raise AssertionError("no limit")


@pytest.mark.parametrize("way", WAYS)
def test_twenty_passwords_an_hour_can_be_tried(way: Callable[[Setup], object]) -> None:
    setup = Setup(REFUSED)

    count, reached = attempts_before_the_limit(setup, way)

    assert (count, setup.asked) == (REFUSED_CHANGES.limit.maximum, 20)
    assert (reached.retryable, reached.retry_after) == (True, 55 * 60 + 55)
    assert reached.detail == (
        "The limit of the refused changes is 20 log-ins in an hour (UTC): 0 are left, and the request has 1. "
        "Try again in 3355 s."
    )


def test_all_ways_share_the_limit() -> None:
    setup = Setup(REFUSED)
    for way in WAYS * 5:
        way(setup)

    for way in WAYS:
        with pytest.raises(LimitReached):
            way(setup)
    assert setup.asked == 20


@pytest.mark.parametrize("failure", [None, UNREACHABLE])
def test_sixty_log_ins_an_hour_are_allowed(failure: Failure | None) -> None:
    setup = Setup(failure)

    count, _ = attempts_before_the_limit(setup, Setup.validate)

    assert (count, setup.asked) == (CHANGES.limit.maximum, 60)


@pytest.mark.parametrize("failure", [None, REFUSED])
def test_the_stored_entries_can_be_validated_sixty_times_an_hour(failure: Failure | None) -> None:
    setup = Setup(failure)

    count, reached = attempts_before_the_limit(setup, validate_what_is_stored)

    assert (count, setup.asked) == (VALIDATIONS.limit.maximum, 60)
    assert "limit of the validations is 60 log-ins in an hour" in reached.detail


def test_validations_of_the_stored_entries_do_not_stop_a_change() -> None:
    setup = Setup(REFUSED)
    attempts_before_the_limit(setup, validate_what_is_stored)

    setup.probe.failure = None
    view = replace_configuration(ACME, VALID_ENTRIES, ports=setup.ports, deadline=24.0)

    assert not isinstance(view, Refused)


def test_a_log_in_that_succeeds_does_not_count_as_refused() -> None:
    setup = Setup()
    for _ in range(30):
        setup.validate()
    setup.probe.failure = REFUSED

    count, _ = attempts_before_the_limit(setup, Setup.validate)

    assert count == 20


def test_each_provider_of_a_list_counts() -> None:
    setup = Setup()
    items = [item("smtp", CONFIGS["smtp"], id=f"p{number}") for number in range(10)]
    given = {**SENDER, "emailProviders": json.dumps(items)}

    def validate(setup: Setup) -> None:
        check_entries(ACME, given, ports=setup.ports, deadline=24.0)

    count, _ = attempts_before_the_limit(setup, validate)
    assert (count, setup.asked) == (6, 60)


def test_the_next_hour_and_other_projects_have_their_own_count() -> None:
    setup = Setup(REFUSED)
    attempts_before_the_limit(setup, Setup.validate)

    setup.validate(project_id=ProjectId("other"))
    setup.now += timedelta(hours=1)
    setup.validate()

    assert setup.asked == 22


def test_validations_of_the_service_itself_are_not_limited() -> None:
    setup = Setup(REFUSED)

    for _ in range(100):
        validate_project(ACME, ports=setup.ports, now=NOW.timestamp(), deadline=24.0)

    assert setup.asked == 100


def test_without_the_ledger_only_what_is_stored_can_be_validated() -> None:
    setup = Setup()
    setup.ledger.failing = True

    validate_what_is_stored(setup)
    with pytest.raises(LedgerUnavailable):
        setup.validate()

    assert setup.asked == 1


def test_entries_that_are_not_tried_do_not_count() -> None:
    setup = Setup()

    for _ in range(100):
        check_entries(ACME, {**VALID_ENTRIES, "smtpPort": "mail"}, ports=setup.ports, deadline=24.0)
    setup.validate()

    assert setup.asked == 1
