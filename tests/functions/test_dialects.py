"""The dialects' routes: requests and answers in the shapes of other APIs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.ledger.epoch import Epoch
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Unknown, Verdict
from mailer.template.template import Precondition, Template, TemplateName

from functions.send.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, Lines, load_event
from tests.support import canaries
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries, settings

SIMPLE: Mapping[str, dict[str, object]] = {
    "send.medplum": {"to": "ada@example.net", "subject": "Hi", "text": "x"},
    "send.dreamfactory": {"to": "ada@example.net", "subject": "Hi", "body_text": "x"},
    "send.courier": {"message": {"to": {"email": "ada@example.net"}, "content": {"title": "Hi", "body": "x"}}},
}
ERROR_PLACES: Mapping[str, tuple[str | int, ...]] = {
    "send.medplum": ("issue", 0, "details", "text"),
    "send.dreamfactory": ("error", "message"),
    "send.courier": ("message",),
    "send.messagepipe": ("message",),
    "send.messagepipe_bulk": ("message",),
}


@dataclass
class Function:
    """The handler on fakes: `acme` has a relay."""

    log: Logger
    service: MemoryService = field(default_factory=MemoryService)

    def __post_init__(self) -> None:
        self.service.secrets.answers[ACME] = fakes.secret(entries())

    def call(self, event: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        handler = create_handler(ports=self.service.send_ports, log=self.log, count=lambda *_counted: None)
        answer = handler(event, Context())  # type: ignore[arg-type]  # the parts of a LambdaContext that are used
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


def event(case: str, body: object | None = None, **caller: str) -> dict[str, Any]:
    """Return the case's event with this body and these claims."""
    loaded = load_event(case)
    if body is not None:
        loaded["body"] = json.dumps(body)
    loaded["requestContext"]["authorizer"]["lambda"] |= caller
    return loaded


