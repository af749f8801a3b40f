"""Secrets on the embedded stack: changed over the API and in the console, validated, removed and tested."""

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

# Time from an edit in the console to the new state in the API.
_NOTICED_SECONDS = 5.0


@dataclass(frozen=True)
class Project:
    """A project for one test."""

    stack: Running
    id: str = field(default_factory=lambda: f"p-{uuid.uuid4().hex}")

    @property
    def secrets(self) -> "SecretsManagerClient":
        return cast("SecretsManagerClient", make_client("secretsmanager", self.stack.stack.aws_endpoint_url))

    @property
    def secret(self) -> str:
        return f"{self.stack.stack.project_secret_prefix}{self.id}"

    def entries(self, **changes: object) -> dict[str, object]:
        relay = self.stack.stack.relay
        return {**relay.entries(port=relay.starttls_port, from_address=f"Acme <{self.id}@acme.example>"), **changes}

    def ask(self, method: str, path: str = "", body: object | None = None) -> Answer:
        url = f"{self.stack.stack.api_url}/v1/projects/{self.id}/email-config{path}"
        return call(method, url, token=self.stack.stack.tokens["operator"], body=body)

    def put(self, **changes: object) -> Answer:
        return self.ask("PUT", body={"entries": self.entries(**changes)})

    def edit_in_the_console(self, **changes: object) -> None:
        self.secrets.put_secret_value(SecretId=self.secret, SecretString=json.dumps(self.entries(**changes)))

    def labels(self) -> list[str]:
        stages = self.secrets.describe_secret(SecretId=self.secret)["VersionIdsToStages"]
        return sorted(label for labels in stages.values() for label in labels)

    def comes_to(self, state: str) -> bool:
        return _comes_true(lambda: self.ask("GET").text("state") == state)


def _comes_true(is_true: Callable[[], bool]) -> bool:
    end, pause = time.monotonic() + _NOTICED_SECONDS, threading.Event()
    while not is_true():
        if time.monotonic() > end:
            return False
        pause.wait(0.05)
    return True


@pytest.fixture
def project(embedded_stack: Running) -> Project:
    return Project(embedded_stack)


def test_entries_that_the_relay_accepts_are_current_at_once(project: Project) -> None:
    answer = project.put()

    assert (answer.status, answer.text("state")) == (200, "verified")
    assert project.labels() == ["AWSCURRENT"]
    trial = project.ask("POST", "/test", {"to": "ada@example.com"})
    assert (trial.status, trial.text("status"), trial.text("transport")) == (200, "sent", "project-smtp")
    assert find(trial.body, "from", "used") == f"Acme <{project.id}@acme.example>"


def test_entries_that_the_relay_refuses_change_nothing(project: Project) -> None:
    before = project.put().text("version_id")

    answer = project.put(smtpPassword="wrong")

    assert (answer.status, answer.text("code")) == (424, "relay-auth-rejected")
    assert project.ask("GET").text("version_id") == before


def test_SH16_shown_entries_can_be_put_back_and_the_password_stays(project: Project) -> None:
    project.put()
    shown = find(project.ask("GET").body, "entries")
    assert isinstance(shown, dict)

    answer = project.ask("PUT", body={"entries": {**shown, "smtpFromName": "Acme"}})

    assert (answer.status, answer.text("state")) == (200, "verified")
    assert project.labels() == ["AWSCURRENT", "AWSPREVIOUS"]


def test_an_edit_in_the_console_is_validated_automatically(project: Project) -> None:
    project.secrets.create_secret(Name=project.secret, SecretString=json.dumps(project.entries()))
    assert project.comes_to("verified")

    project.edit_in_the_console(smtpPassword="wrong")

    assert project.comes_to("invalid")
    assert find(project.ask("GET").body, "problems", 0, "entry") == "smtpPassword"


def test_an_edit_in_the_console_replaces_one_over_the_api(project: Project) -> None:
    project.put()
    project.put(smtpFromName="Acme")

    project.edit_in_the_console(smtpPort="mail")

    assert project.comes_to("invalid")


def test_a_removed_configuration_leaves_no_credentials_behind(project: Project) -> None:
    project.put()

    answer = project.ask("DELETE")

    assert (answer.status, answer.text("state")) == (200, "server")
    assert project.labels() == ["AWSCURRENT"]
    assert project.secrets.get_secret_value(SecretId=project.secret, VersionStage="AWSCURRENT")["SecretString"] == "{}"
    trial = project.ask("POST", "/test", {"to": "ada@example.com"})
    assert (trial.status, trial.text("transport")) == (200, "server-ses")


def test_a_deleted_secret_returns_the_project_to_the_server(project: Project) -> None:
    project.put()

    project.secrets.delete_secret(SecretId=project.secret, ForceDeleteWithoutRecovery=True)

    assert project.comes_to("server")
