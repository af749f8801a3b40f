"""Other systems' requests over HTTP: the gateway's authorizers, and what the relay receives."""

import uuid

import pytest

from local.client import Answer, Json, call, read_inbox
from tests.support.embedded import Running

MESSAGE = {"to": [{"email": "ada@example.com", "name": "Ada"}], "subject": "Hello", "body_text": "It works."}


def post(running: Running, path: str, body: object, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return call("POST", f"{running.stack.api_url}{path}", body=body, headers=named)


@pytest.fixture
def subject() -> str:
    return f"In another dialect {uuid.uuid4()}"


@pytest.fixture
def project() -> str:
    return f"dialect-{uuid.uuid4()}"


def arrived(running: Running, subject: str) -> list[Json]:
    return [message for message in read_inbox(running.stack)[1] if message["subject"] == subject]


def test_D8_D14_the_key_of_dreamfactory_is_the_token(embedded_stack: Running, subject: str) -> None:
    key = embedded_stack.stack.tokens["acme"]

    answer = post(embedded_stack, "/api/v2/email", {**MESSAGE, "subject": subject}, X_DreamFactory_API_Key=key)

    assert (answer.status, answer.body) == (200, {"count": 1})
    assert [message["transport"] for message in arrived(embedded_stack, subject)] == ["project-smtp"]


def test_D17_without_a_key_it_is_401(embedded_stack: Running) -> None:
    token = embedded_stack.stack.tokens["acme"]

    answer = post(embedded_stack, "/api/v2/email", MESSAGE, Authorization=f"Bearer {token}")

    assert (answer.status, answer.body) == (401, {"message": "Unauthorized"})


def test_an_invalid_key_is_refused_even_if_the_other_header_is_valid(embedded_stack: Running) -> None:
    bearer = f"Bearer {embedded_stack.stack.tokens['acme']}"

    first = post(embedded_stack, "/api/v2/email", MESSAGE, X_DreamFactory_API_Key="bad", Authorization=bearer)
    second = post(embedded_stack, "/api/v2/email", MESSAGE, X_DreamFactory_API_Key="bad")

    assert (first.status, second.status) == (403, 403)


@pytest.mark.parametrize("header", ["x-api-key", "Authorization"])
def test_P6_messagepipe_s_token_may_be_in_either_header(embedded_stack: Running, header: str) -> None:
    token = embedded_stack.stack.tokens["acme"]
    headers = {header: f"Bearer {token}" if header == "Authorization" else token}

    answer = post(embedded_stack, "/email/send", {"templateId": "missing", "to": "ada@example.com"}, **headers)

    assert (answer.status, answer.text("code")) == (404, "template-not-found")


def test_P6_without_a_token_the_route_of_messagepipe_to_send_is_403(embedded_stack: Running) -> None:
    assert post(embedded_stack, "/email/send", {"templateId": "missing", "to": "ada@example.com"}).status == 403


def test_C7_an_override_sends_by_the_relay_that_it_names(embedded_stack: Running, subject: str) -> None:
    relay = embedded_stack.stack.relay
    config = {
        "host": relay.host,
        "port": relay.tls_port,
        "secure": True,
        "auth": {"user": relay.username, "pass": relay.password},
        "tls": {"ca": relay.ca_pem},
    }
    override = {"config": config, "body": {"from": "me@customer.example"}}
    message = {
        "to": {"email": "ada@example.com"},
        "content": {"title": subject, "body": "It works."},
        "providers": {"smtp": {"override": override}},
    }

    # A project that uses the server transport otherwise.
    bearer = f"Bearer {embedded_stack.stack.tokens['plain']}"
    answer = post(embedded_stack, "/send", {"message": message}, Authorization=bearer)

    assert answer.status == 202
    assert [received["transport"] for received in arrived(embedded_stack, subject)] == ["project-smtp"]


def test_C2_a_failed_login_sends_nothing(embedded_stack: Running, subject: str) -> None:
    relay = embedded_stack.stack.relay
    config = {
        "host": relay.host,
        "port": relay.starttls_port,
        "secure": False,
        "requireTLS": True,
        "auth": {"user": relay.username, "pass": "wrong"},
        "tls": {"ca": relay.ca_pem},
    }
    override = {"config": config, "body": {"from": "me@customer.example"}}
    message = {
        "to": {"email": "ada@example.com"},
        "content": {"title": subject, "body": "It works."},
        "providers": {"smtp": {"override": override}},
    }

    bearer = f"Bearer {embedded_stack.stack.tokens['plain']}"
    answer = post(embedded_stack, "/send", {"message": message}, Authorization=bearer)

    assert (answer.status, answer.text("error"), answer.headers["x-should-retry"]) == (424, "EAUTH", "false")
    assert arrived(embedded_stack, subject) == []


def test_P2_P4_a_project_needs_only_a_sender_and_a_provider(
    embedded_stack: Running, subject: str, project: str
) -> None:
    relay = embedded_stack.stack.relay
    bearer = f"Bearer {embedded_stack.stack.tokens['operator']}"
    sender = {"senderEmail": "noreply@yourcompany.example", "senderName": "Your Company", "enabled": True}
    provider = {
        "provider": "smtp",
        "name": "Primary",
        "enabled": True,
        "priority": 1,
        "config": {
            "host": relay.host,
            "port": relay.starttls_port,
            "secure": False,
            "auth": {"user": relay.username, "pass": relay.password},
            "tls": {"ca": relay.ca_pem, "rejectUnauthorized": True},
        },
    }

    stored = [
        post(embedded_stack, f"{path}?projectId={project}", body, Authorization=bearer)
        for path, body in (("/email-config", sender), ("/email-config/providers", provider))
    ]
    message = {"to": "ada@example.com", "subject": subject, "text": "It works."}
    sent = post(embedded_stack, f"/email/v1/send?projectId={project}", message, Authorization=bearer)

    assert [answer.status for answer in (*stored, sent)] == [201, 201, 200]
    assert [received["transport"] for received in arrived(embedded_stack, subject)] == ["project-smtp"]
