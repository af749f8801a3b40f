"""Answers of the service become exit codes, tables and JSON."""

import json
from pathlib import Path

import pytest

from tests.support import canaries
from tests.support.command_line import CommandLine
from tests.support.fake_api import FakeApi, Reply

INVALID = {
    "status": 400,
    "code": "project-smtp-invalid",
    "detail": "The configuration is invalid.",
    "problems": [{"entry": "smtpPort", "code": "number-malformed", "detail": "Write a whole number."}],
}
CHECKS = [
    {"name": "entries-valid", "status": "passed"},
    {
        "name": "authenticates",
        "status": "failed",
        "reason": "The relay refused the log-in.",
        "remedy": "Correct it.",
        "entry": "smtpPassword",
        "smtp": {"code": 535, "reply": "5.7.8 no"},
    },
]
SENT = {"id": "m1", "status": "sent", "transport": "project-smtp", "accepted": ["ada@example.com"]}


def problem(status: int, code: str) -> Reply:
    return Reply(status, {"status": status, "code": code, "detail": f"About {code}."})


class TestExitCodes:
    @pytest.mark.parametrize(
        ("reply", "exit_code"),
        [
            (Reply(200, SENT), 0),
            (Reply(202, {**SENT, "status": "queued"}), 0),
            (Reply(202, {**SENT, "status": "deferred"}), 0),
            (Reply(200, {**SENT, "status": "suppressed"}), 0),
            (Reply(200, {**SENT, "status": "partially_sent"}), 1),
            (Reply(202, {**SENT, "status": "unknown"}), 1),
            (Reply(400, INVALID), 1),
            (problem(424, "relay-auth-rejected"), 1),
            (problem(422, "recipients-rejected"), 1),
            (problem(502, "server-transport-failed"), 1),
            (problem(400, "invalid-request"), 4),
            (Reply(401, {"message": "Unauthorized"}), 4),
            (problem(403, "forbidden"), 4),
            (problem(404, "not-found"), 4),
            (problem(409, "idempotency-key-in-flight"), 4),
            (problem(422, "idempotency-key-reused"), 4),
            (problem(429, "limit-reached"), 3),
            (problem(500, "internal-error"), 3),
            (problem(503, "relay-unreachable"), 3),
            (Reply(200, b"<html>a captive portal</html>"), 3),
            (Reply(200, b"[]"), 3),
            (Reply(503, b"<html>"), 3),
            (Reply(200, None), 3),
        ],
    )
    def test_an_answer_has_its_exit_code(self, shell: CommandLine, api: FakeApi, reply: Reply, exit_code: int) -> None:
        api.answers("POST", "emails", reply)

        assert shell.run("send", "--to", "ada@example.com", "--subject", "s", "--text", "t").exit_code == exit_code

    @pytest.mark.parametrize("arguments", [(), ("pigeon",), ("send", "--token", "x"), ("list", "--limit", "0")])
    def test_a_wrong_command_line_exits_with_2(self, shell: CommandLine, arguments: tuple[str, ...]) -> None:
        assert shell.run(*arguments).exit_code == 2


