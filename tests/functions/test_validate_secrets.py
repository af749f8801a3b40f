"""The queue of changed secrets: validation, reports and the release of held mail."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.ledger.health import HealthState
from mailer.ledger.lifecycle import hold
from mailer.ledger.record import RecipientRecord, Record, State
from mailer.message.address import Address
from mailer.ports import Delivery
from mailer.project import ProjectId
from mailer.secret.resolution import SecretUnavailable, Unavailability
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from functions.validate_secrets.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, Lines, load_event
from tests.ledger_fakes import (
    MemoryDeliveryQueue,
    MemoryFailureQueue,
    MemoryLedger,
    MemorySecretWriter,
    MemoryValidationQueue,
    RecordingPublisher,
    ValidationRequest,
)
from tests.support import canaries
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, NOW, entries, settings

BROKEN = ProjectId("broken")


@dataclass
class Function:
    """The handler on fakes."""

    log: Logger
    secrets: fakes.FakeSecretStore = field(
        default_factory=lambda: fakes.FakeSecretStore(
            {ACME: fakes.secret(entries()), BROKEN: fakes.secret(entries(smtpPort="mail"))}
        )
    )
    probe: fakes.FakeProbe = field(default_factory=fakes.FakeProbe)
    api: fakes.FakeApiTransport = field(default_factory=fakes.FakeApiTransport)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)
    queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)
    validations: MemoryValidationQueue = field(default_factory=MemoryValidationQueue)
    failures: MemoryFailureQueue = field(default_factory=MemoryFailureQueue)
    counts: list[tuple[str, int]] = field(default_factory=list)
    allowed: str = "true"
    remaining_seconds: float = 90.0
    seconds: float = NOW.timestamp()

    def call(self, event: dict[str, Any]) -> list[str]:
        handler = create_handler(
            ports=configuration_ports(
                chosen=settings(ALLOW_PROJECT_SMTP=self.allowed),
                secrets=self.secrets,
                writer=MemorySecretWriter(self.secrets),
                probe=self.probe,
                api=self.api,
                ledger=self.ledger,
                queue=self.queue,
                events=self.events,
                validations=self.validations,
                now=lambda: datetime.fromtimestamp(self.seconds, UTC),
            ),
            failures=self.failures,
            log=self.log,
            count=lambda name, value, _transport: self.counts.append((name, value)),
        )
        answer = handler(event, Context(self.remaining_seconds))  # type: ignore[arg-type]  # what is used of it
        return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]

    def hold(self, count: int = 1) -> None:
        now = NOW.timestamp()
        for number in range(count):
            fresh = Record(
                id=f"{number:012x}",
                project_id=ACME,
                state=State.QUEUED,
                created_at=now,
                updated_at=now,
                expires_at=now + 3600,
                recipients=(RecipientRecord(Address("ada", "example.net")),),
                has_content=True,
            )
            self.ledger.insert(hold(fresh, "project-smtp-invalid", now=now, recheck_at=now + 1800))


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


def batch(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m{number}", "body": body} for number, body in enumerate(bodies, start=1)]}


def change(project_id: str) -> str:
    return json.dumps({"project_id": project_id})


@pytest.mark.parametrize(
    "name",
    [
        "put_secret_value",
        "update_secret",
        "create_secret",
        "restore_secret",
        "update_secret_version_stage",
        "delete_secret",
        "project",
    ],
)
def test_each_change_is_validated_and_recorded(function: Function, name: str) -> None:
    assert function.call(load_event(f"validate_secrets.{name}")) == []

    health = function.ledger.health(ACME)
    assert health is not None
    assert (health.state, health.version_id) == (HealthState.VERIFIED, "version-1")
    assert function.events.names == ["ProjectSmtpVerified"]


def test_a_broken_secret_is_reported_and_counted_for_the_alarm(function: Function) -> None:
    assert function.call(batch(change("broken"))) == []

    assert function.events.names == ["ProjectSmtpInvalid"]
    assert ("ProjectsInvalid", 1) in function.counts


def test_expired_credentials_are_invalid_on_the_next_day(function: Function) -> None:
    function.call(batch(change("acme")))
    function.probe.failure = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))
    function.call(batch(change("acme")))

    assert function.events.names == ["ProjectSmtpVerified", "ProjectSmtpInvalid"]
    assert ("ProjectsInvalid", 1) in function.counts


def test_a_project_that_stays_invalid_is_counted_once(function: Function) -> None:
    for _ in range(3):
        function.call(batch(change("broken")))

    assert function.counts.count(("ProjectsInvalid", 1)) == 1
    assert function.counts.count(("ProjectsValidated", 1)) == 3


def test_a_project_that_becomes_invalid_again_is_counted_again(function: Function) -> None:
    for code in (535, None, 535):
        function.probe.failure = None if code is None else Failure(Phase.AUTH, Cause.REPLY, make_reply(code, "no"))
        function.call(batch(change("acme")))

    assert function.counts.count(("ProjectsInvalid", 1)) == 2


def test_held_mail_is_released_when_the_configuration_is_valid_again(function: Function) -> None:
    function.hold()
    function.call(batch(change("acme")))

    assert function.queue.sends == [Delivery(ACME, f"{0:012x}", 0)]
    assert function.events.names == ["ProjectSmtpVerified", "EmailReleased"]
    assert ("MessagesReleased", 1) in function.counts


def test_held_mail_that_did_not_wait_for_a_relay_is_released_to_the_server(function: Function) -> None:
    function.hold()
    function.secrets.answers.clear()
    function.call(batch(change("acme")))

    assert len(function.queue.sends) == 1


def test_held_mail_is_released_for_a_relay_that_is_unreachable(function: Function) -> None:
    function.hold()
    function.probe.failure = Failure(Phase.CONNECT, Cause.REFUSED)
    function.call(batch(change("acme")))

    assert len(function.queue.sends) == 1


def test_held_mail_stays_while_the_configuration_is_invalid(function: Function) -> None:
    function.hold()
    function.probe.failure = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))
    function.call(batch(change("acme")))

    assert function.queue.sends == []


def test_AV9_a_release_of_many_messages_continues_in_a_second_part(function: Function) -> None:
    function.hold(301)
    function.call(batch(change("acme")))

    assert len(function.queue.sends) == 300
    assert function.validations.sends == [ValidationRequest((ACME,), after_seconds=30, beyond=f"{299:012x}")]


def test_a_release_ends_even_if_every_message_is_held_again(function: Function) -> None:
    function.hold(700)
    calls = [change("acme")]
    while calls and len(function.probe.probes) < 10:
        function.call(batch(calls.pop()))
        for delivery in function.queue.sends:
            record = function.ledger.find(ACME, delivery.id)
            assert record is not None
            now = NOW.timestamp()
            function.ledger.replace(hold(record, "relay-paused", now=now, recheck_at=now + 60))
        function.queue.sends.clear()
        function.seconds += 30
        calls += [json.dumps({"project_id": "acme", "beyond": each.beyond}) for each in function.validations.sends]
        function.validations.sends.clear()

    assert len(function.probe.probes) == 3
    assert function.events.names.count("EmailReleased") == 700


def test_a_release_is_repeated_once_for_messages_held_meanwhile(function: Function) -> None:
    function.call(batch(change("acme")))
    function.call(batch(change("acme")))

    assert function.validations.sends == [ValidationRequest((ACME,), after_seconds=60)]


def test_several_events_of_a_project_cause_one_validation(function: Function) -> None:
    function.call(batch(change("acme"), change("acme"), change("acme")))

    assert len(function.probe.probes) == 1


def test_every_record_of_a_project_comes_back_while_the_store_is_unavailable(function: Function) -> None:
    function.secrets.answers[ACME] = SecretUnavailable(Unavailability.THROTTLED)

    assert function.call(batch(change("acme"), change("broken"), change("acme"))) == ["m1", "m3"]


def test_a_record_comes_back_while_the_ledger_is_unavailable(function: Function) -> None:
    function.ledger.failing = True

    assert function.call(batch(change("acme"))) == ["m1"]
    assert function.events.names == []


def test_a_record_with_too_little_time_left_comes_back(function: Function) -> None:
    function.remaining_seconds = 29.0

    assert function.call(batch(change("acme"))) == ["m1"]
    assert function.probe.probes == []


def test_validations_of_every_project_with_a_secret_are_spread_over_time(function: Function) -> None:
    assert function.call(load_event("validate_secrets.examine_all")) == []

    assert function.validations.sends == [ValidationRequest((ACME, BROKEN), within_seconds=900)]
    assert function.probe.probes == []


def test_no_validation_is_queued_while_project_relays_are_disabled(function: Function) -> None:
    function.allowed = "false"
    function.call(load_event("validate_secrets.examine_all"))

    assert function.validations.sends == []


@pytest.mark.parametrize("body", ["{", "[]", '{"project_id": "a/b"}', "x" * 1_000_000])
def test_QD4_a_malformed_record_goes_to_the_failure_queue_at_once_with_its_reason(
    function: Function, body: str
) -> None:
    assert function.call(batch(body, change("acme"))) == []

    (record,) = function.failures.sends
    assert record["reason"]
    assert record["message_id"] == "m1"
    assert len(str(record["body"])) <= 4096
    assert ("SecretChangesPoison", 1) in function.counts
    assert function.ledger.health(ACME) is not None


def test_QD4_a_malformed_record_comes_back_if_the_failure_queue_refuses_it(function: Function) -> None:
    function.failures.failing = True

    assert function.call(batch("{", change("acme"))) == ["m1"]


def test_a_secret_outside_the_prefix_is_ignored_and_counted(function: Function) -> None:
    event = load_event("validate_secrets.put_secret_value")
    event["Records"][0]["body"] = event["Records"][0]["body"].replace("project-smtp/", "database/")

    assert function.call(event) == []
    assert function.counts == [("SecretChangesIgnored", 1)]
    assert function.secrets.reads == []


def test_the_log_has_ids_and_codes_and_no_values(function: Function, lines: Lines) -> None:
    function.call(batch(change("broken")))

    (line,) = lines.read()
    assert (line["message"], line["project_id"], line["state"]) == ("project validated", "broken", "invalid")
    assert line["problem_codes"] == ["number-malformed"]
    assert canaries.found_in(json.dumps(line)) == []
