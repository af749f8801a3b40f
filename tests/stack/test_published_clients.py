"""The published clients of Medplum and Courier on the embedded stack; only base URL and token are set."""

import uuid
from collections.abc import Mapping

import pytest

from local.client import Json, find, read_inbox
from tests.support.embedded import Running
from tests.support.published_clients import ClientsMissing, PublishedClients, install_clients


@pytest.fixture(scope="module")
def clients() -> PublishedClients:
    try:
        return install_clients()
    except ClientsMissing as missing:
        pytest.skip(f"the published clients cannot run: {missing}")


@pytest.fixture
def subject() -> str:
    return f"From a client {uuid.uuid4()}"


def arrived(running: Running, subject: str) -> list[Json]:
    return [message for message in read_inbox(running.stack)[1] if message["subject"] == subject]


class TestMedplum:
    @staticmethod
    def send(clients: PublishedClients, running: Running, message: Json, *, token_of: str = "acme") -> Json:
        stack = running.stack
        return clients.send("medplum", base_url=stack.api_url, token=stack.tokens[token_of], message=message)

    def test_send_email_is_all_ok_and_arrives_at_the_project_s_relay(
        self, clients: PublishedClients, embedded_stack: Running, subject: str
    ) -> None:
        message: Json = {
            "to": [{"name": "Ada", "address": "ada@example.com"}, {"name": "", "address": "bob@example.com"}],
            "cc": "carol@example.com, dave@example.com",
            "subject": subject,
            "html": "<p>Good morning.</p>",
            "text": "Good morning.",
            "attachments": [{"filename": "results.txt", "content": "All is well.", "contentType": "text/plain"}],
        }

        result = self.send(clients, embedded_stack, message)

        assert find(result, "answer", "id") == "ok"
        assert find(result, "answer", "issue", 0, "details", "text") == "All OK"
        [received] = arrived(embedded_stack, subject)
        assert received["transport"] == "project-smtp"

    def test_a_project_without_a_relay_is_sent_by_the_server(
        self, clients: PublishedClients, embedded_stack: Running, subject: str
    ) -> None:
        self.send(
            clients, embedded_stack, {"to": "ada@example.com", "subject": subject, "text": "Hello."}, token_of="plain"
        )

        assert [message["transport"] for message in arrived(embedded_stack, subject)] == ["server-ses"]

    def test_a_missing_recipient_is_an_error_that_the_client_throws(
        self, clients: PublishedClients, embedded_stack: Running, subject: str
    ) -> None:
        result = self.send(clients, embedded_stack, {"subject": subject, "text": "Hello."})

        assert find(result, "refused", "outcome", "issue", 0, "details", "text") == "To is required"


class TestCourier:
    @staticmethod
    def send(clients: PublishedClients, running: Running, message: Mapping[str, object]) -> Json:
        stack = running.stack
        return clients.send("courier", base_url=stack.api_url, token=stack.tokens["acme"], message=dict(message))

    def test_send_message_returns_a_request_id_and_arrives(
        self, clients: PublishedClients, embedded_stack: Running, subject: str
    ) -> None:
        attachment = {
            "filename": "document.pdf",
            "content": "aGVsbG8gd29ybGQh",
            "encoding": "base64",
            "contentType": "application/pdf",
        }
        message = {
            "to": {"email": "ada@example.com"},
            "content": {"title": subject, "body": "Good morning."},
            "routing": {"method": "single", "channels": ["email"]},
            "providers": {"smtp": {"override": {"body": {"attachments": [attachment]}}}},
        }

        result = self.send(clients, embedded_stack, message)

        identity = find(result, "answer", "requestId")
        history = embedded_stack.caller("acme").get(f"emails/{identity}")
        assert (history.status, history.text("status")) == (200, "sent")
        assert len(arrived(embedded_stack, subject)) == 1

    def test_a_refusal_is_an_error_with_message_and_type(
        self, clients: PublishedClients, embedded_stack: Running, subject: str
    ) -> None:
        message = {"to": {"user_id": "ada"}, "content": {"title": subject, "body": "Good morning."}}

        result = self.send(clients, embedded_stack, message)

        assert find(result, "refused", "status") == 400
        assert find(result, "refused", "body", "type") == "invalid_request_error"
        assert arrived(embedded_stack, subject) == []
