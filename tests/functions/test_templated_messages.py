"""Messages made of stored templates, over the API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from functions.project_config.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, load_event
from tests.support.memory_service import MemoryService
from tests.support.messages_api import MESSAGE, Answered, MessagesApi
from tests.support.projects import ACME, entries

WELCOME: dict[str, object] = {"subject": "Hi {name}", "text": "Hi {name}", "html": "<p>{name}</p>"}
NEVER = '"00000000000000000000000000000000"'


@dataclass
class Templates:
    """The routes of templates, on in-memory ports."""

    log: Logger
    service: MemoryService = field(
        default_factory=lambda: MemoryService(secrets=fakes.FakeSecretStore({ACME: fakes.secret(entries())}))
    )

    def ask(
        self,
        case: str,
        body: object = None,
        *,
        name: str = "welcome",
        project: str = "acme",
        scope: str = "email-config:read email-config:write",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answered:
        event = load_event(f"project_config.{case}")
        path = f"/v1/projects/{project}/templates" + ("" if case == "list_templates" else f"/{name}")
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["pathParameters"] = {"projectId": project, "name": name}
        event["requestContext"]["authorizer"]["lambda"] = {"project_id": project, "scope": scope, "subject": "ann"}
        event["headers"].update(headers or {})
        if body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        if query:
            event["queryStringParameters"] = dict(query)
        handler = create_handler(
            ports=self.service.send_ports,
            configuration=self.service.configuration_ports(),
            log=self.log,
            count=lambda _name, _value, _transport: None,
        )
        answer = handler(event, Context())  # type: ignore[arg-type]  # the parts of a LambdaContext that are used
        return Answered(answer["statusCode"], json.loads(answer["body"]), answer["headers"])

    def put(self, body: object = None, **asked: Any) -> Answered:
        return self.ask("put_template", WELCOME if body is None else body, **asked)

    def get(self, **asked: Any) -> Answered:
        return self.ask("get_template", **asked)

    def delete(self, **asked: Any) -> Answered:
        return self.ask("delete_template", **asked)

    def page(self, **asked: Any) -> Answered:
        return self.ask("list_templates", **asked)


@pytest.fixture
def templates(log: Logger) -> Templates:
    return Templates(log)


@pytest.fixture
def emails(log: Logger, templates: Templates) -> MessagesApi:
    return MessagesApi(log, templates.service)


def problems(answer: Answered) -> list[tuple[str, str]]:
    return [(each["code"], each["pointer"]) for each in answer.body["problems"]]


def sent_text(service: MemoryService) -> str:
    return service.relay.sends[-1].message.as_bytes().decode()


# -- Messages ---------------------------------------------------------------------------------------------------------


def message(**members: object) -> dict[str, object]:
    return {"to": "ada@example.net", "template": "welcome", "template_data": {"name": "Ada"}, **members}


def test_a_template_becomes_a_message(templates: Templates, emails: MessagesApi) -> None:
    templates.put()

    answer = emails.ask("POST", "", message())

    assert (answer.status, answer.body["status"]) == (200, "sent")
    assert "Subject: Hi Ada" in sent_text(templates.service)
    assert "<p>Ada</p>" in sent_text(templates.service)


def test_the_example_event_sends_a_template(templates: Templates, emails: MessagesApi) -> None:
    templates.put(json.loads(load_event("project_config.put_template")["body"]))

    answer = emails.ask("POST", "", json.loads(load_event("send.template")["body"]))

    assert (answer.status, answer.body["from"]["used"]) == (200, "Acme Support <hello@acme.example>")
    assert "Subject: Welcome, Ada" in sent_text(templates.service)
    history = emails.get(f"/{answer.body['id']}").body
    assert history["tags"] == [{"name": "campaign", "value": "spring"}]


@pytest.mark.parametrize("prefer", [None, "respond-async"])
@pytest.mark.parametrize("project", ["acme", "other"])
def test_TI7_a_template_of_another_project_is_404(
    templates: Templates, emails: MessagesApi, prefer: str | None, project: str
) -> None:
    templates.put(project="third")

    answer = emails.send(prefer=prefer, project=project, template="welcome")

    assert (answer.status, answer.body["code"]) == (404, "template-not-found")
    assert problems(answer) == [("template-not-found", "/template")]
    assert templates.service.ledger.records == ()


def test_a_queued_message_is_complete_when_it_is_accepted(templates: Templates, emails: MessagesApi) -> None:
    templates.put()
    answer = emails.ask("POST", "", message(), {"prefer": "respond-async"})
    templates.delete()

    stored = templates.service.drafts.contents[ACME, answer.body["id"]]

    assert answer.status == 202
    assert (stored.draft.subject, stored.draft.text, stored.draft.html) == ("Hi Ada", "Hi Ada", "<p>Ada</p>")


def test_a_repeated_request_is_answered_after_its_template_was_removed(
    templates: Templates, emails: MessagesApi
) -> None:
    templates.put()
    first = emails.ask("POST", "", message(), {"idempotency-key": "k"})
    templates.delete()

    again = emails.ask("POST", "", message(), {"idempotency-key": "k"})

    assert (again.status, again.body) == (first.status, first.body)
    assert len(templates.service.relay.sends) == 1


def test_explain_reports_a_missing_template_and_a_missing_value(templates: Templates, emails: MessagesApi) -> None:
    missing = emails.ask("POST", "/explain", message())
    templates.put()
    found = emails.ask("POST", "/explain", message())
    incomplete = emails.ask("POST", "/explain", message(template_data={}))

    assert (missing.body["would_send"], missing.body["status"]) == (False, 404)
    assert found.body["would_send"] is True
    assert (incomplete.body["would_send"], incomplete.body["problem"]["code"]) == (False, "invalid-request")
    assert templates.service.relay.sends == []


def test_a_missing_value_is_400_with_its_name(templates: Templates, emails: MessagesApi) -> None:
    templates.put()

    answer = emails.ask("POST", "", message(template_data={"nam": "x"}))

    assert (answer.status, problems(answer)) == (400, [("value-missing", "/template_data/name")])


def test_an_unavailable_store_sends_nothing(templates: Templates, emails: MessagesApi) -> None:
    templates.service.templates.failing = True

    assert emails.ask("POST", "", message()).status == 503
    assert emails.send().status == 200


def test_a_batch_reads_each_template_once(templates: Templates, emails: MessagesApi) -> None:
    templates.put()

    answer = emails.batch([message(template_data={"name": name}) for name in ("Ada", "Bob")])

    subjects = [stored.draft.subject for stored in templates.service.drafts.contents.values()]
    assert (answer.status, subjects) == (202, ["Hi Ada", "Hi Bob"])
    assert len(templates.service.templates.reads) == 1


def test_a_batch_names_every_problem_with_its_place(templates: Templates, emails: MessagesApi) -> None:
    templates.put()

    answer = emails.batch([message(), message(template_data={}), message(template="x"), message(template_data={})])

    assert (answer.status, problems(answer)) == (
        400,
        [
            ("value-missing", "/1/template_data/name"),
            ("template-not-found", "/2/template"),
            ("value-missing", "/3/template_data/name"),
        ],
    )
    assert templates.service.drafts.contents == {}


def test_a_repeated_batch_gets_the_same_answer_without_its_template(templates: Templates, emails: MessagesApi) -> None:
    templates.put()
    batch = [message(), {"to": "b@example.net", "subject": "s", "text": "t"}]
    first = emails.batch(batch, key="k")
    templates.delete()

    assert emails.batch(batch, key="k").body == first.body


# -- The other fields -------------------------------------------------------------------------------------------------


def test_an_unknown_preferred_provider_is_refused(emails: MessagesApi) -> None:
    assert emails.send(preferred_provider="smtp").status == 200
    for project in ("acme", "other"):
        for prefer in (None, "respond-async"):
            answer = emails.send(preferred_provider="x", project=project, prefer=prefer)
            assert (answer.status, problems(answer)) == (400, [("unknown-provider", "/preferred_provider")])
    explained = emails.ask("POST", "/explain", {**message(template=None), "subject": "s", "text": "t"})
    assert explained.body["would_send"] is True


def test_a_batch_names_an_unknown_provider_with_its_place(emails: MessagesApi) -> None:
    plain = {"to": "a@example.net", "subject": "s", "text": "t"}

    answer = emails.batch({"emails": [plain, {**plain, "preferred_provider": "x"}]})

    assert (answer.status, problems(answer)) == (400, [("unknown-provider", "/emails/1/preferred_provider")])


def test_tags_are_in_the_history_and_in_the_events(emails: MessagesApi) -> None:
    answer = emails.send(tags=["weekly", {"name": "order", "value": "4711"}])

    shown = [{"name": "weekly", "value": ""}, {"name": "order", "value": "4711"}]
    assert emails.get(f"/{answer.body['id']}").body["tags"] == shown
    assert emails.get("").body["emails"][0]["tags"] == shown
    assert emails.service.events.events[-1].detail["tags"] == shown


def test_D11_a_from_name_alone_goes_with_the_default_address(emails: MessagesApi) -> None:
    answer = emails.ask("POST", "", {**MESSAGE, "from": {"name": "Ada"}})

    assert answer.body["from"] == {"requested": None, "used": "Ada <hello@acme.example>", "reason": "default"}
