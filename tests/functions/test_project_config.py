"""/email-config: GET, POST validate and POST test, and their access."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.errors import LedgerUnavailable
from mailer.ledger.breaker import AttemptReport, SlotRequest
from mailer.ledger.health import Health, HealthState
from mailer.problem import Problem
from mailer.secret.resolution import SecretAbsent
from mailer.service.configuring.validation_report import CheckName
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, RelayError, RelayFault

from tests import fakes
from tests.functions.conftest import Lines, load_event
from tests.ledger_fakes import ValidationRequest
from tests.support import canaries
from tests.support.config_function import AUTH_REJECTED, Function
from tests.support.projects import ACME, NOW, VALID_ENTRIES, entries


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


# -- GET --------------------------------------------------------------------------------------------------------------


def test_the_configuration_is_shown_without_its_password(function: Function) -> None:
    status, body = function.call(load_event("project_config.get"))

    assert (status, body["state"], body["version_id"]) == (200, "unverified", "version-1")
    assert (body["checked_at"], body["held"]) == (None, 0)
    assert body["entries"]["smtpHost"] == "mail.acme.example"
    assert body["entries"]["smtpPassword"] == {"set": True}
    assert canaries.found_in(json.dumps(body)) == []


def test_the_last_success_and_the_failures_since_are_shown(function: Function) -> None:
    ledger, now = function.service.ledger, NOW.timestamp()
    for seconds, report in ((0, AttemptReport(has_accepted=True)), (1, AttemptReport("timeout"))):
        ledger.take_slot(ACME, "smtp", SlotRequest("version-1", "w", now + 60), now=now + seconds)
        ledger.leave_slot(ACME, "smtp", version_id="version-1", token="w", report=report, now=now + seconds)

    body = function.get()

    assert (body["last_success_at"], body["failing_since"]) == ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:06.000Z")
    assert (body["consecutive_failures"], body["last_failure"]) == (1, "timeout")


def test_the_result_of_the_last_validation_is_shown_with_its_time(function: Function) -> None:
    problem = Problem("relay-auth-rejected", "Type it again.", entry="smtpPassword")
    function.service.ledger.save_health(
        ACME, Health(HealthState.INVALID, "version-1", NOW.timestamp(), problems=(problem,))
    )

    body = function.get()

    assert (body["state"], body["checked_at"]) == ("invalid", "2026-01-02T03:04:05.000Z")
    assert body["problems"] == [{"code": problem.code, "detail": problem.detail, "entry": problem.entry}]


def test_the_configuration_is_shown_without_the_ledger(function: Function) -> None:
    function.service.ledger.failing = True

    body = function.get()

    assert (body["state"], body["held"]) == ("unverified", None)


# -- POST validate ----------------------------------------------------------------------------------------------------


def test_the_stored_entries_are_validated(function: Function) -> None:
    status, body = function.call(load_event("project_config.validate_stored"))

    assert (status, body["valid"]) == (200, True)
    assert [check["name"] for check in body["checks"]] == [name.value for name in CheckName]


def test_a_validation_changes_the_shown_state(function: Function) -> None:
    function.call(load_event("project_config.validate_stored"))

    assert function.get()["state"] == "verified"
    assert function.validations.sends == [ValidationRequest((ACME,))]


def test_a_validation_over_the_api_counts_a_project_that_became_invalid_once(function: Function) -> None:
    function.probe.failure = AUTH_REJECTED
    for _ in range(2):
        function.call(load_event("project_config.validate_stored"))

    assert function.counts.count("ProjectsInvalid") == 1


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED)),
        (RelayFault.HOST_BLOCKED, Failure(Phase.RESOLVE, Cause.HOST_BLOCKED)),
        (RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.AUTH_MECHANISM_UNSUPPORTED)),
    ],
)
def test_a_fault_has_the_same_name_in_a_test_message_and_in_the_status(
    function: Function, fault: RelayFault, failure: Failure
) -> None:
    function.service.relay.verdict = RelayError(fault, failure)
    function.probe.failure = failure

    _, refused = function.call(load_event("project_config.test"))
    function.call(load_event("project_config.validate_stored"))

    named = {refused["code"], refused["problems"][0]["code"], function.get()["problems"][0]["code"]}
    assert named == {fault.value}
    assert refused["smtp"]["cause"] == failure.cause.value


def test_the_checks_work_without_the_ledger(function: Function) -> None:
    function.service.ledger.failing = True

    status, body = function.call(load_event("project_config.validate_stored"))

    assert (status, body["valid"]) == (200, True)


def test_given_entries_are_validated_and_do_not_change_the_stored_state(function: Function) -> None:
    event = load_event("project_config.validate_entries")
    event["body"] = json.dumps({"entries": VALID_ENTRIES})

    status, body = function.call(event)

    assert (status, body["valid"]) == (200, True)
    assert function.secrets.reads == []
    assert function.service.ledger.health(ACME) is None


def given_entries(scope: str, **changes: str) -> dict[str, Any]:
    event = load_event("project_config.validate_entries")
    event["body"] = json.dumps({"entries": {**VALID_ENTRIES, **changes}})
    event["requestContext"]["authorizer"]["lambda"]["scope"] = scope
    return event


def test_given_entries_need_the_scope_to_write(function: Function) -> None:
    status, body = function.call(given_entries("email-config:read"))

    assert (status, body["code"]) == (403, "forbidden")
    assert "email-config:write" in body["detail"]
    assert function.probe.probes == []
    assert function.call(given_entries("email-config:write"))[0] == 200


def test_a_hundred_passwords_cannot_be_tried(function: Function) -> None:
    function.probe.failure = AUTH_REJECTED

    answers = [function.exchange(given_entries("email-config:write", smtpPassword=f"{guess}")) for guess in range(100)]

    assert [status for status, _, _ in answers] == [200] * 20 + [429] * 80
    assert len(function.probe.probes) == 20
    _, body, headers = answers[-1]
    assert (body["code"], body["retryable"]) == ("limit-reached", True)
    assert 0 < int(headers["Retry-After"]) <= 3600


def test_test_messages_and_validations_of_the_stored_entries_share_a_limit(function: Function) -> None:
    event = load_event("project_config.test")
    event["headers"].pop("idempotency-key", None)

    statuses = [function.call(event)[0] for _ in range(70)]

    assert statuses == [200] * 60 + [429] * 10
    assert len(function.service.relay.sends) == 60
    assert function.call(load_event("project_config.validate_stored"))[0] == 429
    assert function.call(given_entries("email-config:write"))[0] == 200


def test_a_failed_check_has_a_reason_a_remedy_an_entry_and_the_relays_reply(function: Function) -> None:
    function.probe.failure = AUTH_REJECTED

    status, body = function.call(load_event("project_config.validate_stored"))

    (failed,) = [check for check in body["checks"] if check["status"] == "failed"]
    assert (status, failed["name"], failed["entry"]) == (200, "authenticates", "smtpPassword")
    assert failed["smtp"] == {
        "phase": "auth",
        "cause": "reply",
        "code": 535,
        "enhanced_code": "5.7.8",
        "reply": "5.7.8 Username and Password not accepted",
    }


@pytest.mark.parametrize("body", ["{", "[]", '{"entries": 1}', '{"other": {}}'])
def test_a_malformed_body_is_400(function: Function, body: str) -> None:
    event = load_event("project_config.validate_entries")
    event["body"] = body

    status, answered = function.call(event)

    assert (status, answered["code"]) == (400, "invalid-request")
    assert function.probe.probes == []


def test_a_validation_logs_one_line_without_values(function: Function, lines: Lines) -> None:
    function.call(load_event("project_config.validate_stored"))

    (line,) = lines.read()
    assert (line["message"], line["valid"], line["failed_checks"]) == ("configuration validated", True, [])


# -- POST test --------------------------------------------------------------------------------------------------------


def test_a_test_message_leaves_by_the_projects_own_relay(function: Function) -> None:
    status, body = function.call(load_event("project_config.test"))

    assert (status, body["status"], body["transport"]) == (200, "sent", "project-smtp")
    assert body["accepted"] == ["ada@example.net"]
    (sent,) = function.service.relay.sends
    assert not function.service.relay.has_idle
    assert sent.project_id == ACME
    assert function.service.server.requests == []


def test_SH10_a_test_message_uses_the_stored_configuration_and_not_a_cached_one(function: Function) -> None:
    function.secrets.refreshed[ACME] = function.secrets.answers[ACME]
    function.secrets.answers[ACME] = SecretAbsent()

    _, body = function.call(load_event("project_config.test"))

    assert body["transport"] == "project-smtp"


def test_DU7_two_test_requests_with_one_key_send_one_message(function: Function) -> None:
    event = load_event("project_config.test")
    event["headers"]["idempotency-key"] = "test-1"

    first, second = function.call(event), function.call(event)

    assert first == second
    assert len(function.service.relay.sends) == 1


def test_a_test_message_is_in_the_ledger(function: Function) -> None:
    _, body = function.call(load_event("project_config.test"))

    assert function.service.ledger.find(ACME, body["id"]) is not None


@pytest.mark.parametrize(
    ("verdict", "status", "code"),
    [
        (RelayError(RelayFault.AUTH_REJECTED, AUTH_REJECTED), 424, "relay-auth-rejected"),
        (Deferred(Failure(Phase.CONNECT, Cause.REFUSED)), 503, "relay-unreachable"),
    ],
)
def test_a_test_message_fails_like_any_other_message(
    function: Function, verdict: RelayError | Deferred, status: int, code: str
) -> None:
    function.service.relay.verdict = verdict

    answered, body = function.call(load_event("project_config.test"))

    assert (answered, body["code"]) == (status, code)


def test_a_broken_configuration_sends_no_test_message(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    status, body = function.call(load_event("project_config.test"))

    assert (status, body["code"]) == (400, "project-smtp-invalid")
    assert (function.service.relay.sends, function.service.server.requests) == ([], [])


def test_a_test_message_without_the_ledger_is_503(function: Function) -> None:
    function.service.ledger.failing = True

    status, body = function.call(load_event("project_config.test"))

    assert (status, body["code"]) == (503, LedgerUnavailable.code)
    assert function.service.relay.sends == []


@pytest.mark.parametrize("body", ["", "{}", '{"to": 1}', '{"to": "no-at-sign"}', '{"to": ["a@b.example"]}', '{"x": 1}'])
def test_a_test_message_needs_one_recipient(function: Function, body: str) -> None:
    event = load_event("project_config.test")
    event["body"] = body

    status, answered = function.call(event)

    assert (status, answered["code"]) == (400, "invalid-request")
    assert function.service.relay.sends == []


# -- access ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "project_config.get",
        "project_config.validate_stored",
        "project_config.put",
        "project_config.delete",
        "project_config.test",
    ],
)
@pytest.mark.parametrize(
    "caller", [None, {"project_id": "acme", "scope": "email:send"}, {"project_id": "x", "scope": "email-config:write"}]
)
def test_AU2_AU3_another_project_or_scope_is_403(function: Function, name: str, caller: dict[str, str] | None) -> None:
    event = load_event(name)
    event["requestContext"]["authorizer"] = {"lambda": caller} if caller is not None else {}

    status, body = function.call(event)

    assert (status, body["code"]) == (403, "forbidden")
    assert (function.secrets.reads, function.probe.probes, function.service.relay.sends) == ([], [], [])


@pytest.mark.parametrize("name", ["put", "delete", "test"])
def test_AU3_a_read_scope_changes_nothing(function: Function, name: str) -> None:
    event = load_event(f"project_config.{name}")
    event["requestContext"]["authorizer"]["lambda"]["scope"] = "email-config:read"

    status, _ = function.call(event)

    assert (status, function.writer.promoted, function.service.relay.sends) == (403, [], [])
