"""The stack's commands: what they print, which files they leave, how they end."""

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local.client import call, find, read_inbox
from local.option import ROOT
from local.state import STATE_FILE
from local.template import read_template
from tests.support import embedded
from tests.support.embedded import Running

MESSAGE = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}
STATE_KEYS = {
    "api_url",
    "aws_endpoint_url",
    "region",
    "access_key_id",
    "secret_access_key",
    "event_bus",
    "project_secret_prefix",
    "inbox_url",
    "relay",
    "tokens",
}


def children_of(process: subprocess.Popen[str]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(number) for number in listed.split()]


class TestState:
    def test_the_state_names_what_a_client_needs(self, embedded_stack: Running) -> None:
        state = json.loads((embedded_stack.directory / "stack.json").read_text(encoding="utf-8"))

        assert set(state) == STATE_KEYS
        assert set(state["relay"]) == {"host", "starttls_port", "tls_port", "username", "password", "ca_pem"}
        assert {"operator", "acme", "plain", "broken"} <= set(state["tokens"])

    @pytest.mark.parametrize("name", ["stack.json", "signing-key.json"])
    def test_only_the_owner_can_read_files_with_credentials(self, embedded_stack: Running, name: str) -> None:
        assert stat.S_IMODE((embedded_stack.directory / name).stat().st_mode) == 0o600

    def test_the_functions_ran_without_a_warning_or_an_error(self, embedded_stack: Running) -> None:
        assert embedded_stack.caller("acme").post("emails", MESSAGE).status == 200

        log = (embedded_stack.directory / "stack.log").read_text(encoding="utf-8")
        # The relay logs clients that close without waiting for the reply to QUIT; that is no error.
        lines = [line for line in log.splitlines() if " mail.log: " not in line]
        assert [line for line in lines if " WARNING " in line or " ERROR " in line] == []

    def test_the_functions_prints_are_in_their_log(self, embedded_stack: Running) -> None:
        identity = embedded_stack.caller("acme").post("emails", MESSAGE).text("id")

        assert identity in (embedded_stack.directory / "functions.log").read_text(encoding="utf-8")


class TestToken:
    def test_the_last_line_is_the_token_and_the_api_accepts_it(self, embedded_stack: Running) -> None:
        issued = embedded.run_command(
            "token",
            "--project",
            "acme",
            "--scope",
            "email:send",
            variables=embedded.environment(embedded_stack.directory),
        )

        url = f"{embedded_stack.stack.api_url}/v1/projects/acme/emails/explain"
        answer = call("POST", url, token=issued.stdout.splitlines()[-1], body=MESSAGE)
        assert (issued.returncode, issued.stderr) == (0, "")
        assert answer.status == 200

    def test_without_a_stack_there_is_no_token(self, tmp_path: Path) -> None:
        issued = embedded.run_command(
            "token", "--project", "acme", "--scope", "email:send", variables=embedded.environment(tmp_path)
        )

        assert (issued.returncode, issued.stdout) == (2, "")
        assert "make run" in issued.stderr


