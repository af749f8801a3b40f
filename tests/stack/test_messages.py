"""Messages from a signed HTTP request to the relay or SES."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.client import Answer, Json, call, find, read_inbox
from local.cloud import make_client
from tests.support.embedded import Running


@pytest.fixture
def subject() -> str:
    return f"Message {uuid.uuid4()}"


@pytest.fixture
def fresh_project() -> str:
    """A project that no function has read yet; the test writes its secret."""
    return f"project-{uuid.uuid4()}"


def draft(subject: str, **members: object) -> dict[str, object]:
    return {"to": "Ada <ada@example.com>", "subject": subject, "text": "It works.", **members}


def arrived(running: Running, subject: str) -> list[Json]:
    return [message for message in read_inbox(running.stack)[1] if message["subject"] == subject]


def counts(running: Running) -> dict[str, int]:
    return read_inbox(running.stack)[0]


def write_secret(running: Running, project_id: str, text: str) -> None:
    client = make_client("secretsmanager", running.stack.aws_endpoint_url)
    client.create_secret(Name=f"{running.stack.project_secret_prefix}{project_id}", SecretString=text)


def as_operator(running: Running, project_id: str, path: str, body: Json | None = None) -> Answer:
    url = f"{running.stack.api_url}/v1/projects/{project_id}/{path}"
    return call("POST", url, token=running.stack.tokens["operator"], body=body)


class TestServerTransport:
    def test_a_project_without_a_secret_sends_by_ses(self, embedded_stack: Running, subject: str) -> None:
        answer = embedded_stack.caller("plain").post("emails", draft(subject))

        assert (answer.status, answer.text("transport")) == (200, "server-ses")
        assert [message["transport"] for message in arrived(embedded_stack, subject)] == ["server-ses"]

    def test_the_relay_is_not_contacted(self, embedded_stack: Running, subject: str) -> None:
        before = counts(embedded_stack)

        embedded_stack.caller("plain").post("emails", draft(subject))

        assert counts(embedded_stack)["relay_connections"] == before["relay_connections"]

    def test_the_envelope_has_every_recipient_and_the_headers_have_no_bcc(
        self, embedded_stack: Running, subject: str
    ) -> None:
        embedded_stack.caller("plain").post("emails", draft(subject, bcc="eve@example.com"))

        (message,) = arrived(embedded_stack, subject)
        assert find(message, "envelope", "recipients") == ["ada@example.com", "eve@example.com"]
        assert "eve@example.com" not in str(message["raw"])


class TestProjectRelay:
    def test_a_project_with_a_secret_sends_by_its_relay(self, embedded_stack: Running, subject: str) -> None:
        before = counts(embedded_stack)

        answer = embedded_stack.caller("acme").post("emails", draft(subject))

        (message,) = arrived(embedded_stack, subject)
        assert (answer.status, answer.text("transport")) == (200, "project-smtp")
        assert message["transport"] == "project-smtp"
        assert message["message_id"] == answer.text("message_id")
        assert counts(embedded_stack)["ses_requests"] == before["ses_requests"]

    def test_the_connection_has_tls_and_an_authenticated_user(self, embedded_stack: Running, subject: str) -> None:
        embedded_stack.caller("acme").post("emails", draft(subject))

        (message,) = arrived(embedded_stack, subject)
        assert (find(message, "tls", "mode"), find(message, "tls", "version")) == ("starttls", "TLSv1.3")
        assert message["authenticated_user"] == embedded_stack.stack.relay.username

    def test_implicit_tls_is_used(self, embedded_stack: Running, subject: str, fresh_project: str) -> None:
        relay = embedded_stack.stack.relay
        entries = relay.entries(port=relay.tls_port, from_address="hello@globex.example")
        write_secret(embedded_stack, fresh_project, json.dumps(entries))

        answer = as_operator(embedded_stack, fresh_project, "emails", draft(subject))

        (message,) = arrived(embedded_stack, subject)
        assert answer.status == 200
        assert (find(message, "tls", "mode"), message["from"]) == ("implicit", "hello@globex.example")

    def test_an_approved_sender_is_used(self, embedded_stack: Running, subject: str) -> None:
        answer = embedded_stack.caller("acme").post("emails", draft(subject, **{"from": "billing@acme.example"}))

        (message,) = arrived(embedded_stack, subject)
        assert answer.text("from", "reason") == "approved"
        assert message["from"] == "billing@acme.example"

    def test_the_server_s_sender_is_not_approved_for_a_project(self, embedded_stack: Running, subject: str) -> None:
        answer = embedded_stack.caller("acme").post("emails", draft(subject, **{"from": "no-reply@platform.example"}))

        (message,) = arrived(embedded_stack, subject)
        assert answer.text("from", "reason") == "not-approved"
        assert message["from"] == "Acme <hello@acme.example>"

    def test_concurrent_messages_arrive_once_each_at_their_own_project(
        self, embedded_stack: Running, subject: str
    ) -> None:
        def send(number: int) -> str:
            project_id = ("acme", "plain")[number % 2]
            return embedded_stack.caller(project_id).post("emails", draft(f"{subject} {number}")).text("message_id")

        with ThreadPoolExecutor(16) as callers:
            sent = list(callers.map(send, range(40)))

        received = [message for number in range(40) for message in arrived(embedded_stack, f"{subject} {number}")]
        assert [message["message_id"] for message in received] == sent
        assert [message["transport"] for message in received] == ["project-smtp", "server-ses"] * 20


class TestFailClosed:
    def test_a_broken_secret_is_refused_and_names_every_entry(self, embedded_stack: Running, subject: str) -> None:
        answer = embedded_stack.caller("broken").post("emails", draft(subject))

        problems = answer.body["problems"]
        assert isinstance(problems, list)
        assert (answer.status, answer.text("code")) == (400, "project-smtp-invalid")
        assert {find(problem, "entry") for problem in problems} == {
            "smtpPort",
            "smtpUser",
            "smtpUsername",
            "smtpPassword",
            "smtpFromAddress",
        }

    def test_a_broken_secret_contacts_neither_the_relay_nor_ses(self, embedded_stack: Running, subject: str) -> None:
        before = counts(embedded_stack)

        embedded_stack.caller("broken").post("emails", draft(subject))

        assert counts(embedded_stack) == before

    def test_a_rejected_password_never_leads_to_ses_and_a_corrected_one_is_used(
        self, embedded_stack: Running, subject: str, fresh_project: str
    ) -> None:
        relay = embedded_stack.stack.relay
        entries = relay.entries(port=relay.starttls_port, from_address="hello@globex.example")
        write_secret(embedded_stack, fresh_project, json.dumps(entries | {"smtpPassword": "wrong"}))
        before = counts(embedded_stack)

        refused = as_operator(embedded_stack, fresh_project, "emails", draft(subject))
        make_client("secretsmanager", embedded_stack.stack.aws_endpoint_url).put_secret_value(
            SecretId=f"{embedded_stack.stack.project_secret_prefix}{fresh_project}", SecretString=json.dumps(entries)
        )
        corrected = as_operator(embedded_stack, fresh_project, "emails", draft(subject))

        assert (refused.status, refused.text("code")) == (424, "relay-auth-rejected")
        assert (corrected.status, corrected.text("transport")) == (200, "project-smtp")
        assert counts(embedded_stack)["ses_requests"] == before["ses_requests"]

    def test_no_password_is_sent_under_a_certificate_of_an_unknown_authority(
        self, embedded_stack: Running, subject: str, fresh_project: str
    ) -> None:
        relay = embedded_stack.stack.relay
        entries = relay.entries(port=relay.starttls_port, from_address="hello@globex.example")
        del entries["smtpCaCertificate"]
        write_secret(embedded_stack, fresh_project, json.dumps(entries))
        before = counts(embedded_stack)

        answer = as_operator(embedded_stack, fresh_project, "emails", draft(subject))

        assert (answer.status, answer.text("code")) == (424, "relay-tls-failed")
        assert counts(embedded_stack)["ses_requests"] == before["ses_requests"]


class TestWithoutSending:
    def test_explain_shows_transport_and_from(self, embedded_stack: Running, subject: str) -> None:
        before = counts(embedded_stack)

        answer = embedded_stack.caller("acme").post("emails/explain", draft(subject, **{"from": "x@elsewhere.example"}))

        assert (answer.status, answer.text("transport")) == (200, "project-smtp")
        assert answer.text("from", "reason") == "not-approved"
        assert counts(embedded_stack) == before

    def test_explain_shows_that_a_broken_secret_sends_nothing(self, embedded_stack: Running, subject: str) -> None:
        answer = embedded_stack.caller("broken").post("emails/explain", draft(subject))

        assert answer.body["would_send"] is False

    def test_validate_passes_every_check_of_a_good_secret(self, embedded_stack: Running) -> None:
        answer = embedded_stack.caller("acme").post("email-config/validate")

        checks = answer.body["checks"]
        assert isinstance(checks, list)
        assert {find(check, "status") for check in checks} == {"passed"}

    def test_validate_names_the_check_that_a_broken_secret_fails(self, embedded_stack: Running) -> None:
        answer = embedded_stack.caller("broken").post("email-config/validate")

        checks = answer.body["checks"]
        assert isinstance(checks, list)
        failed = [find(check, "name") for check in checks if find(check, "status") == "failed"]
        assert failed == ["entries-valid"]

    def test_the_configuration_is_shown_without_its_secrets(self, embedded_stack: Running) -> None:
        answer = embedded_stack.caller("acme").get("email-config")

        assert find(answer.body, "entries", "smtpPassword") == {"set": True}
        assert embedded_stack.stack.relay.password not in json.dumps(answer.body)
