"""Stored templates on the embedded stack: the template's routes, roles and table."""

import uuid

from local.client import Answer, Caller, call, find, read_inbox
from tests.support.embedded import Running


def ask(caller: Caller, method: str, path: str, body: object | None = None) -> Answer:
    url = f"{caller.stack.api_url}/v1/projects/{caller.project_id}/{path}"
    return call(method, url, token=caller.token, body=body)


def test_a_stored_template_becomes_a_message_at_the_relay(embedded_stack: Running) -> None:
    mark = str(uuid.uuid4())
    acme = embedded_stack.caller("acme")

    stored = ask(acme, "PUT", "templates/-first", {"subject": "Hi {name} {mark}", "html": "<p>{name}</p>"})
    listed = acme.get("templates?limit=1")
    answer = acme.post(
        "emails",
        {
            "to": "ada@example.com",
            "template": "-first",
            "template_data": {"name": "<Ada>", "mark": mark},
            "tags": ["a"],
        },
    )

    assert (stored.status, answer.status) == (200, 200)
    assert find(listed.body, "templates", 0, "name") == "-first"
    (message,) = [each for each in read_inbox(embedded_stack.stack)[1] if mark in str(each["subject"])]
    assert message["subject"] == f"Hi <Ada> {mark}"
    assert "<p>&lt;Ada&gt;</p>" in str(message["raw"])


def test_a_removed_template_is_gone(embedded_stack: Running) -> None:
    acme, name = embedded_stack.caller("acme"), f"t-{uuid.uuid4()}"
    ask(acme, "PUT", f"templates/{name}", {"text": "x"})

    assert ask(acme, "DELETE", f"templates/{name}").status == 200
    assert acme.get(f"templates/{name}").status == 404
    assert acme.post("emails", {"to": "a@example.com", "subject": "s", "template": name}).status == 404


def test_TI7_another_project_does_not_see_the_template(embedded_stack: Running) -> None:
    name = f"t-{uuid.uuid4()}"
    ask(embedded_stack.caller("acme"), "PUT", f"templates/{name}", {"subject": "s", "text": "x"})

    plain = embedded_stack.caller("plain")
    assert plain.get(f"templates/{name}").status == 404
    assert plain.post("emails", {"to": "a@example.com", "template": name}).status == 404