class TestOutput:
    def test_a_problem_is_shown_with_its_entries_and_remedies(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/test", Reply(400, INVALID))

        ended = shell.run("test", "--to", "ada@example.com")

        assert ended.out == ""
        assert all(word in ended.err for word in ("The configuration is invalid.", "smtpPort", "Write a whole number."))

    def test_json_output_has_the_problem_document(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/test", Reply(400, INVALID))

        ended = shell.run("test", "--to", "ada@example.com", "--json")

        assert ended.json() == {"error": INVALID}

    def test_json_output_has_the_answer_unchanged(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/test", Reply(200, SENT))

        ended = shell.run("test", "--to", "ada@example.com", "--json")

        assert (ended.json(), ended.err) == (SENT, "")

    def test_output_to_a_file_has_no_colour(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/test", Reply(200, SENT))

        assert "\x1b" not in shell.run("test", "--to", "ada@example.com").out

    def test_a_terminal_has_colour(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/test", Reply(200, SENT))
        shell.environment = {**shell.environment, "TERM": "xterm"}
        shell.is_terminal = True

        assert "\x1b[32m" in shell.run("test", "--to", "ada@example.com").out

    def test_no_color_is_respected(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/test", Reply(200, SENT))
        shell.environment = {**shell.environment, "NO_COLOR": "1"}
        shell.is_terminal = True

        assert "\x1b" not in shell.run("test", "--to", "ada@example.com").out

    def test_control_characters_of_a_relay_are_replaced(self, shell: CommandLine, api: FakeApi) -> None:
        evil = {"recipient": "a@b\x1b[2J", "code": 550, "detail": "\x1b]0;owned\x07\u202e[red]no[/red]"}
        api.answers("POST", "email-config/test", Reply(200, {**SENT, "status": "partially_sent", "rejected": [evil]}))

        out = shell.run("test", "--to", "ada@example.com").out

        assert not {"\x1b", "\x07", "\u202e"} & set(out)
        assert "[red]no[/red]" in out

    @pytest.mark.parametrize("body", [{"status": 7}, {"accepted": {"a": 1}, "rejected": ["x"], "from": []}, {}])
    def test_an_answer_of_another_form_breaks_nothing(
        self, shell: CommandLine, api: FakeApi, body: dict[str, object]
    ) -> None:
        api.answers("POST", "email-config/test", Reply(200, body))

        assert shell.run("test", "--to", "ada@example.com").exit_code == 1


class TestStatus:
    def test_an_invalid_project_exits_with_1(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("GET", "email-config", Reply(200, {"state": "invalid", "held": 3, "entries": {}}))

        assert shell.run("status").exit_code == 1

    def test_a_refused_project_does_not_hide_the_others(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("GET", "email-config", Reply(200, {"state": "verified", "held": 0, "entries": {}}))

        ended = shell.run("status", "--project", "acme", "--project", "other", "--json")

        states = [(each["project"], each["state"]) for each in ended.json()["projects"]]  # type: ignore[attr-defined]
        assert (ended.exit_code, states) == (1, [("acme", "verified"), ("other", None)])

    def test_an_unknown_number_of_held_messages_is_not_shown_as_zero(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("GET", "email-config", Reply(200, {"state": "verified", "held": None, "entries": {}}))

        assert "held       unknown" in shell.run("status").out


class TestValidate:
    def test_a_failed_check_is_shown_with_its_remedy(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/validate", Reply(200, {"valid": False, "checks": CHECKS, "warnings": []}))

        ended = shell.run("validate")

        assert ended.exit_code == 1
        assert all(word in ended.out for word in ("authenticates", "failed", "smtpPassword", "535"))

    def test_a_project_without_a_relay_exits_with_0(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/validate", Reply(200, {"valid": None, "checks": [], "warnings": []}))

        assert shell.run("validate").exit_code == 0

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_entries_of_a_file_are_validated(
        self, shell: CommandLine, api: FakeApi, tmp_path: Path, *, wrapped: bool
    ) -> None:
        api.answers("POST", "email-config/validate", Reply(200, {"valid": True, "checks": [], "warnings": []}))
        entries = {"smtpHost": "mail.acme.example"}
        (tmp_path / "e.json").write_text(json.dumps({"entries": entries} if wrapped else entries), encoding="utf-8")

        shell.run("validate", "--file", str(tmp_path / "e.json"))

        assert api.asked[0].json() == {"entries": entries}

    @pytest.mark.parametrize("source", ["--password-stdin", "--password-file", "--ask-password"])
    def test_a_password_comes_from_an_input_and_is_never_printed(
        self, shell: CommandLine, api: FakeApi, tmp_path: Path, source: str
    ) -> None:
        api.answers("POST", "email-config/validate", Reply(200, {"valid": True, "checks": [], "warnings": []}))
        (tmp_path / "e.json").write_text("{}", encoding="utf-8")
        (tmp_path / "p").write_text(f"{canaries.PASSWORD}\n", encoding="utf-8")
        shell.typed_password = canaries.PASSWORD
        more = (str(tmp_path / "p"),) if source == "--password-file" else ()

        ended = shell.run(
            "validate", "--file", str(tmp_path / "e.json"), source, *more, stdin=f"{canaries.PASSWORD}\r\n"
        )

        assert api.asked[0].json() == {"entries": {"smtpPassword": canaries.PASSWORD}}
        assert canaries.found_in(ended.out + ended.err) == []

    @pytest.mark.parametrize("content", ["[]", "{", '"x"', "\udcff"])
    def test_a_file_without_a_json_object_is_refused(
        self, shell: CommandLine, api: FakeApi, tmp_path: Path, content: str
    ) -> None:
        (tmp_path / "e.json").write_bytes(content.encode("utf-8", "surrogateescape"))

        assert shell.run("validate", "--file", str(tmp_path / "e.json")).exit_code == 2
        assert api.asked == []

    def test_a_password_without_entries_is_refused(self, shell: CommandLine) -> None:
        assert shell.run("validate", "--password-stdin", stdin="x").exit_code == 2
