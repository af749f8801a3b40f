"""Stored templates over the API: store, show, list and remove."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.errors import LedgerUnavailable
from mailer.template.template import MAX_TEMPLATE

from functions.project_config.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, Lines, load_event
from tests.support.memory_service import MemoryService
from tests.support.messages_api import Answered, MessagesApi
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


@pytest.mark.parametrize("html", ["<p>x</p>", '<a href="{x}">', "<!--x-->", "<title></title>", "<a b="])
def test_a_template_of_megabytes_is_refused_before_its_html_is_checked(templates: Templates, html: str) -> None:
    size = 5_900_000
    began = time.process_time()

    answer = templates.put({"subject": "x", "html": html * (size // len(html))})

    assert problems(answer) == [("template-too-large", "")]
    assert time.process_time() - began < 1.0


# -- The templates ----------------------------------------------------------------------------------------------------


def test_the_example_events_store_show_list_and_remove_a_template(templates: Templates) -> None:
    event = json.loads(load_event("project_config.put_template")["body"])

    put = templates.put(event)

    assert (put.status, put.headers["ETag"]) == (200, put.body["etag"])
    assert templates.get().body == put.body
    assert put.body["placeholders"] == ["first_name", "company", "link"]
    assert put.body["from"] == {"name": "Acme Support"}
    assert [each["name"] for each in templates.page().body["templates"]] == ["welcome"]
    assert templates.delete().body == {"name": "welcome", "removed": True}
    assert templates.get().status == 404


def test_a_shown_template_can_be_put_again(templates: Templates) -> None:
    whole = {
        **WELCOME,
        "from": "Ann <ann@example.com>",
        "reply_to": ["bob@example.com"],
        "defaults": {"name": "you", "order": {"n": 3, "paid": True}},
    }
    shown = templates.put(whole).body

    again = templates.put({name: shown[name] for name in whole}).body

    assert {name: again[name] for name in whole} == {name: shown[name] for name in whole}
    assert again["defaults"] == whole["defaults"]
    assert again["etag"] != shown["etag"]


def test_a_change_with_another_etag_changes_nothing(templates: Templates) -> None:
    etag = templates.put().headers["ETag"]

    refused = [
        templates.put({"text": "x"}, headers={"if-match": NEVER}),
        templates.put({"text": "x"}, headers={"if-none-match": "*"}),
        templates.delete(headers={"if-match": NEVER}),
    ]

    assert [(each.status, each.body["code"]) for each in refused] == [(412, "template-changed")] * 3
    assert templates.get().headers["ETag"] == etag


def test_a_change_with_the_current_etag_is_made(templates: Templates) -> None:
    first = templates.put(headers={"if-none-match": "*"}).headers["ETag"]
    second = templates.put(headers={"if-match": first}).headers["ETag"]

    assert templates.put(headers={"if-match": "*"}).status == 200
    assert templates.delete(headers={"if-match": second}).status == 412
    assert templates.delete(headers={"if-match": templates.get().headers["ETag"]}).status == 200


@pytest.mark.parametrize("value", ["x", 'W/"x"', '"a", "b"', '""', '"a\r\nb"', ""])
def test_a_malformed_precondition_is_400(templates: Templates, value: str) -> None:
    answer = templates.put(headers={"if-match": value})

    assert (answer.status, problems(answer)) == (400, [("precondition-malformed", "")])


def test_an_unknown_template_is_404(templates: Templates) -> None:
    for answer in (templates.get(), templates.delete(), templates.get(name="a b"), templates.get(name="..")):
        assert (answer.status, answer.body["code"]) == (404, "template-not-found")


def test_TI7_another_project_s_template_is_404(templates: Templates) -> None:
    templates.put()

    assert templates.get(project="other").status == 404
    assert templates.page(project="other").body == {"templates": [], "cursor": None}


@pytest.mark.parametrize("name", ["a b", "..", "x" * 65, "a%2Fb"])
def test_TI2_a_malformed_name_is_400(templates: Templates, name: str) -> None:
    answer = templates.put(name=name)

    assert (answer.status, problems(answer)) == (400, [("name-malformed", "")])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"to": "a@b.example"}, ("unknown-field", "/to")),
        ({"subject": "a\nb"}, ("control-character", "/subject")),
        ({"subject": 1}, ("wrong-type", "/subject")),
        ({"text": "\x00"}, ("control-character", "/text")),
        ({"html": "<a {x}>"}, ("placeholder-misplaced", "/html")),
        ({"html": "<script>{x}</script>"}, ("placeholder-misplaced", "/html")),
        ({"from": "x"}, ("address-malformed", "/from")),
        ({"from": {"name": "a\nb"}}, ("control-character", "/from/name")),
        ({"reply_to": [{"name": "x"}]}, ("required", "/reply_to/0/email")),
        ({"defaults": []}, ("wrong-type", "/defaults")),
        ({"defaults": {"a": [1]}}, ("wrong-type", "/defaults/a")),
        ({"defaults": {"a-b": 1}}, ("name-malformed", "/defaults")),
        ({"text": "x" * MAX_TEMPLATE}, ("template-too-large", "")),
        ([], ("wrong-type", "")),
    ],
)
def test_an_unusable_template_is_400(templates: Templates, body: object, problem: tuple[str, str]) -> None:
    answer = templates.put(body)

    assert (answer.status, problems(answer)) == (400, [problem])
    assert templates.get().status == 404


def test_a_list_has_pages(templates: Templates) -> None:
    for name in "cab":
        templates.put(name=name)

    first = templates.page(query={"limit": "2"}).body
    second = templates.page(query={"limit": "2", "cursor": first["cursor"]}).body

    assert [each["name"] for each in first["templates"] + second["templates"]] == ["a", "b", "c"]
    assert second["cursor"] is None


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "101"), ("cursor", "a b"), ("page", "2")])
def test_a_list_s_parameters_are_checked(templates: Templates, name: str, value: str) -> None:
    answer = templates.page(query={name: value})

    assert (answer.status, answer.body["problems"][0]["parameter"]) == (400, name)


def test_the_scope_to_send_reads_templates_and_does_not_change_them(templates: Templates) -> None:
    templates.put()

    assert templates.get(scope="email:send").status == 200
    assert templates.page(scope="email:send").status == 200
    assert templates.get(scope="email-config:read").status == 200
    for scope in ("email:send", "email-config:read", "email:read"):
        assert templates.put(scope=scope).status == 403
        assert templates.delete(scope=scope).status == 403
    assert templates.get(scope="email:read").status == 403


def test_the_log_names_the_caller_of_a_change_and_no_content(templates: Templates, lines: Lines) -> None:
    templates.put({"text": "canary text"})
    templates.delete()

    logged = [(line["message"], line["subject"], line["template"]) for line in lines.read()]
    assert logged == [("template stored", "ann", "welcome"), ("template removed", "ann", "welcome")]
    assert "canary" not in json.dumps(lines.read())


def test_an_unavailable_store_is_503(templates: Templates) -> None:
    templates.service.templates.failing = True

    for answer in (templates.put(), templates.get(), templates.delete(), templates.page()):
        assert (answer.status, answer.body["code"]) == (503, LedgerUnavailable.code)
