"""A change of a configuration takes effect with the next message, in every process of the embedded stack."""

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from local.client import Answer, call
from local.cloud import make_client
from tests.support.embedded import Running

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_MESSAGE = {"to": "ada@example.com", "subject": "Hello", "text": "Hi"}


@dataclass(frozen=True)
class Project:
    """A project for one test. Sends and changes go to different functions, so to processes with separate caches."""

    stack: Running
    id: str = field(default_factory=lambda: f"p-{uuid.uuid4().hex}")

    @property
    def secrets(self) -> "SecretsManagerClient":
        return cast("SecretsManagerClient", make_client("secretsmanager", self.stack.stack.aws_endpoint_url))

    def entries(self, **changes: object) -> dict[str, object]:
        relay = self.stack.stack.relay
        return {**relay.entries(port=relay.starttls_port, from_address=f"Acme <{self.id}@acme.example>"), **changes}

    def ask(self, method: str, path: str, body: object | None = None) -> Answer:
        url = f"{self.stack.stack.api_url}/v1/projects/{self.id}{path}"
        return call(method, url, token=self.stack.stack.tokens["operator"], body=body)

    def send(self) -> str:
        """Send a message and return its transport, or the code of the error."""
        answer = self.ask("POST", "/emails", _MESSAGE)
        return answer.text("transport") if answer.status == 200 else answer.text("code")

    def put(self, **changes: object) -> int:
        return self.ask("PUT", "/email-config", {"entries": self.entries(**changes)}).status

    def edit_in_the_console(self, **changes: object) -> None:
        name = f"{self.stack.stack.project_secret_prefix}{self.id}"
        self.secrets.put_secret_value(SecretId=name, SecretString=json.dumps(self.entries(**changes)))


@pytest.fixture
def project(embedded_stack: Running) -> Project:
    return Project(embedded_stack)


def test_the_first_relay_sends_the_next_message(project: Project) -> None:
    assert project.send() == "server-ses"

    assert project.put() == 200

    assert project.send() == "project-smtp"


def test_the_message_after_a_removal_leaves_by_the_server(project: Project) -> None:
    project.put()
    assert project.send() == "project-smtp"

    project.ask("DELETE", "/email-config")

    assert project.send() == "server-ses"


def test_mail_that_was_switched_off_in_the_console_is_off_after_a_validation(project: Project) -> None:
    project.put()
    assert project.send() == "project-smtp"

    project.edit_in_the_console(emailEnabled="false")
    project.ask("POST", "/email-config/validate")

    assert project.send() == "project-smtp-invalid"
