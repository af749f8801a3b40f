"""A system e-mail that waits for a project's relay, and the removal of that relay, on the embedded stack."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from local.client import Answer, call, find
from local.cloud import make_client
from tests.support.embedded import Running

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Project:
    """A project whose relay refuses the password, so that its password reset is held."""

    stack: Running
    id: str = field(default_factory=lambda: f"p-{uuid.uuid4().hex}")

    def ask(self, method: str, path: str, body: object | None = None) -> Answer:
        url = f"{self.stack.stack.api_url}/v1/projects/{self.id}{path}"
        return call(method, url, token=self.stack.stack.tokens["operator"], body=body)

    def break_relay(self) -> None:
        secrets = cast("SecretsManagerClient", make_client("secretsmanager", self.stack.stack.aws_endpoint_url))
        relay = self.stack.stack.relay
        entries = relay.entries(port=relay.starttls_port, from_address=f"{self.id}@acme.example")
        secrets.create_secret(
            Name=f"{self.stack.stack.project_secret_prefix}{self.id}",
            SecretString=json.dumps({**entries, "smtpPassword": "wrong"}),
        )

    def request_reset(self) -> None:
        events = make_client("events", self.stack.stack.aws_endpoint_url)
        detail = {
            "requestId": f"reset-{self.id}",
            "projectId": self.id,
            "user": {"email": "ada@example.com"},
            "link": "https://app.platform.example/setpassword/1/secret",
        }
        entry = {
            "EventBusName": self.stack.stack.event_bus,
            "Source": "identity",
            "DetailType": "PasswordResetRequested",
            "Detail": json.dumps(detail),
        }
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def reset(self) -> tuple[object, object, object]:
        """Return status, reason and transport of the reset."""
        body = self.ask("GET", "/emails").body
        return (
            find(body, "emails", 0, "status"),
            find(body, "emails", 0, "reason"),
            find(body, "emails", 0, "transport"),
        )

    def comes_to(self, *states: object) -> bool:
        return _comes_true(lambda: self.reset()[: len(states)] == states)


def _comes_true(is_true: Callable[[], bool]) -> bool:
    end, pause = time.monotonic() + _PATIENCE_SECONDS, threading.Event()
    while not is_true():
        if time.monotonic() > end:
            return False
        pause.wait(0.1)
    return True


@pytest.fixture
def project(embedded_stack: Running) -> Project:
    project = Project(embedded_stack)
    project.break_relay()
    project.request_reset()
    assert _comes_true(lambda: find(project.ask("GET", "/emails").body, "emails", 0, "status") == "held")
    return project


def test_a_held_reset_stays_held_after_a_removal_and_leaves_when_the_admin_decides(project: Project) -> None:
    assert project.ask("DELETE", "/email-config").status == 200
    assert project.comes_to("held", "relay-removed")

    assert project.ask("POST", "/email-config/held", {"held": "send"}).status == 202

    assert project.comes_to("sent", None, "server-ses")


def test_a_held_reset_leaves_by_the_server_if_the_removal_says_so(project: Project) -> None:
    assert project.ask("DELETE", "/email-config?held=send").status == 200

    assert project.comes_to("sent", None, "server-ses")


def test_a_held_reset_is_cancelled_if_the_removal_says_so(project: Project) -> None:
    assert project.ask("DELETE", "/email-config?held=cancel").status == 200

    assert project.comes_to("cancelled")
