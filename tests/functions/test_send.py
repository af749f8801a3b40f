# ruff: noqa: E501 -- tables read by row
"""POST emails and emails/explain: statuses, bodies, log and metrics."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.api.exchange import BUDGET_SECONDS
from mailer.message.address import parse_address
from mailer.project import ProjectId
from mailer.secret.resolution import SecretUnavailable, Unavailability
from mailer.smtp.outcome import (
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import make_reply

from functions.send.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, Lines, load_event
from tests.support import canaries
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries, settings


@dataclass
class Function:
    """The handler on fakes: `acme` has a relay, `broken` a broken secret, the others nothing."""

    log: Logger
    secrets: fakes.FakeSecretStore = field(
        default_factory=lambda: fakes.FakeSecretStore(
            {ACME: fakes.secret(entries()), ProjectId("broken"): fakes.secret(entries(smtpPort="mail"))}
        )
    )
    relay: fakes.FakeRelayTransport = field(default_factory=fakes.FakeRelayTransport)
    server: fakes.CountingServerTransport = field(default_factory=fakes.CountingServerTransport)
    counted: list[tuple[str, int, str]] = field(default_factory=list)

    def call(self, event: dict[str, Any], **environment: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        service = MemoryService(settings(**environment), self.secrets, self.relay, self.server)
        # No content is stored here: test_send_keys.py has the cases with a store.
        service.drafts.failing = True
        handler = create_handler(
            ports=service.send_ports, log=self.log, count=lambda *counted: self.counted.append(counted)
        )
        answer = handler(event, Context())  # type: ignore[arg-type]  # the parts of a LambdaContext that are used
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


def changed(name: str, **body: object) -> dict[str, Any]:
    """Return an event with these fields of its body changed; a field with None is removed."""
    event = load_event(name)
    merged = {**json.loads(event["body"]), **body}
    event["body"] = json.dumps({key: value for key, value in merged.items() if value is not None})
    return event


def test_a_project_with_a_relay_gets_200_with_the_whole_outcome(function: Function) -> None:
    status, body, headers = function.call(load_event("send.project_relay"))

    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert body == {
        "id": f"{1:032d}",
        "status": "sent",
        "transport": "project-smtp",
        "message_id": f"<{1:032d}@acme.example>",
        "from": {"requested": None, "used": "Acme <hello@acme.example>", "reason": "default"},
        "accepted": ["ada@example.net"],
        "rejected": [],
        "deferred": [],
        "count": 1,
        "next_attempt_at": None,
    }
    assert headers["Location"] == f"/v1/projects/acme/emails/{1:032d}"


def test_no_connection_to_a_relay_is_kept_after_a_request(function: Function) -> None:
    function.call(load_event("send.project_relay"))

    assert len(function.relay.sends) == 1
    assert not function.relay.has_idle


def test_a_project_without_a_relay_sends_by_the_server(function: Function) -> None:
    status, body, _ = function.call(load_event("send.server_ses"))

    assert (status, body["transport"]) == (200, "server-ses")
    assert len(function.server.requests) == 1


def test_FC1_a_broken_secret_is_400_with_each_entry_and_contacts_no_transport(function: Function) -> None:
    status, body, headers = function.call(load_event("send.broken_secret"))

    assert (status, body["code"], body["retryable"]) == (400, "project-smtp-invalid", False)
    assert headers["Content-Type"] == "application/problem+json"
    assert [problem["entry"] for problem in body["problems"]] == ["smtpPort"]
    assert (function.relay.sends, function.server.requests) == ([], [])


def test_a_broken_secret_sends_by_the_server_if_project_relays_are_disabled(function: Function) -> None:
    status, body, _ = function.call(load_event("send.broken_secret"), ALLOW_PROJECT_SMTP="false")

    assert (status, body["transport"]) == (200, "server-ses")
    assert function.secrets.reads == []


def test_the_answer_names_a_substituted_from(function: Function) -> None:
    _, body, _ = function.call(load_event("send.from_substituted"))

    assert body["from"]["reason"] == "not-approved"
    assert body["from"]["used"] == "Acme <hello@acme.example>"
    assert body["from"]["requested"] is not None


def test_an_invalid_request_names_every_place(function: Function) -> None:
    status, body, _ = function.call(load_event("send.invalid_request"))

    assert (status, body["code"]) == (400, "invalid-request")
    assert [problem["pointer"] for problem in body["problems"]] == ["/colour", "/to/1"]
    assert function.secrets.reads == []


FAILURES: list[tuple[Verdict, int, str]] = [
    (RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))), 424, "relay-auth-rejected"),
    (RelayError(RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED)), 424, "relay-tls-failed"),
    (RelayError(RelayFault.HOST_BLOCKED, Failure(Phase.RESOLVE, Cause.HOST_BLOCKED)), 424, "relay-host-blocked"),
    (Deferred(Failure(Phase.CONNECT, Cause.REFUSED)), 503, "relay-unreachable"),
    (Deferred(Failure(Phase.FINAL, Cause.REPLY, make_reply(451, "4.7.1 later"))), 503, "relay-deferred"),
    (Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 unknown"))), 422, "recipients-rejected"),
    (Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "5.6.0 spam"))), 422, "message-rejected"),
    (Rejected(Failure(Phase.MAIL, Cause.TOO_LARGE)), 413, "message-too-large"),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "status", "code"), FAILURES)
def test_each_failure_has_its_status(log: Logger, verdict: Verdict, status: int, code: str) -> None:
    function = Function(log, relay=fakes.FakeRelayTransport(verdict=verdict))

    answered, body, headers = function.call(load_event("send.project_relay"))

    assert (answered, body["code"], body["status"]) == (status, code, status)
    assert body["smtp"]["phase"] == verdict.failure.phase.value  # type: ignore[union-attr]  # all of these have one
    assert ("Retry-After" in headers) == body["retryable"] == (status == 503)
    assert function.server.requests == []


def test_an_unknown_outcome_is_202(log: Logger) -> None:
    verdict = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))

    status, body, _ = Function(log, relay=fakes.FakeRelayTransport(verdict=verdict)).call(
        load_event("send.project_relay")
    )

    assert (status, body["status"], body["count"]) == (202, "unknown", 0)
    assert [one["recipient"] for one in body["unknown"]] == ["ada@example.net"]


def test_FC3_unreadable_secrets_are_503(function: Function) -> None:
    function.secrets.answers[ACME] = SecretUnavailable(Unavailability.ACCESS_DENIED)

    status, body, headers = function.call(load_event("send.project_relay"))

    assert (status, body["code"], headers["Retry-After"]) == (503, "secrets-unavailable", "30")


@pytest.mark.parametrize(
    "caller",
    [
        None,
        {},
        {"project_id": "acme", "scope": "email:read"},
        {"project_id": "acme", "scope": "email:sending"},
        {"project_id": "other", "scope": "email:send"},
        {"project_id": "ACME", "scope": "email:send"},
        {"project_id": "", "scope": "email:send"},
        {"project_id": "acme*", "scope": "email:send"},
    ],
)
def test_AU2_AU3_another_project_or_scope_is_403_before_anything_is_read(
    function: Function, caller: dict[str, str] | None
) -> None:
    event = load_event("send.project_relay")
    event["requestContext"]["authorizer"] = {"lambda": caller} if caller is not None else {}

    status, body, _ = function.call(event)

    assert (status, body["code"]) == (403, "forbidden")
    assert function.secrets.reads == []


def test_the_operator_may_send_for_every_project(function: Function) -> None:
    event = load_event("send.project_relay")
    event["requestContext"]["authorizer"]["lambda"]["project_id"] = "*"

    assert function.call(event)[0] == 200


def test_SH14_a_path_that_names_no_project_is_not_logged(function: Function, lines: Lines) -> None:
    event = load_event("send.project_relay")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/v1/projects/ada@example.net/emails"
    event["pathParameters"]["projectId"] = "ada@example.net"

    assert function.call(event)[0] == 403
    assert "ada@" not in lines.stream.getvalue()


@pytest.mark.parametrize("project_id", ["..", "a*", "x" * 65, "a b", 'a"b', "a/b"])
def test_TI2_a_malformed_project_id_is_refused_before_any_call(function: Function, project_id: str) -> None:
    event = load_event("send.project_relay")
    event["requestContext"]["authorizer"]["lambda"]["project_id"] = "*"
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/v1/projects/{project_id}/emails"
    event["pathParameters"]["projectId"] = project_id

    status, body, headers = function.call(event)

    assert status in (400, 404)
    assert (body["code"], headers["Content-Type"]) in (
        ("invalid-request", "application/problem+json"),
        ("not-found", "application/problem+json"),
    )
    assert function.secrets.reads == []


def test_a_body_of_another_type_than_json_is_refused(function: Function) -> None:
    event = load_event("send.project_relay")
    event["headers"]["content-type"] = "text/plain"

    status, body, _ = function.call(event)

    assert (status, body["problems"][0]["code"]) == (400, "content-type-unsupported")
    assert function.relay.sends == []


@pytest.mark.parametrize("name", ["template_data", "tags", "envelope", "raw"])
def test_an_unknown_field_is_400_with_its_pointer(function: Function, name: str) -> None:
    status, body, _ = function.call(changed("send.project_relay", **{name: "x"}))

    assert (status, body["problems"][0]["pointer"]) == (400, f"/{name}")


def test_a_body_in_base64_is_decoded(function: Function) -> None:
    event = load_event("send.project_relay")
    event["body"] = base64.b64encode(event["body"].encode()).decode()
    event["isBase64Encoded"] = True

    assert function.call(event)[0] == 200


@pytest.mark.parametrize("body", [None, "", "{", "[]", '"text"', "null", "\ud800"])
def test_IN22_no_body_or_no_object_is_400(function: Function, body: str | None) -> None:
    event = load_event("send.project_relay")
    event["body"] = body

    status, answered, _ = function.call(event)

    assert (status, answered["code"]) == (400, "invalid-request")


def test_SH14_the_log_has_only_ids_codes_and_domains(function: Function, lines: Lines) -> None:
    event = changed(
        "send.project_relay",
        subject=canaries.SUBJECT,
        text=f"{canaries.BODY} https://app.example/reset/{canaries.TOKEN}",
        html=f"<p>{canaries.BODY}</p>",
    )

    function.call(event)

    (line,) = lines.read()
    assert line["message"] == "message sent"
    assert (line["project_id"], line["transport"], line["version_id"]) == ("acme", "project-smtp", "version-1")
    assert line["recipient_domains"] == ["example.net"]
    printed = json.dumps(line)
    assert canaries.found_in(printed) == []
    assert "ada@" not in printed
    assert "hello@" not in printed


def test_metrics_count_by_transport(log: Logger) -> None:
    attempt = Attempt(
        {
            parse_address("ada@example.net"): fakes.ACCEPTED,
            parse_address("bob@example.net"): Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "no"))),
        }
    )
    function = Function(log, relay=fakes.FakeRelayTransport(attempts=[attempt]))

    function.call(changed("send.project_relay", to=["ada@example.net", "bob@example.net"]))
    function.call(load_event("send.broken_secret"))

    assert function.counted == [
        ("MessagesAccepted", 1, "project-smtp"),
        ("MessagesRejected", 1, "project-smtp"),
        ("RefusedByConfiguration", 1, "none"),
    ]


@pytest.mark.parametrize(
    ("verdict", "name"),
    [
        (Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "5.7.1 no"))), "MessagesRejected"),
        (
            RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "no"))),
            "MessagesRejected",
        ),
        (Deferred(Failure(Phase.FINAL, Cause.REPLY, make_reply(451, "4.7.0 later"))), "MessagesDeferred"),
        (Deferred(Failure(Phase.CONNECT, Cause.REFUSED)), "MessagesDeferred"),
    ],
)
def test_a_message_that_no_recipient_gets_counts_each_recipient(log: Logger, verdict: Verdict, name: str) -> None:
    function = Function(log, relay=fakes.FakeRelayTransport(verdict))

    status, _, _ = function.call(changed("send.project_relay", to=["ada@example.net", "bob@example.net"]))

    assert status >= 400
    assert function.counted == [(name, 2, "project-smtp")]


def test_a_bug_is_500_and_its_text_is_not_shown_or_logged(log: Logger, lines: Lines) -> None:
    class Relay(fakes.FakeRelayTransport):
        def send(self, *args: object, **named: object) -> Attempt:
            raise RuntimeError(canaries.PASSWORD)

    function = Function(log, relay=Relay())

    status, body, _ = function.call(load_event("send.project_relay"))

    assert (status, body["code"]) == (500, "internal-error")
    (line,) = lines.read()
    assert line["error_type"] == "RuntimeError"
    assert canaries.found_in(json.dumps([line, body])) == []


def test_explain_decides_as_sending_does_and_sends_nothing(function: Function) -> None:
    event = load_event("send.explain")

    status, body, _ = function.call(event)

    assert (status, body["would_send"], body["transport"]) == (200, True, "project-smtp")
    assert body["from"]["reason"] == "not-approved"
    assert (function.relay.sends, function.server.requests) == ([], [])


def test_explain_of_a_broken_secret_names_the_problem_of_sending(function: Function) -> None:
    sending = load_event("send.broken_secret")
    explaining = load_event("send.explain")
    for key in ("pathParameters", "rawPath"):
        explaining[key] = sending[key] if key == "pathParameters" else f"{sending['rawPath']}/explain"
    explaining["requestContext"]["http"]["path"] = explaining["rawPath"]
    explaining["requestContext"]["authorizer"] = sending["requestContext"]["authorizer"]

    _, sent, _ = function.call(sending)
    status, explained, _ = function.call(explaining)

    assert (status, explained["would_send"], explained["status"]) == (200, False, 400)
    assert explained["problem"]["problems"] == sent["problems"]


def test_the_attempt_ends_before_the_function_does(log: Logger) -> None:
    deadlines: list[float] = []

    class Relay(fakes.FakeRelayTransport):
        def send(self, *args: object, deadline: float, **named: object) -> Attempt:
            deadlines.append(deadline)
            return super().send(*args, deadline=deadline, **named)  # type: ignore[arg-type]  # passed through as they came

    function = Function(log, relay=Relay())
    ports = MemoryService(secrets=function.secrets, relay=function.relay).send_ports
    handler: Callable[..., Any] = create_handler(ports=ports, log=log, count=lambda *_: None, clock=lambda: 100.0)

    for remaining in (29.0, 10.0):
        handler(load_event("send.project_relay"), Context(remaining_seconds=remaining))

    assert deadlines == [100.0 + BUDGET_SECONDS, 108.5]
