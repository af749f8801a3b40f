"""MessagePipe's routes to configure (P2 to P6 and P8)."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.relay.provider import ProviderKind
from mailer.secret.resolution import SecretAbsent, SecretPresent
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.functions.conftest import Lines, load_event
from tests.support import canaries
from tests.support.config_function import Function
from tests.support.projects import ACME, entries

SENDER = {"senderEmail": "noreply@yourcompany.com", "senderName": "Your Company Name", "enabled": True}


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


@pytest.fixture
def fresh(function: Function) -> Function:
    """A project without a secret."""
    function.secrets.answers[ACME] = SecretAbsent()
    return function


def event(case: str, **body: object) -> dict[str, Any]:
    loaded = load_event(f"project_config.messagepipe_{case}")
    if body:
        loaded["body"] = json.dumps({**json.loads(loaded["body"]), **body})
    return loaded


def stored(function: Function) -> dict[str, Any]:
    answer = function.secrets.current(ACME, epoch=None, deadline=0.0)
    assert isinstance(answer, SecretPresent)
    entries: dict[str, Any] = json.loads(answer.text.reveal())
    return entries


def listed(function: Function) -> Any:
    return function.call(event("list_providers"))[1]


def test_P2_the_configuration_is_created_first_with_the_sender(fresh: Function) -> None:
    assert fresh.call(event("create_sender")) == (201, SENDER)
    assert stored(fresh) == {"smtpFromAddress": "noreply@yourcompany.com", "smtpFromName": "Your Company Name"}
    assert fresh.get()["state"] == "server"


def test_P2_a_provider_before_the_configuration_is_404(fresh: Function) -> None:
    assert fresh.call(event("add_provider"))[0] == 404


def test_P3_the_configuration_is_shown_as_it_was_given(fresh: Function) -> None:
    fresh.call(event("create_sender"))

    assert fresh.call(event("show_sender")) == (200, SENDER)


def test_the_forbidden_characters_of_a_name_are_shown_as_question_marks(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(entries(smtpFromName="Acme\ud800"))
    status, shown = function.call(event("show_sender"))

    assert (status, shown["senderName"]) == (200, "Acme?")


def test_a_provider_that_cannot_be_encoded_is_a_problem_and_not_a_bug(function: Function) -> None:
    broken = {"id": "old", "provider": "sendgrid", "name": "\ud800", "enabled": False, "priority": 9, "config": {}}
    function.secrets.answers[ACME] = fakes.secret(entries(emailProviders=json.dumps([broken])))

    status, shown = function.call(event("add_provider"))

    assert (status, shown["code"]) == (400, "project-smtp-invalid")


def test_P3_a_sender_of_our_own_entries_is_shown(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(entries(smtpFromAddress="Acme <hello@acme.example>"))

    assert function.call(event("show_sender")) == (
        200,
        {"senderEmail": "hello@acme.example", "senderName": "Acme", "enabled": True},
    )


@pytest.mark.parametrize("case", ["show_sender", "change_sender"])
def test_P3_a_missing_configuration_is_404(fresh: Function, case: str) -> None:
    assert fresh.call(event(case))[0] == 404


def test_P3_put_changes_the_sender_and_nothing_else(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(json.dumps({**json.loads(entries()), "other": 1.50}))
    before = stored(function)

    status, body = function.call(event("change_sender"))

    assert (status, body["senderEmail"]) == (200, "hello@yourcompany.com")
    assert stored(function) == {
        **before,
        "smtpFromAddress": "hello@yourcompany.com",
        "smtpFromName": "Updated Company Name",
    }


def test_a_sender_that_the_relay_refuses_is_not_stored(function: Function) -> None:
    function.probe.failure = Failure(Phase.MAIL, Cause.REPLY, make_reply(553, "5.7.1 not yours"))
    before = stored(function)

    status, body = function.call(event("change_sender"))

    assert (status, body["statusCode"], stored(function)) == (400, 400, before)


def test_P8_a_disabled_project_sends_nothing_and_is_shown_as_disabled(function: Function) -> None:
    assert function.call(event("change_sender", enabled=False))[0] == 200

    assert function.call(event("show_sender"))[1]["enabled"] is False
    view = function.get()
    assert (view["state"], [problem["code"] for problem in view["problems"]]) == ("invalid", ["email-disabled"])


@pytest.mark.parametrize("case", ["create_sender", "change_sender"])
def test_a_sender_without_enabled_leaves_mail_switched_off(function: Function, case: str) -> None:
    function.call(event("change_sender", enabled=False))
    request = event(case)
    request["body"] = json.dumps({"senderEmail": "hello@acme.example"})

    status, body = function.call(request)

    assert (status // 100, body["enabled"]) == (2, False)
    assert stored(function)["emailEnabled"] == "false"


@pytest.mark.parametrize("case", ["create_sender", "change_sender"])
@pytest.mark.parametrize(
    ("given", "name"),
    [({}, "Acme"), ({"senderName": None}, "Acme"), ({"senderName": ""}, None), ({"senderName": "New"}, "New")],
)
def test_a_sender_without_a_name_keeps_the_stored_name(
    function: Function, case: str, given: dict[str, object], name: str | None
) -> None:
    request = event(case)
    request["body"] = json.dumps({"senderEmail": "new@acme.example", **given})

    _, body = function.call(request)

    assert (body["senderEmail"], body["senderName"]) == ("new@acme.example", name)
    assert function.call(event("show_sender"))[1] == body


def test_P8_a_project_that_is_enabled_again_sends_as_before(function: Function) -> None:
    function.call(event("change_sender", enabled=False))
    function.call(event("change_sender", enabled=True))

    assert "emailEnabled" not in stored(function)


def test_P4_an_answer_shows_a_provider_without_its_configuration(fresh: Function) -> None:
    fresh.call(event("create_sender"))

    status, body = fresh.call(event("add_provider", config={"apiKey": canaries.TOKEN}))

    assert (status, body) == (
        201,
        {
            "id": "new-provider",
            "provider": "sendgrid",
            "name": "Primary SendGrid",
            "enabled": True,
            "priority": 1,
            "createdAt": body["createdAt"],
        },
    )


def test_P5_providers_are_listed_changed_and_deleted(fresh: Function) -> None:
    fresh.call(event("create_sender"))
    fresh.call(event("add_provider"))

    changed = event("change_provider")
    removed = event("remove_provider")
    for each in (changed, removed):
        each["pathParameters"] = {"providerId": "new-provider"}
        each["rawPath"] = each["requestContext"]["http"]["path"] = "/email-config/providers/new-provider"

    assert [each["name"] for each in listed(fresh)] == ["Primary SendGrid"]
    assert fresh.call(changed)[1]["name"] == "Updated SendGrid Config"
    assert fresh.call(removed) == (200, {"message": "Email provider deleted", "id": "new-provider"})
    assert listed(fresh) == []


@pytest.mark.parametrize("case", ["change_provider", "remove_provider"])
def test_P5_an_unknown_provider_is_404(function: Function, case: str) -> None:
    assert function.call(event(case))[0] == 404


def test_the_schemas_are_those_of_our_own_routes(function: Function) -> None:
    assert set(function.call(event("show_schemas"))[1]["schemas"]) == set(ProviderKind)
    assert function.call(event("show_schema"))[0] == 200


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"senderEmail": None}, "/senderEmail", "required"),
        ({"senderEmail": 7}, "/senderEmail", "wrong-type"),
        ({"senderEmail": "a@b.example, c@d.example"}, "/senderEmail", "address-malformed"),
        ({"senderEmail": "A <a@b.example>"}, "/senderEmail", "address-malformed"),
        ({"senderName": "a\r\nBcc: x@y.example"}, "/senderName", "control-character"),
        ({"senderName": ["x"]}, "/senderName", "wrong-type"),
        ({"enabled": "false"}, "/enabled", "wrong-type"),
        ({"replyTo": "a@b.example"}, "/replyTo", "unknown-field"),
    ],
)
def test_a_hostile_value_is_reported_at_its_place(
    function: Function, body: dict[str, object], pointer: str, code: str
) -> None:
    before = stored(function)

    status, answer = function.call(event("create_sender", **body))

    assert (status, [(each["pointer"], each["code"]) for each in answer["problems"]]) == (400, [(pointer, code)])
    assert stored(function) == before


CASES = (
    "show_sender", "create_sender", "change_sender", "list_providers", "add_provider", "change_provider",
    "remove_provider", "show_schemas", "show_schema",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_P6_each_route_requires_a_scope(function: Function, case: str) -> None:
    given = event(case)
    given["requestContext"]["authorizer"]["lambda"]["scope"] = "email:send"

    status, body = function.call(given)

    assert (status, body["code"]) == (403, "forbidden")


@pytest.mark.parametrize("case", CASES)
def test_another_project_s_token_is_refused(function: Function, case: str) -> None:
    given = event(case)
    given["requestContext"]["authorizer"]["lambda"]["project_id"] = "other"

    assert function.call(given)[0] == 403


@pytest.mark.parametrize("case", CASES)
def test_the_operator_names_the_project(function: Function, case: str) -> None:
    given = event(case)
    given["requestContext"]["authorizer"]["lambda"]["project_id"] = "*"
    del given["queryStringParameters"]

    assert function.call(given)[0] == 400


def test_changes_write_audit_lines_without_values(fresh: Function, lines: Lines) -> None:
    fresh.call(event("create_sender"))
    fresh.call(event("add_provider", config={"apiKey": canaries.TOKEN}))

    assert [line["message"] for line in lines.read()] == ["sender changed", "provider stored"]
    assert canaries.found_in(lines.stream.getvalue()) == []
