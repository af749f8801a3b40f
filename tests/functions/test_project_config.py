"""GET email-config and POST email-config/validate."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.outcome import Cause, Failure, Phase
from mailer.project import ProjectId
from mailer.reply import make_reply
from mailer.service.check_configuration import CheckName, CheckPorts

from functions.project_config.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, Lines, load_event
from tests.support import canaries
from tests.support.projects import ACME, VALID_ENTRIES, entries, settings


@dataclass
class Function:
    """The handler on fakes."""

    log: Logger
    secrets: fakes.FakeSecretStore = field(
        default_factory=lambda: fakes.FakeSecretStore(
            {ACME: fakes.secret(entries()), ProjectId("broken"): fakes.secret(entries(smtpPort="mail"))}
        )
    )
    probe: fakes.FakeProbe = field(default_factory=fakes.FakeProbe)

    def call(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        handler = create_handler(ports=CheckPorts(settings(), self.secrets, self.probe), log=self.log)
        answer = handler(event, Context())  # type: ignore[arg-type]  # the parts of a LambdaContext that are used
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


def test_the_configuration_is_shown_without_its_password(function: Function) -> None:
    status, body = function.call(load_event("project_config.get"))

    assert (status, body["state"], body["version_id"]) == (200, "unverified", "version-1")
    assert body["entries"]["smtpHost"] == "mail.acme.example"
    assert body["entries"]["smtpPassword"] == {"set": True}
    assert canaries.found_in(json.dumps(body)) == []


def test_the_stored_entries_are_examined(function: Function) -> None:
    status, body = function.call(load_event("project_config.validate_stored"))

    assert (status, body["valid"]) == (200, True)
    assert [check["name"] for check in body["checks"]] == [name.value for name in CheckName]


def test_given_entries_are_examined(function: Function) -> None:
    event = load_event("project_config.validate_entries")
    event["body"] = json.dumps({"entries": VALID_ENTRIES})

    status, body = function.call(event)

    assert (status, body["valid"]) == (200, True)
    assert function.secrets.reads == []


def test_a_failed_check_has_reason_remedy_entry_and_the_relays_reply(log: Logger) -> None:
    reply = make_reply(535, "5.7.8 Username and Password not accepted")
    function = Function(log, probe=fakes.FakeProbe(Failure(Phase.AUTH, Cause.REPLY, reply)))

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
def test_a_body_that_is_none_is_400(function: Function, body: str) -> None:
    event = load_event("project_config.validate_entries")
    event["body"] = body

    status, answered = function.call(event)

    assert (status, answered["code"]) == (400, "invalid-request")
    assert function.probe.probes == []


@pytest.mark.parametrize("name", ["project_config.get", "project_config.validate_stored"])
@pytest.mark.parametrize(
    "caller", [None, {"project_id": "acme", "scope": "email:send"}, {"project_id": "x", "scope": "email-config:read"}]
)
def test_AU2_AU3_another_project_or_scope_is_403(function: Function, name: str, caller: dict[str, str] | None) -> None:
    event = load_event(name)
    event["requestContext"]["authorizer"] = {"lambda": caller} if caller is not None else {}

    status, body = function.call(event)

    assert (status, body["code"]) == (403, "forbidden")
    assert (function.secrets.reads, function.probe.probes) == ([], [])


def test_an_examination_leaves_one_line_without_values(function: Function, lines: Lines) -> None:
    function.call(load_event("project_config.validate_stored"))

    (line,) = lines.read()
    assert (line["message"], line["valid"], line["failed_checks"]) == ("configuration examined", True, [])