def asking(loaded: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """Return the event with these query parameters."""
    loaded["queryStringParameters"] = parameters
    return loaded


def at(value: Any, path: tuple[str | int, ...]) -> object:
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize(
    ("case", "status", "answer"),
    [
        ("send.dreamfactory", 200, {"count": 4}),
        ("send.courier", 202, {"requestId": f"{1:032d}"}),
    ],
)
def test_a_documented_request_is_sent_by_the_project_s_relay(
    function: Function, case: str, status: int, answer: object
) -> None:
    assert function.call(event(case))[:2] == (status, answer)
    assert len(function.service.relay.sends) == 1


def test_a_medplum_request_is_answered_all_ok(function: Function) -> None:
    status, body, _ = function.call(event("send.medplum"))

    assert (status, body["id"], body["issue"][0]["details"]["text"]) == (200, "ok", "All OK")


@pytest.mark.parametrize("case", SIMPLE)
def test_the_location_header_names_the_message_in_our_api(function: Function, case: str) -> None:
    _, _, headers = function.call(event(case, SIMPLE[case]))

    assert headers["Location"] == f"/v1/projects/acme/emails/{1:032d}"


@pytest.mark.parametrize("case", SIMPLE)
def test_the_same_key_sends_once_and_gets_the_same_answer(function: Function, case: str) -> None:
    repeated = event(case, SIMPLE[case])
    repeated["headers"]["idempotency-key"] = "order-1"

    first, second = function.call(repeated), function.call(repeated)

    assert first[:2] == second[:2]
    assert second[2]["Idempotent-Replayed"] == "true"
    assert len(function.service.relay.sends) == 1


def test_the_same_key_names_another_request_in_another_dialect(function: Function) -> None:
    for case in ("send.medplum", "send.dreamfactory"):
        given = event(case, SIMPLE[case])
        given["headers"]["idempotency-key"] = "order-1"
        status, body, _ = function.call(given)

    assert (status, body["error"]["context"]["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("case", SIMPLE)
def test_respond_async_queues_the_message(function: Function, case: str) -> None:
    given = event(case, SIMPLE[case])
    given["headers"]["prefer"] = "respond-async"

    status, _, headers = function.call(given)

    assert (status, headers["Preference-Applied"]) == (202, "respond-async")
    assert function.service.relay.sends == []


@pytest.mark.parametrize("case", ERROR_PLACES)
@pytest.mark.parametrize("body", ["", "[", "[]", "null", '{"colour": "red"}'])
def test_an_invalid_body_is_400_in_the_dialect_s_shape(function: Function, case: str, body: str) -> None:
    given = event(case)
    given["body"] = body

    status, answer, _ = function.call(given)

    assert status == 400
    assert isinstance(at(answer, ERROR_PLACES[case]), str)


@pytest.mark.parametrize("case", ERROR_PLACES)
def test_without_the_scope_it_is_403_in_the_dialect_s_shape(function: Function, case: str) -> None:
    status, answer, _ = function.call(event(case, scope="email:read"))

    assert status == 403
    assert isinstance(at(answer, ERROR_PLACES[case]), str)
    assert function.service.secrets.reads == []


@pytest.mark.parametrize("case", ERROR_PLACES)
def test_the_operator_names_the_project(function: Function, case: str) -> None:
    assert function.call(event(case, project_id="*"))[0] == 400


@pytest.mark.parametrize("case", SIMPLE)
def test_the_operator_s_project_is_taken_from_the_query(function: Function, case: str) -> None:
    named = asking(event(case, SIMPLE[case], project_id="*"), projectId="acme")

    assert function.call(named)[0] in (200, 202)
    assert len(function.service.relay.sends) == 1


@pytest.mark.parametrize("case", ERROR_PLACES)
def test_a_query_does_not_give_a_token_another_project(function: Function, case: str) -> None:
    assert function.call(asking(event(case), projectId="other"))[0] == 403


@pytest.mark.parametrize("case", ERROR_PLACES)
def test_an_unknown_parameter_is_refused(function: Function, case: str) -> None:
    assert function.call(asking(event(case), project="acme"))[0] == 400


def test_D8_an_unknown_service_is_404_in_dreamfactory_s_shape(function: Function) -> None:
    given = event("send.dreamfactory")
    given["rawPath"] = given["requestContext"]["http"]["path"] = "/api/v2/db"
    given["pathParameters"] = {"service": "db"}

    status, answer, _ = function.call(given)

    assert (status, answer["error"]["code"]) == (404, 404)


@pytest.mark.parametrize("case", SIMPLE)
def test_M15_a_broken_secret_is_400_and_contacts_no_transport(function: Function, case: str) -> None:
    function.service.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    status, answer, _ = function.call(event(case, SIMPLE[case]))

    assert (status, "smtpPort" in json.dumps(answer)) == (400, True)
    assert (function.service.relay.sends, function.service.server.requests) == ([], [])


def test_M13_an_unapproved_from_is_replaced_and_the_answer_says_so(function: Function) -> None:
    _, answer, _ = function.call(event("send.medplum", {**SIMPLE["send.medplum"], "from": "x@other.example"}))

    facts = {each["url"]: each["valueString"] for each in answer["extension"]}
    assert facts["urn:project-smtp:from"] == "Acme <hello@acme.example>"
    assert facts["urn:project-smtp:from-reason"] == "not-approved"


REFUSED = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))


@pytest.mark.parametrize(
    ("case", "verdict", "status"),
    [
        ("send.medplum", REFUSED, 503),
        ("send.dreamfactory", REFUSED, 500),
        ("send.courier", REFUSED, 503),
        ("send.medplum", LOST, 202),
        ("send.dreamfactory", LOST, 202),
        ("send.courier", LOST, 202),
    ],
)
def test_only_a_request_without_a_send_may_be_repeated(log: Logger, case: str, verdict: Verdict, status: int) -> None:
    function = Function(log, MemoryService(relay=fakes.FakeRelayTransport(verdict=verdict)))

    answered, _, headers = function.call(event(case, SIMPLE[case]))

    assert answered == status
    assert ("Retry-After" in headers) == (verdict is REFUSED)


class Broken(fakes.FakeSecretStore):
    """Has a bug."""

    def current(self, project_id: ProjectId, *, epoch: Epoch | None, deadline: float, refresh: bool = False) -> Any:
        raise RuntimeError(SecretStr(canaries.PASSWORD))


@pytest.mark.parametrize(("case", "status"), [("send.medplum", 400), ("send.dreamfactory", 500), ("send.courier", 500)])
def test_a_bug_is_answered_in_the_dialect_s_shape_without_its_details(
    log: Logger, lines: Lines, case: str, status: int
) -> None:
    function = Function(log, MemoryService(secrets=Broken()))

    answered, answer, _ = function.call(event(case, SIMPLE[case]))

    assert answered == status
    assert isinstance(at(answer, ERROR_PLACES[case]), str)
    assert canaries.found_in(json.dumps(answer) + lines.stream.getvalue()) == []


@pytest.mark.parametrize("case", SIMPLE)
def test_the_log_names_the_project_and_no_content(function: Function, lines: Lines, case: str) -> None:
    body = json.loads(json.dumps(SIMPLE[case]).replace('"x"', json.dumps(canaries.BODY)))

    function.call(event(case, body))

    [line] = lines.read()
    assert line["project_id"] == "acme"
    assert canaries.found_in(json.dumps(line)) == []


@pytest.fixture
def welcome(function: Function) -> None:
    template = Template(subject="Welcome, {first_name}", text="{first_name}, this is {company_name}.")
    function.service.templates.put(ACME, TemplateName("welcome"), template, now=0.0, only_if=Precondition())


@pytest.mark.usefixtures("welcome")
def test_a_template_and_its_variables_become_a_message(function: Function) -> None:
    body = {
        "templateId": "welcome",
        "to": "ada@example.net",
        "variables": {"first_name": "Ada", "company_name": "Acme"},
    }

    status, answer, _ = function.call(event("send.messagepipe", body))

    assert (status, answer["messageId"]) == (200, f"{1:032d}")
    [sent] = function.service.relay.sends
    assert b"Subject: Welcome, Ada" in sent.message.as_bytes()


@pytest.mark.usefixtures("welcome")
@pytest.mark.parametrize(
    ("case", "body", "pointer"),
    [
        ("send.messagepipe", {"templateId": "welcome", "to": "a@b.example", "variables": {}}, "/variables/first_name"),
        ("send.messagepipe_bulk", {"templateId": "welcome", "recipients": ["a@b.example"]}, "/variables/first_name"),
    ],
)
def test_a_missing_value_is_reported_at_its_place(
    function: Function, case: str, body: dict[str, object], pointer: str
) -> None:
    status, answer, _ = function.call(event(case, body))

    assert (status, answer["problems"][0]["pointer"]) == (400, pointer)


@pytest.mark.usefixtures("welcome")
def test_a_bulk_queues_a_message_for_each_recipient(function: Function) -> None:
    values = {"first_name": "Ada", "company_name": "Acme"}
    body = {"templateId": "welcome", "recipients": ["ada@example.net", "bob@example.net"], "variables": values}

    status, answer, _ = function.call(event("send.messagepipe_bulk", body))

    assert (status, answer["success"]) == (202, True)
    assert [each["recipient"] for each in answer["results"]] == ["ada@example.net", "bob@example.net"]


def test_an_unknown_template_is_404_at_its_place(function: Function) -> None:
    body = {"recipients": ["ada@example.net"], "templateId": "missing"}

    status, answer, _ = function.call(event("send.messagepipe_bulk", body))

    assert (status, answer["code"]) == (404, "template-not-found")
    assert answer["problems"][0]["pointer"] == "/templateId"


@pytest.mark.parametrize("case", SIMPLE)
def test_the_status_of_a_message_is_in_a_header(function: Function, case: str) -> None:
    assert function.call(event(case, SIMPLE[case]))[2]["Email-Status"] == "sent"


@pytest.mark.parametrize("case", SIMPLE)
@pytest.mark.parametrize(
    ("setting", "value", "header", "told"),
    [
        ("SUPPRESS_EMAILS", "true", "Email-Status", "suppressed"),
        ("DIVERT_ALL_TO", "tester@platform.example", "Email-Diverted-To", "tester@platform.example"),
    ],
)
def test_the_answer_names_a_stage_other_than_production(
    log: Logger, case: str, setting: str, value: str, header: str, told: str
) -> None:
    function = Function(log, MemoryService(settings(**{setting: value})))

    assert function.call(event(case, SIMPLE[case]))[2][header] == told
