"""`send`, `list`, `show` and `held`: their requests and their output."""

import base64
from pathlib import Path

import pytest
from mailer.ledger.record import State
from project_smtp_cli.arguments import STATUSES

from tests.support.command_line import CommandLine
from tests.support.fake_api import FakeApi, Reply

SENT = {"id": "m1", "status": "sent", "transport": "project-smtp", "accepted": ["ada@example.com"]}
TO = ("--to", "ada@example.com", "--subject", "s", "--text", "t")


def page(*ids: str, cursor: str | None = None) -> Reply:
    return Reply(200, {"emails": [{"id": id_, "status": "held"} for id_ in ids], "cursor": cursor})


class TestForget:
    def test_all_pages_are_erased_and_what_remains_is_shown(self, shell: CommandLine, api: FakeApi) -> None:
        remains = [{"data": "logs", "until": "2027-02-19T07:41:12.000Z", "detail": "Domains."}]
        first = {"erased": 100, "cancelled": 1, "waiting": 0, "cursor": "next", "remains": remains}
        last = {"erased": 5, "cancelled": 0, "waiting": 0, "cursor": None, "remains": remains}
        api.answers("POST", "emails/forget", Reply(200, first), Reply(200, last))

        ended = shell.run("forget", "ada@example.com")

        assert [asked.json() for asked in api.asked] == [
            {"address": "ada@example.com"},
            {"address": "ada@example.com", "cursor": "next"},
        ]
        assert ended.exit_code == 0
        assert all(word in ended.out for word in ("105", "logs", "2027-02-19 07:41"))

    def test_the_platform_s_own_mail_has_a_path_of_its_own(self, shell: CommandLine, api: FakeApi) -> None:
        api.replies["POST", "/v1/platform/emails/forget"] = [Reply(200, {"erased": 1, "cursor": None})]

        assert shell.run("forget", "ada@example.com", "--platform").exit_code == 0

    def test_messages_that_cannot_be_erased_yet_end_with_exit_code_1(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails/forget", Reply(200, {"erased": 0, "cancelled": 0, "waiting": 2, "cursor": None}))

        assert shell.run("forget", "ada@example.com").exit_code == 1


class TestSend:
    def test_a_diverted_message_says_where_it_went(self, shell: CommandLine, api: FakeApi) -> None:
        diverted = {"diverted_to": "qa@acme.example", "accepted": [], "diverted": ["ada@example.com"]}
        api.answers("POST", "emails", Reply(200, {**SENT, **diverted}))

        out = shell.run("send", *TO).out

        assert all(word in out for word in ("qa@acme.example", "ada@example.com"))

    def test_options_make_the_message(self, shell: CommandLine, api: FakeApi, tmp_path: Path) -> None:
        api.answers("POST", "emails", Reply(200, SENT))
        (tmp_path / "a.pdf").write_bytes(b"%PDF")
        (tmp_path / "data.json").write_text('{"name": "Ada"}', encoding="utf-8")

        shell.run(
            "send", "--from", "me@acme.example", "--to", "a@b.example", "--to", "c@d.example",
            "--reply-to", "r@b.example", "--subject", "Hi {name}", "--html-file", "-",
            "--attach", str(tmp_path / "a.pdf"), "--tag", "kind=welcome",
            "--template-data", str(tmp_path / "data.json"), "--preferred-provider", "backup", stdin="<p>Hi</p>",
        )  # fmt: skip

        assert api.asked[0].json() == {
            "from": "me@acme.example",
            "to": ["a@b.example", "c@d.example"],
            "reply_to": ["r@b.example"],
            "subject": "Hi {name}",
            "html": "<p>Hi</p>",
            "template_data": {"name": "Ada"},
            "tags": [{"name": "kind", "value": "welcome"}],
            "preferred_provider": "backup",
            "attachments": [
                {
                    "filename": "a.pdf",
                    "content": base64.b64encode(b"%PDF").decode(),
                    "content_type": "application/pdf",
                }
            ],
        }

    def test_a_file_is_sent_unchanged(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails", Reply(200, SENT))

        shell.run("send", "--file", "-", stdin='{"to": "a@b.example",  "to": 1}')

        assert api.asked[0].body == b'{"to": "a@b.example",  "to": 1}'

    @pytest.mark.parametrize(
        "arguments",
        [(), ("--file", "-", *TO), ("--to", "a@b", "--text", "x", "--text-file", "y"), ("--file", "/nowhere")],
    )
    def test_contradictory_options_are_refused(
        self, shell: CommandLine, api: FakeApi, arguments: tuple[str, ...]
    ) -> None:
        assert shell.run("send", *arguments, stdin="{}").exit_code == 2
        assert api.asked == []

    def test_a_key_and_async_are_passed_on(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails", Reply(202, {**SENT, "status": "queued"}))

        shell.run("send", *TO, "--async", "--idempotency-key", "order-7")

        headers = api.asked[0].headers
        assert (headers["idempotency-key"], headers["prefer"]) == ("order-7", "respond-async")

    def test_a_lost_answer_names_the_idempotency_key_to_repeat_with(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails", Reply(200, None))

        ended = shell.run("send", *TO)

        key = api.asked[0].headers["idempotency-key"]
        assert ended.exit_code == 3
        assert f"--idempotency-key {key}" in ended.err

    def test_a_replayed_answer_is_announced(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails", Reply(200, SENT, {"Idempotent-Replayed": "true"}))

        assert "used" in shell.run("send", *TO, "--idempotency-key", "k").err

    def test_waiting_ends_with_a_final_state(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails", Reply(202, {**SENT, "status": "queued"}))
        states = ("queued", "sending", "rejected")
        api.answers("GET", "emails/m1", *(Reply(200, {"id": "m1", "status": state}) for state in states))

        ended = shell.run("send", *TO, "--wait", "--json")

        assert (ended.exit_code, ended.json()["status"]) == (1, "rejected")
        assert shell.pauses == [1.0, 1.0]

    def test_waiting_ends_after_the_given_time(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails", Reply(202, {**SENT, "status": "deferred"}))
        api.answers("GET", "emails/m1", Reply(200, {"id": "m1", "status": "deferred"}))

        ended = shell.run("send", *TO, "--wait", "3")

        assert (ended.exit_code, sum(shell.pauses)) == (0, 3.0)
        assert "not in a final state" in ended.err

    def test_a_message_in_a_final_state_is_not_polled(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "emails", Reply(200, SENT))

        assert shell.run("send", *TO, "--wait").exit_code == 0
        assert len(api.asked) == 1


class TestLists:
    def test_list_accepts_every_status(self) -> None:
        # A worker's claim is shown as `sending`.
        assert {*STATUSES} == {state.value for state in State} - {State.CLAIMED.value}

    def test_a_list_reads_pages_up_to_the_limit(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("GET", "emails?status=sent&limit=3", page("a", "b", cursor="c1"))
        api.answers("GET", "emails?status=sent&limit=1&cursor=c1", page("c", cursor="c2"))

        ended = shell.run("list", "--status", "sent", "--limit", "3", "--json")

        emails = ended.json()["emails"]
        assert isinstance(emails, list)
        assert ([email["id"] for email in emails], ended.json()["cursor"]) == (["a", "b", "c"], "c2")

    def test_an_empty_page_with_a_cursor_is_not_the_end(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("GET", "emails?status=held&limit=100", page(cursor="c1"))
        api.answers("GET", "emails?status=held&limit=100&cursor=c1", page("a"))

        assert "a" in shell.run("held").out.split()

    def test_show_prints_attempts_and_recipients(self, shell: CommandLine, api: FakeApi) -> None:
        attempt = {"at": "2026-01-02T03:04:05.678Z", "transport": "project-smtp", "result": "deferred", "code": 451}
        recipient = {"recipient": "a@b.example", "status": "deferred"}
        message = {"id": "m1", "status": "deferred", "attempts": [attempt], "recipients": [recipient]}
        api.answers("GET", "emails/m1", Reply(200, message))

        out = shell.run("show", "m1").out

        assert all(word in out for word in ("2026-01-02 03:04:05", "451", "a@b.example"))

    @pytest.mark.parametrize("id_", ["../email-config", "a?b=c", "a b", ""])
    def test_a_malformed_id_is_refused(self, shell: CommandLine, api: FakeApi, id_: str) -> None:
        assert shell.run("show", id_).exit_code == 2
        assert api.asked == []


class TestHeld:
    def test_all_held_messages_are_retried(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("GET", "emails?status=held&limit=100", page("a", "b"))
        for id_ in ("a", "b"):
            api.answers("POST", f"emails/{id_}/retry", Reply(202, {"id": id_, "status": "queued"}))

        ended = shell.run("held", "--retry", "--all", "--json")

        assert ended.json() == {"results": [{"id": "a", "status": "queued"}, {"id": "b", "status": "queued"}]}

    def test_a_refused_message_does_not_stop_the_others(self, shell: CommandLine, api: FakeApi) -> None:
        conflict = {"status": 409, "code": "email-state-conflict", "detail": "It has been sent."}
        api.answers("POST", "emails/a/cancel", Reply(409, conflict))
        api.answers("POST", "emails/b/cancel", Reply(200, {"id": "b", "status": "cancelled"}))

        ended = shell.run("held", "--cancel", "a", "b")

        assert ended.exit_code == 1
        assert all(word in ended.out for word in ("It has been sent.", "cancelled"))

    def test_an_admin_decides_about_all_held_messages_at_once(self, shell: CommandLine, api: FakeApi) -> None:
        api.answers("POST", "email-config/held", Reply(202, {"held": "send", "count": 7}))

        ended = shell.run("held", "--decide", "send")

        assert api.asked[0].body == b'{"held": "send"}'
        assert (ended.exit_code, ended.out.split()) == (0, ["held", "7", "decision", "send"])

    @pytest.mark.parametrize(
        "arguments",
        [
            *[("--cancel",), ("--retry", "a", "--all"), ("a",), ("--retry", "--cancel", "a")],
            *[("--decide", "send", "a"), ("--decide", "send", "--all"), ("--decide", "forget")],
        ],
    )
    def test_an_action_needs_ids_or_all(self, shell: CommandLine, api: FakeApi, arguments: tuple[str, ...]) -> None:
        assert shell.run("held", *arguments).exit_code == 2
        assert api.asked == []
