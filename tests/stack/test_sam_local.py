"""The built functions in containers, run by SAM CLI against the embedded stack."""

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.client import call, find, read_inbox
from local.cloud import make_client
from local.sam_local import ENVIRONMENT_FILE, SECRET_PREFIX
from local.state import Stack
from tests.support import sam_cli
from tests.support.sam_template import ROOT

MISSING = sam_cli.missing()
EVENTS = ROOT / "events"
NOTHING_COMES_BACK: dict[str, list[object]] = {"batchItemFailures": []}
MESSAGE = {"to": "ada@example.net", "subject": "Your order has shipped", "text": "It is on its way."}

pytestmark = [
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def stack(directory: Path) -> Iterator[Stack]:
    sam_cli.build()
    with sam_cli.stack_for_containers(directory) as running:
        yield running


@pytest.fixture(scope="module")
def env_vars(stack: Stack, directory: Path) -> Path:
    return directory / ENVIRONMENT_FILE


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        return port


def event(case: str) -> Path:
    return EVENTS / f"{case}.json"


def body(answer: object) -> object:
    return json.loads(str(find(answer, "body")))


class TestInvoke:
    """`sam local invoke`, once for each function: every run starts a container."""

    def test_authorize_accepts_a_valid_token(self, env_vars: Path) -> None:
        answer = sam_cli.invoke("AuthorizeFunction", event("authorize.valid"), env_vars)
        assert answer == {
            "isAuthorized": True,
            "context": {"project_id": "acme", "scope": "email-config:read email:send", "subject": "events"},
        }

    def test_send_reaches_the_project_s_relay(self, stack: Stack, env_vars: Path) -> None:
        answer = sam_cli.invoke("SendFunction", event("send.project_relay"), env_vars)
        message_id = find(body(answer), "message_id")
        _, messages = read_inbox(stack)
        received = [message for message in messages if find(message, "message_id") == message_id]
        assert [(find(message, "transport"), find(message, "tls", "mode")) for message in received] == [
            ("project-smtp", "starttls")
        ]

    def test_project_config_shows_the_entries(self, env_vars: Path) -> None:
        answer = sam_cli.invoke("ProjectConfigFunction", event("project_config.get"), env_vars)
        assert find(body(answer), "entries", "smtpPassword") == {"set": True}

    def test_deliver_sweeps(self, env_vars: Path) -> None:
        assert sam_cli.invoke("DeliverFunction", event("deliver.tick"), env_vars) == NOTHING_COMES_BACK

    def test_system_email_accepts_a_lifecycle_event(self, stack: Stack, env_vars: Path) -> None:
        case = event("system_email.MfaReset")
        assert sam_cli.invoke("SystemEmailFunction", case, env_vars) == NOTHING_COMES_BACK
        assert "MfaReset" in {record.get("origin") for record in ledger_records(stack, "SystemEmailFunction", env_vars)}

    def test_validate_secrets_validates_a_project(self, stack: Stack, env_vars: Path) -> None:
        case = event("validate_secrets.project")
        assert sam_cli.invoke("ValidateSecretsFunction", case, env_vars) == NOTHING_COMES_BACK
        secrets = make_client("secretsmanager", stack.aws_endpoint_url)
        version_id = secrets.get_secret_value(SecretId=f"{SECRET_PREFIX}acme")["VersionId"]
        records = ledger_records(stack, "ValidateSecretsFunction", env_vars)
        assert ("verified", version_id) in {(each.get("state"), each.get("version_id")) for each in records}


def ledger_records(stack: Stack, function: str, env_vars: Path) -> list[dict[str, Any]]:
    table = json.loads(env_vars.read_text(encoding="utf-8"))[function]["LEDGER_TABLE"]
    items = make_client("dynamodb", stack.aws_endpoint_url).scan(TableName=table)["Items"]
    return [json.loads(item["record"]["S"]) for item in items if "record" in item]


@pytest.fixture(scope="module")
def functions(env_vars: Path) -> Iterator[Any]:
    """A Lambda client of `sam local start-lambda`, whose containers stay warm."""
    with sam_cli.sam_local("start-lambda", env_vars, free_port()) as url:
        yield make_client("lambda", url)


# boto3 creates its clients at run time, so they have no static type.
def invoke(functions: Any, function: str, case: str) -> object:
    answer = functions.invoke(FunctionName=function, Payload=event(case).read_bytes())
    return json.loads(answer["Payload"].read())


class TestEvents:
    """The remaining events."""

    @pytest.mark.parametrize("case", ["authorize.expired", "authorize.malformed"])
    def test_authorize_refuses_an_invalid_token(self, functions: Any, case: str) -> None:
        assert invoke(functions, "AuthorizeFunction", case) == {"isAuthorized": False}

    @pytest.mark.parametrize(
        ("case", "status", "place", "said"),
        [
            ("send.server_ses", 200, "transport", "server-ses"),
            ("send.from_substituted", 200, "transport", "project-smtp"),
            ("send.explain", 200, "transport", "project-smtp"),
            ("send.broken_secret", 400, "code", "project-smtp-invalid"),
            ("send.invalid_request", 400, "code", "invalid-request"),
            ("send.forbidden", 403, "code", "forbidden"),
            ("send.async", 202, "status", "queued"),
            ("send.get", 404, "code", "not-found"),
            ("send.retry", 404, "code", "not-found"),
            ("send.cancel", 404, "code", "not-found"),
        ],
    )
    def test_send_answers(self, functions: Any, case: str, status: int, place: str, said: str) -> None:
        answer = invoke(functions, "SendFunction", case)
        assert (find(answer, "statusCode"), find(body(answer), place)) == (status, said)

    @pytest.mark.parametrize(("case", "status"), [("send.batch", 202), ("send.list", 200)])
    def test_send_answers_with_a_list(self, functions: Any, case: str, status: int) -> None:
        assert find(invoke(functions, "SendFunction", case), "statusCode") == status

    def test_a_test_message_is_sent_from_a_container(self, functions: Any) -> None:
        answer = invoke(functions, "ProjectConfigFunction", "project_config.test")
        assert (find(answer, "statusCode"), find(body(answer), "status")) == (200, "sent")

    def test_a_relay_with_an_unknown_host_is_not_stored(self, functions: Any) -> None:
        answer = invoke(functions, "ProjectConfigFunction", "project_config.put")
        assert (find(answer, "statusCode"), find(body(answer), "code")) == (503, "relay-unreachable")

    def test_a_broken_secret_contacts_neither_the_relay_nor_ses(self, functions: Any, stack: Stack) -> None:
        before, _ = read_inbox(stack)
        invoke(functions, "SendFunction", "send.broken_secret")
        after, _ = read_inbox(stack)
        assert after == before

    def test_the_stored_entries_validate_from_a_container(self, functions: Any) -> None:
        checks = body(invoke(functions, "ProjectConfigFunction", "project_config.validate_stored"))
        assert {find(check, "status") for check in as_list(find(checks, "checks"))} == {"passed"}

    def test_invalid_entries_fail_before_any_connection(self, functions: Any) -> None:
        checks = body(invoke(functions, "ProjectConfigFunction", "project_config.validate_entries"))
        status = {str(find(check, "name")): find(check, "status") for check in as_list(find(checks, "checks"))}
        assert (status["entries-valid"], status["connects"]) == ("failed", "skipped")


def as_list(node: object) -> list[object]:
    assert isinstance(node, list), node
    return node


@pytest.fixture(scope="module")
def api_url(env_vars: Path) -> Iterator[str]:
    with sam_cli.sam_local("start-api", env_vars, free_port()) as url:
        yield url


class TestApi:
    """`sam local start-api`: the template's routes behind the template's authorizer."""

    def test_a_request_with_a_token_is_sent(self, api_url: str, stack: Stack) -> None:
        answer = call(
            "POST", f"{api_url}/v1/projects/acme/emails", token=stack.tokens["acme"], body=MESSAGE, timeout_seconds=120
        )
        assert (answer.status, answer.text("transport")) == (200, "project-smtp")

    def test_a_request_without_a_token_is_refused(self, api_url: str) -> None:
        assert call("POST", f"{api_url}/v1/projects/acme/emails", body=MESSAGE, timeout_seconds=120).status == 401

    def test_another_project_s_token_does_not_send(self, api_url: str, stack: Stack) -> None:
        answer = call(
            "POST", f"{api_url}/v1/projects/acme/emails", token=stack.tokens["plain"], body=MESSAGE, timeout_seconds=120
        )
        assert (answer.status, answer.text("code")) == (403, "forbidden")
