"""The README's requests have the answers that it shows."""

import json
import re
from pathlib import Path

import pytest

from local.client import Json, call
from tests.support.embedded import Running

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(
    r"--project (?P<project>\w+) .*?/v1/projects/(?P=project)(?P<path>/\S+) .*?-d '(?P<body>.*?)'\n```\n\n"
    r"```json\n(?P<answer>.*?)```",
    re.DOTALL,
)
EXAMPLES = [matched.groupdict() for matched in EXAMPLE.finditer(README)]
# Members that differ in every answer.
FRESH = ("id", "message_id", "instance")


def test_the_readme_has_a_request_and_a_broken_secret() -> None:
    assert [example["project"] for example in EXAMPLES] == ["acme", "broken"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["project"])
def test_the_answer_matches_the_readme(embedded_stack: Running, example: dict[str, str]) -> None:
    url = f"{embedded_stack.stack.api_url}/v1/projects/{example['project']}{example['path']}"

    answer = call("POST", url, token=embedded_stack.stack.tokens[example["project"]], body=json.loads(example["body"]))

    assert without_fresh(answer.body) == without_fresh(json.loads(example["answer"]))


def without_fresh(body: Json) -> Json:
    return {name: value for name, value in body.items() if name not in FRESH}
