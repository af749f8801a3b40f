"""URL, token and project of the command line, and the hosts that get the token."""

import base64
import json
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tests.support.fake_api import FakeApi, Reply

STATE = {"state": "server", "held": 0, "entries": {}, "problems": [], "warnings": []}


def token_for(project_id: object) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"project_id": project_id}).encode()).decode().rstrip("=")
    return f"header.{claims}.signature"


def write_stack(directory: Path, url: str) -> None:
    directory.mkdir()
    state = {"api_url": url, "tokens": {"acme": "acme.stack.token", "operator": "operator.stack.token"}}
    (directory / "stack.json").write_text(json.dumps(state), encoding="utf-8")


@pytest.fixture(autouse=True)
def _state(api: FakeApi) -> None:
    api.answers("GET", "email-config", Reply(200, STATE))


def test_url_token_and_project_come_from_the_environment(shell: CommandLine, api: FakeApi) -> None:
    assert shell.run("status").exit_code == 0

    assert api.asked[0].headers["authorization"] == "Bearer header.claims.signature"


def test_options_come_before_the_environment(api: FakeApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("file.of.token\n", encoding="utf-8")
    shell = CommandLine({"PROJECT_SMTP_URL": "https://elsewhere.example", "PROJECT_SMTP_TOKEN": "t", "LOCAL_DIR": "x"})

    shell.run("status", "--url", api.url, "--token-file", str(file), "--project", "acme")

    assert api.asked[0].headers["authorization"] == "Bearer file.of.token"


def test_the_project_comes_from_the_token(api: FakeApi) -> None:
    shell = CommandLine({"PROJECT_SMTP_URL": api.url, "PROJECT_SMTP_TOKEN": token_for("acme"), "LOCAL_DIR": "x"})

    assert shell.run("status").exit_code == 0


@pytest.mark.parametrize("project_id", ["*", "../../other", 7, None])
def test_a_token_for_all_projects_names_no_project(api: FakeApi, project_id: object) -> None:
    shell = CommandLine({"PROJECT_SMTP_URL": api.url, "PROJECT_SMTP_TOKEN": token_for(project_id), "LOCAL_DIR": "x"})

    assert shell.run("status").exit_code == 2
    assert api.asked == []


def test_the_embedded_stack_gives_url_and_tokens(api: FakeApi, tmp_path: Path) -> None:
    write_stack(tmp_path / "local", api.url)

    CommandLine({"LOCAL_DIR": str(tmp_path / "local")}).run("status", "--project", "acme")

    assert api.asked[0].headers["authorization"] == "Bearer acme.stack.token"


def test_the_operator_token_serves_a_project_without_a_token(api: FakeApi, tmp_path: Path) -> None:
    write_stack(tmp_path / "local", api.url)

    CommandLine({"LOCAL_DIR": str(tmp_path / "local")}).run("status", "--project", "other")

    assert api.asked[0].headers["authorization"] == "Bearer operator.stack.token"


def test_the_tokens_of_a_stack_are_sent_to_that_stack_only(api: FakeApi, tmp_path: Path) -> None:
    write_stack(tmp_path / "local", "http://127.0.0.1:1")

    ended = CommandLine({"LOCAL_DIR": str(tmp_path / "local")}).run("status", "--project", "acme", "--url", api.url)

    assert (ended.exit_code, api.asked) == (2, [])


def test_a_redirect_is_not_followed(shell: CommandLine, api: FakeApi) -> None:
    api.answers("GET", "email-config", Reply(302, {}, {"Location": f"{api.url}/stolen"}))

    assert shell.run("status").exit_code == 3
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com", "ftp://api.example.com", "api.example.com", "https://", "https://u:p@host.example",
        "https://host.example/?a=b", "https://host.example:99999", "https://ho st.example", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_a_url_that_a_token_should_not_go_to_is_refused(shell: CommandLine, url: str) -> None:
    assert shell.run("status", "--url", url).exit_code == 2


@pytest.mark.parametrize("project_id", ["a/b", "..", "", "x" * 65, "é", "a\n"])
def test_a_malformed_project_id_is_refused(shell: CommandLine, api: FakeApi, project_id: str) -> None:
    assert shell.run("validate", f"--project={project_id or ' '}").exit_code == 2
    assert api.asked == []


def test_a_token_with_a_line_end_within_is_refused(api: FakeApi) -> None:
    shell = CommandLine({"PROJECT_SMTP_URL": api.url, "PROJECT_SMTP_TOKEN": "a\r\nX-Evil: 1", "LOCAL_DIR": "x"})

    assert shell.run("status", "--project", "acme").exit_code == 2


def test_a_command_without_a_service_names_the_missing_options() -> None:
    ended = CommandLine({"LOCAL_DIR": "nowhere"}).run("status")

    assert ended.exit_code == 2
    assert "PROJECT_SMTP_URL" in ended.err


def test_a_refused_connection_is_unreachable() -> None:
    shell = CommandLine({"PROJECT_SMTP_URL": "http://127.0.0.1:1", "PROJECT_SMTP_TOKEN": "t", "LOCAL_DIR": "x"})

    ended = shell.run("status", "--project", "acme")

    assert (ended.exit_code, ended.err) == (3, "error: The service is not reachable: the connection was refused.\n")
