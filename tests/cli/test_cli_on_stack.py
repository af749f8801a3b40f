"""The command line against the embedded stack: `docs/cli.md` from its first command to its last."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.client import find, read_inbox
from local.cloud import make_client
from local.option import ROOT
from tests.support import embedded
from tests.support.embedded import Running
from tests.support.patience import eventually

DOCUMENT = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
PROGRAM = Path(sys.executable).parent
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^```json (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
MESSAGE_ID = re.compile(r"\b[0-9a-f]{32}\b")
# Values that differ between stacks.
FRESH = (
    (MESSAGE_ID, "ID"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?"), "TIME"),
    (re.compile(r"(?<=Queue-)[A-Z0-9]{12}\b"), "SUFFIX"),
    (re.compile(r"(?<=smtpPort)\s+\d{4,5}\b"), " PORT"),
    (re.compile(r"(?<=Queued as )\d+"), "N"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A command of the document, its documented output and its real output."""

    command: str
    documented: str
    printed: str


def without_fresh(text: str) -> list[str]:
    for pattern, name in FRESH:
        text = pattern.sub(name, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def run(running: Running, directory: Path, command: str) -> str:
    """Run a line in a shell."""
    environment = embedded.environment(running.directory)
    environment["PATH"] = f"{PROGRAM}:{environment['PATH']}"
    ended = subprocess.run(  # noqa: S602 -- lines of this repository's document
        f"{command}\necho $? >.exit", shell=True, cwd=directory, env=environment, timeout=60, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return ended.stdout


def prepare(running: Running, directory: Path) -> None:
    """Create what the document needs: a held message, failed deliveries, files."""
    detail = {
        "requestId": "reset-1",
        "projectId": "broken",
        "user": {"email": "ada@example.com"},
        "link": "https://app.platform.example/reset",
    }
    variables = embedded.environment(running.directory)
    put = embedded.run_command("event", "PasswordResetRequested", json.dumps(detail), variables=variables)
    assert put.returncode == 0
    held = running.caller("broken")
    eventually(lambda: held.get("emails?status=held").body["emails"])
    sqs, url = failure_queue(running)
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody='{"project_id": "acme", "id": "gone"}')
    reason = {"reason": {"DataType": "String", "StringValue": "malformed"}}
    sqs.send_message(QueueUrl=url, MessageBody="?", MessageAttributes=reason)
    for name, content in FILE.findall(DOCUMENT):
        (directory / name).write_text(content, encoding="utf-8")
    relay = running.stack.relay
    courier = {
        "host": relay.host,
        "port": relay.starttls_port,
        "secure": False,
        "requireTLS": True,
        "auth": {"user": relay.username, "pass": relay.password},
        "tls": {"ca": relay.ca_pem},
    }
    (directory / "courier.json").write_text(json.dumps(courier), encoding="utf-8")


def failure_queue(running: Running) -> tuple[Any, str]:
    sqs = make_client("sqs", running.stack.aws_endpoint_url)
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if "DeliveryFailureQueue" in url]
    return sqs, url


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with embedded.running(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture(scope="module")
def examples(stack: Running, tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Run every command of the document in order, with the ids of this stack."""
    directory = tmp_path_factory.mktemp("files")
    prepare(stack, directory)
    ids: dict[str, str] = {}
    ran: list[Example] = []
    for block in CONSOLE.findall(DOCUMENT):
        for command, documented in COMMAND.findall(block):
            if command == "echo $?":
                printed = (directory / ".exit").read_text(encoding="utf-8")
            else:
                for there, here in ids.items():
                    command = command.replace(there, here)
                printed = run(stack, directory, command)
            ids.update(zip(MESSAGE_ID.findall(documented), MESSAGE_ID.findall(printed), strict=False))
            ran.append(Example(command, documented, printed))
    return ran


def test_every_documented_command_prints_its_documented_output(examples: list[Example]) -> None:
    for example in examples:
        assert without_fresh(example.printed) == without_fresh(example.documented), example.command


def test_every_command_is_documented() -> None:
    listed = subprocess.run(  # noqa: S603 -- the program itself
        [PROGRAM / "project-smtp", "--help"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    commands = re.findall(r"^    ([a-z]+) ", listed, re.MULTILINE)

    shown = "".join(CONSOLE.findall(DOCUMENT))
    ran = {command.split("project-smtp ")[1].split()[0] for command, _ in COMMAND.findall(shown) if "-smtp " in command}
    assert len(commands) == 10
    assert set(commands) == ran


def test_no_password_was_printed(examples: list[Example], stack: Running) -> None:
    printed = "".join(example.printed for example in examples)

    assert [word for word in (stack.stack.relay.password, "in-plain-text", "BEGIN CERT") if word in printed] == []


def test_an_imported_configuration_sends(examples: list[Example], stack: Running, tmp_path: Path) -> None:
    assert examples
    run(stack, tmp_path, "project-smtp send --project fresh --to ada@example.com --subject imported --text x")

    (message,) = [each for each in read_inbox(stack.stack)[1] if each["subject"] == "imported"]
    assert (find(message, "from"), find(message, "tls", "mode")) == ("Fresh <hello@fresh.example>", "starttls")


def test_a_message_set_aside_stays_in_the_failure_queue(examples: list[Example], stack: Running) -> None:
    assert examples
    sqs, url = failure_queue(stack)

    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])

    assert [message["Body"] for message in messages] == ["?"]


def test_a_queue_that_is_not_a_failure_queue_is_refused(stack: Running, tmp_path: Path) -> None:
    sqs, failed = failure_queue(stack)
    url = sqs.list_dead_letter_source_queues(QueueUrl=failed)["queueUrls"][0]

    assert "not the failure queue" in run(stack, tmp_path, f"project-smtp redrive {url}")
    assert (tmp_path / ".exit").read_text(encoding="utf-8") == "2\n"


def test_an_unknown_stack_is_refused(stack: Running, tmp_path: Path) -> None:
    printed = run(stack, tmp_path, "project-smtp redrive https://sqs.us-east-1.amazonaws.com/123456789012/nowhere")

    assert "AWS refused the request" in printed
    assert (tmp_path / ".exit").read_text(encoding="utf-8") == "4\n"
