"""The examples of README.md and docs/ work on the embedded stack or match the API's description."""

import json
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from local.client import call, find, read_inbox
from tests.support import described_setup
from tests.support.described import DOCUMENT, demand_valid
from tests.support.embedded import Running, environment, run_command
from tests.support.patience import eventually

ROOT = Path(__file__).parents[2]
# The schemas of each page's JSON examples, in order.
SHOWN = {
    "docs/api.md": ("SentEmail", "AcceptedBatch", "ForgottenAddress", "ShownProviderWithConfig"),
    "docs/templates.md": ("EmailBody", None, "TemplateBody", "EmailBody", None),
    "docs/dialects.md": (),
}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", SHOWN)
def test_every_example_of_the_api_matches_the_description(page: str) -> None:
    for example, schema in zip(blocks(page, "json"), SHOWN[page], strict=True):
        if schema is not None:
            demand_valid(json.loads(example), DOCUMENT["components"]["schemas"][schema])


def test_the_templates_of_the_page_become_the_messages_of_the_page(embedded_stack: Running) -> None:
    setup = described_setup.make_setup(embedded_stack)
    send = "POST /v1/projects/{projectId}/emails"
    first, first_leaves, template, second, second_leaves = map(json.loads, blocks("docs/templates.md", "json"))
    assert setup.ask("PUT /v1/projects/{projectId}/templates/{name}", template).status == 200

    for asked, leaves in ((first, first_leaves), (second, second_leaves)):
        answer = setup.ask(send, asked)
        assert answer.status == 200, answer.body
        (message,) = (
            each for each in read_inbox(embedded_stack.stack)[1] if each["message_id"] == answer.text("message_id")
        )
        assert {name: in_lines(message[name]) for name in leaves} == {
            name: in_lines(value) for name, value in leaves.items()
        }


def in_lines(value: object) -> list[str]:
    """A text without the last line end, which mail adds."""
    return str(value).splitlines()


def test_the_password_reset_of_the_readme_is_held_and_listed(embedded_stack: Running) -> None:
    (story,) = (block for block in blocks("README.md", "sh") if "local event" in block)
    words = [shlex.split(line) for line in re.sub(r",\n", ",", story).splitlines()]
    (event,) = (line[3:] for line in words if line[:3] == [".venv/bin/python", "-m", "local"])
    (scope,) = re.findall(r'--scope "(.*?)"', story)
    token = described_setup.issue(embedded_stack, "broken", scope)
    held, configuration = (
        urlsplit(next(word for word in line if word.startswith("http"))) for line in words if line[0] == "curl"
    )

    put = run_command(*event, variables=environment(embedded_stack.directory))
    assert put.returncode == 0, put.stderr

    def is_listed() -> bool:
        listed = call("GET", f"{embedded_stack.stack.api_url}{held.path}?{held.query}", token=token).body["emails"]
        assert isinstance(listed, list)
        return any(each["request_id"] == json.loads(event[2])["requestId"] for each in listed)

    assert dict(parse_qsl(held.query)) == {"status": "held"}
    eventually(is_listed)
    shown = call("GET", f"{embedded_stack.stack.api_url}{configuration.path}", token=token).body
    assert (find(shown, "state"), bool(find(shown, "held"))) == ("invalid", True)