class TestEvent:
    def test_an_event_is_on_the_bus(self, embedded_stack: Running) -> None:
        put = embedded.run_command("event", "Hello", "{}", variables=embedded.environment(embedded_stack.directory))

        assert (put.returncode, put.stderr, len(put.stdout.strip())) == (0, "", 36)

    def test_an_event_that_the_bus_refuses_is_reported(self, embedded_stack: Running) -> None:
        put = embedded.run_command("event", "Hello", "{", variables=embedded.environment(embedded_stack.directory))

        assert (put.returncode, put.stderr) == (2, "The bus refused the event: Detail is malformed.\n")

    def test_without_a_stack_there_is_no_bus(self, tmp_path: Path) -> None:
        put = embedded.run_command("event", "Hello", "{}", variables=embedded.environment(tmp_path))

        assert put.returncode == 2
        assert "make run" in put.stderr

    def test_a_killed_stack_counts_as_ended(self, embedded_stack: Running, tmp_path: Path) -> None:
        state = json.loads((embedded_stack.directory / STATE_FILE).read_text(encoding="utf-8"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            state["aws_endpoint_url"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        (tmp_path / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")

        put = embedded.run_command("event", "Hello", "{}", variables=embedded.environment(tmp_path))

        assert (put.returncode, put.stderr) == (2, "The stack that ran here has ended: start one with `make run`.\n")


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_stops_everything(self, tmp_path: Path, number: signal.Signals) -> None:
        with embedded.running(tmp_path) as running:
            children = children_of(running.process)
            assert len(children) == len(read_template(ROOT / "template.yaml").code)

            running.process.send_signal(number)
            running.process.communicate(timeout=embedded.STOP_SECONDS)

            assert running.process.returncode == 0
            assert [child for child in children if Path(f"/proc/{child}").exists()] == []
            assert sorted(path.name for path in tmp_path.iterdir()) == ["functions.log", "stack.log"]

    def test_the_stack_stops_when_its_make_is_interrupted(self, tmp_path: Path) -> None:
        makefile = tmp_path / "Makefile"
        makefile.write_text(f"run:\n\t@{sys.executable} -m local run\n", encoding="utf-8")
        state = tmp_path / "state"
        with subprocess.Popen(  # noqa: S603 -- as below
            ["make", "-f", str(makefile), "run"],  # noqa: S607 -- make from the PATH
            cwd=ROOT, env=embedded.environment(state), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as make:  # fmt: skip
            assert make.stdout is not None
            assert make.stdout.readline().strip() == embedded.READY

            make.send_signal(signal.SIGINT)
            make.communicate(timeout=embedded.STOP_SECONDS)

        assert not (state / "stack.json").exists()

    def test_functions_do_not_outlive_a_stack_that_is_killed(self, tmp_path: Path) -> None:
        with embedded.running(tmp_path) as running:
            watched = [os.pidfd_open(child) for child in children_of(running.process)]

            running.process.kill()

            for descriptor in watched:
                ended, _, _ = select.select([descriptor], [], [], 10)
                os.close(descriptor)
                assert ended


class TestOptions:
    def test_two_stacks_run_side_by_side(self, embedded_stack: Running, tmp_path: Path) -> None:
        before = read_inbox(embedded_stack.stack)
        with embedded.running(tmp_path) as other:
            answer = other.caller("acme").post("emails", MESSAGE)
            foreign = call(
                "POST",
                f"{other.stack.api_url}/v1/projects/acme/emails",
                token=embedded_stack.stack.tokens["acme"],
                body=MESSAGE,
            )

            assert answer.status == 200
            assert foreign.status == 403
            assert len(read_inbox(other.stack)[1]) == 1
        assert read_inbox(embedded_stack.stack) == before

    def test_project_relays_can_be_switched_off(self, tmp_path: Path) -> None:
        with embedded.running(tmp_path, ALLOW_PROJECT_SMTP="false") as running:
            sent = [running.caller(name).post("emails", MESSAGE) for name in ("acme", "broken")]

            assert [(answer.status, answer.text("transport")) for answer in sent] == [(200, "server-ses")] * 2
            assert read_inbox(running.stack)[0]["relay_connections"] == 0

    def test_ses_knows_the_senders_that_the_operator_sets(self, tmp_path: Path) -> None:
        with embedded.running(
            tmp_path,
            SERVER_FROM_ADDRESS="Post <Post@Elsewhere.example>",
            SERVER_APPROVED_SENDERS="sales@elsewhere.example",
        ) as running:
            message = {**MESSAGE, "from": "sales@elsewhere.example"}
            answers = [running.caller("plain").post("emails", draft) for draft in (MESSAGE, message)]

            assert [answer.status for answer in answers] == [200, 200]
            assert [find(arrived, "from") for arrived in read_inbox(running.stack)[1]] == [
                "Post <Post@Elsewhere.example>",
                "sales@elsewhere.example",
            ]

    @pytest.mark.parametrize(
        "bad",
        [
            {"ALLOW_PROJECT_SMTP": "flase", "SERVER_FROM_ADDRESS": "no-at-sign", "ALLOWED_RELAY_CIDRS": "10.0.0.1/8"},
            {"JWT_JWKS": '{"keys": []}'},
            {"API_PORT": "http"},
        ],
        ids=["operator's settings", "only the authorizer's", "a port"],
    )
    def test_invalid_settings_stop_the_start_and_are_named(self, tmp_path: Path, bad: dict[str, str]) -> None:
        failed = embedded.run_command("run", variables=embedded.environment(tmp_path, **bad))

        assert failed.returncode == 2
        assert [name for name in bad if name not in failed.stderr] == []
        assert "Traceback" not in failed.stderr

    @pytest.mark.parametrize("name", ["API_PORT", "AWS_PORT"])
    def test_a_used_port_stops_the_start(self, embedded_stack: Running, tmp_path: Path, name: str) -> None:
        taken = embedded_stack.stack.api_url.rpartition(":")[2]

        failed = embedded.run_command("run", variables=embedded.environment(tmp_path, **{name: taken}))

        assert failed.returncode == 2
        assert name in failed.stderr
        assert "Traceback" not in failed.stderr
