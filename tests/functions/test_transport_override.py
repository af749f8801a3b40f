"""Overrides: a transport given in the request, in Courier's shape and in ours."""

import json

import pytest
from aws_lambda_powertools import Logger
from mailer.relay.relay import NoAuth, PasswordAuth

from tests.functions.conftest import Lines
from tests.functions.test_dialects import Function, event
from tests.support import canaries


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


RELAY = {"host": "smtp.customer.example", "port": 587, "auth": {"user": "me@customer.example", "pass": "hunter2"}}
OVERRIDE = "email:send email:override-transport"


def overriding(**parts: object) -> dict[str, object]:
    return {
        "message": {
            "to": {"email": "ada@example.net"},
            "content": {"title": "Hi", "body": "x"},
            "providers": {"smtp": {"override": parts}},
        }
    }


def test_C7_a_message_leaves_by_its_own_complete_transport(function: Function) -> None:
    status, _, _ = function.call(event("send.courier", overriding(config=RELAY), scope=OVERRIDE))

    assert status == 202
    [sent] = function.service.relay.sends
    assert sent.relay.host == "smtp.customer.example"
    assert isinstance(sent.relay.auth, PasswordAuth)
    assert (sent.relay.auth.username, sent.relay.auth.password.reveal()) == ("me@customer.example", "hunter2")
    assert b"From: me@customer.example" in sent.message.as_bytes()


def test_C7_stored_credentials_never_go_to_the_caller_s_host(function: Function) -> None:
    body = overriding(config={"host": "smtp.customer.example", "port": 587}, body={"from": "me@customer.example"})

    function.call(event("send.courier", body, scope=OVERRIDE))

    assert [isinstance(sent.relay.auth, NoAuth) for sent in function.service.relay.sends] == [True]


def test_C7_an_override_requires_its_own_scope(function: Function) -> None:
    status, answer, _ = function.call(event("send.courier", overriding(config=RELAY)))

    assert (status, answer["type"]) == (403, "authorization_error")
    assert function.service.relay.sends == []


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({**RELAY, "host": "169.254.169.254"}, "/host"),
        ({**RELAY, "host": "localhost"}, "/host"),
        ({**RELAY, "port": 22}, "/port"),
        ({**RELAY, "auth": {"user": "me"}}, "/auth/pass"),
        ({**RELAY, "connectionTimeout": 10_000_000}, "/connectionTimeout"),
    ],
)
def test_C7_an_override_is_checked_as_a_project_s_relay(
    function: Function, config: dict[str, object], place: str
) -> None:
    body = overriding(config=config, body={"from": "me@customer.example"})

    status, answer, headers = function.call(event("send.courier", body, scope=OVERRIDE))

    pointers = {problem["pointer"] for problem in answer["problems"]}
    assert (status, pointers) == (400, {f"/message/providers/smtp/override/config{place}"})
    assert headers["X-Should-Retry"] == "false"


def test_C7_an_override_without_a_from_is_refused_at_its_place(function: Function) -> None:
    config = {**RELAY, "auth": {"user": "domain\\username", "pass": "hunter2"}}

    status, answer, _ = function.call(event("send.courier", overriding(config=config), scope=OVERRIDE))

    assert (status, answer["problems"][0]["pointer"]) == (400, "/message/providers/smtp/override/body/from")


def test_C7_a_message_with_an_override_cannot_be_queued(function: Function) -> None:
    given = event("send.courier", overriding(config=RELAY), scope=OVERRIDE)
    given["headers"]["prefer"] = "respond-async"

    status, answer, _ = function.call(given)

    assert (status, answer["problems"][0]["code"]) == (400, "transport-not-possible")


def test_C7_the_credentials_of_an_override_are_not_logged(function: Function, lines: Lines) -> None:
    config = {**RELAY, "auth": {"user": "me@customer.example", "pass": canaries.PASSWORD}}

    _, answer, _ = function.call(event("send.courier", overriding(config=config), scope=OVERRIDE))

    assert canaries.found_in(lines.stream.getvalue() + json.dumps(answer)) == []


OWN: dict[str, object] = {
    "from": "me@customer.example",
    "to": "ada@example.net",
    "subject": "Hi",
    "text": "x",
    "transport": {"host": "smtp.customer.example", "port": 465, "username": "me", "password": "hunter2"},
}


def test_our_own_request_names_an_override_as_transport(function: Function) -> None:
    status, answer, _ = function.call(event("send.project_relay", OWN, scope=OVERRIDE))

    assert (status, answer["from"]["reason"]) == (200, "override")
    assert [sent.relay.port for sent in function.service.relay.sends] == [465]


@pytest.mark.parametrize(("case", "body"), [("send.explain", OWN), ("send.batch", {"emails": [OWN]})])
def test_a_route_that_does_not_send_at_once_refuses_an_override(
    function: Function, case: str, body: dict[str, object]
) -> None:
    status, answer, _ = function.call(event(case, body, scope=OVERRIDE))

    assert (status, [problem["code"] for problem in answer["problems"]]) == (400, ["transport-not-possible"])
