"""/email-config: PUT and DELETE."""

import json

import pytest
from aws_lambda_powertools import Logger
from mailer.secret.resolution import SecretAbsent, SecretPresent, SecretUnavailable, Unavailability
from mailer.smtp.outcome import Cause, Failure, Phase

from tests import fakes
from tests.functions.conftest import Lines, load_event
from tests.ledger_fakes import ValidationRequest
from tests.support import canaries
from tests.support.config_function import AUTH_REJECTED, Function, OvertakenWriter
from tests.support.projects import ACME, VALID_ENTRIES, settings


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


# -- PUT --------------------------------------------------------------------------------------------------------------


def test_entries_that_the_relay_accepts_are_stored_and_verified(function: Function) -> None:
    status, body = function.put({**VALID_ENTRIES, "smtpFromName": "Acme"})

    assert (status, body["state"], body["version_id"]) == (200, "verified", "promoted-1")
    assert body["entries"]["smtpFromName"] == "Acme"
    assert body == function.get()


def test_a_change_requests_the_release_of_held_mail_at_once(function: Function) -> None:
    function.put({**VALID_ENTRIES})

    assert function.validations.sends == [ValidationRequest((ACME,))]


def test_the_shown_entries_can_be_put_back(function: Function) -> None:
    status, _ = function.put({**function.get()["entries"], "smtpFromName": "Acme"})

    answer = function.secrets.answers[ACME]
    assert status == 200
    assert isinstance(answer, SecretPresent)
    assert json.loads(answer.text.reveal()) == {**VALID_ENTRIES, "smtpFromName": "Acme"}


def test_mail_is_switched_off_and_what_is_shown_can_be_put_back(function: Function) -> None:
    status, off = function.put({**VALID_ENTRIES, "emailEnabled": "false"})

    assert (status, off["state"], off["entries"]["emailEnabled"]) == (200, "invalid", "false")
    assert off == function.get()
    assert function.put(off["entries"])[0] == 200
    assert function.put({name: value for name, value in off["entries"].items() if name != "emailEnabled"})[0] == 200
    assert function.get()["problems"] == off["problems"]
    assert function.put({**off["entries"], "emailEnabled": "true"})[1]["state"] == "verified"


def test_the_mail_of_a_project_without_a_relay_is_switched_off_and_on(function: Function) -> None:
    function.secrets.answers[ACME] = SecretAbsent()

    assert function.put({"emailEnabled": "false"})[1]["state"] == "invalid"
    assert function.put({"emailEnabled": "true"})[1]["state"] == "server"


def test_credentials_that_the_relay_refuses_are_424_with_the_checks_and_not_stored(function: Function) -> None:
    function.probe.failure = AUTH_REJECTED

    status, body = function.put({**VALID_ENTRIES})

    assert (status, body["code"], body["smtp"]["code"]) == (424, "relay-auth-rejected", 535)
    assert [check["name"] for check in body["checks"] if check["status"] == "failed"] == ["authenticates"]
    assert body["problems"][0]["entry"] == "smtpPassword"
    assert function.writer.promoted == []


def test_a_relay_that_cannot_be_reached_is_503_and_nothing_is_stored(function: Function) -> None:
    function.probe.failure = Failure(Phase.CONNECT, Cause.TIMEOUT)

    status, body = function.put({**VALID_ENTRIES})

    assert (status, body["code"], body["retryable"]) == (503, "relay-unreachable", True)
    assert function.writer.promoted == []


def test_invalid_entries_are_400_and_named(function: Function) -> None:
    status, body = function.put({**VALID_ENTRIES, "smtpPort": "mail"})

    assert (status, body["code"]) == (400, "project-smtp-invalid")
    assert [problem["entry"] for problem in body["problems"]] == ["smtpPort"]


def test_SH16_an_omitted_password_needs_the_same_destination(function: Function) -> None:
    given: dict[str, object] = {name: value for name, value in VALID_ENTRIES.items() if name != "smtpPassword"}

    status, body = function.put({**given, "smtpHost": "mail.evil.example"})

    assert (status, [problem["entry"] for problem in body["problems"]]) == (400, ["smtpPassword"])
    assert function.probe.probes == []
    assert function.put(given)[0] == 200


def test_a_change_after_another_change_is_409(function: Function) -> None:
    function.writer = OvertakenWriter(function.secrets)

    status, body = function.put({**VALID_ENTRIES})

    assert (status, body["code"], body["retryable"]) == (409, "configuration-changed", True)


def test_an_unavailable_store_is_503(function: Function) -> None:
    function.secrets.answers[ACME] = SecretUnavailable(Unavailability.THROTTLED)

    assert function.put({**VALID_ENTRIES})[0] == 503


@pytest.mark.parametrize("name", ["put", "delete"])
def test_disabled_project_relays_cannot_be_changed(function: Function, name: str) -> None:
    function.service.settings = settings(ALLOW_PROJECT_SMTP="false")

    status, body = function.call(load_event(f"project_config.{name}"))

    assert (status, body["code"]) == (403, "project-smtp-disabled")
    assert function.secrets.reads == []


@pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"entries": null}', '{"entries": 1}', '{"other": {}}'])
def test_a_change_without_entries_is_400(function: Function, body: str) -> None:
    event = load_event("project_config.put")
    event["body"] = body

    status, answered = function.call(event)

    assert (status, answered["code"]) == (400, "invalid-request")


def test_a_change_writes_an_audit_line_without_values(function: Function, lines: Lines) -> None:
    function.put({**VALID_ENTRIES})

    line = lines.read()[-1]
    assert (line["message"], line["subject"], line["version_id"]) == ("configuration changed", "events", "promoted-1")
    assert line["entries"] == sorted(VALID_ENTRIES)
    assert canaries.found_in(json.dumps(lines.read())) == []


# -- DELETE -----------------------------------------------------------------------------------------------------------


def test_a_removed_configuration_leaves_the_server_transport_and_no_credentials(function: Function) -> None:
    status, body = function.call(load_event("project_config.delete"))

    assert (status, body["state"], body["entries"]) == (200, "server", {})
    assert function.writer.forgotten == ["version-1"]
    assert body == function.get()


def test_a_removed_configuration_stays_switched_off(function: Function) -> None:
    function.put({**VALID_ENTRIES, "emailEnabled": "false"})

    status, body = function.call(load_event("project_config.delete"))

    assert (status, body["state"], body["entries"]) == (200, "invalid", {"emailEnabled": "false"})
    assert body == function.get()


def test_removing_from_a_secret_that_cannot_be_decoded_is_400(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret('{"database": "x",}')

    status, body = function.call(load_event("project_config.delete"))

    assert (status, [problem["code"] for problem in body["problems"]]) == (400, ["secret-not-json"])
    assert function.writer.promoted == []


def test_removing_a_missing_configuration_does_nothing(function: Function) -> None:
    function.secrets.answers[ACME] = SecretAbsent()

    status, body = function.call(load_event("project_config.delete"))

    assert (status, body["state"]) == (200, "server")
    assert function.writer.promoted == []
