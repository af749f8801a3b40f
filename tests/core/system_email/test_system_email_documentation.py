"""docs/system-emails.md agrees with the code."""

import ast
import json
import re
from pathlib import Path

import pytest
from mailer.system_email.contract import parse_event
from mailer.system_email.event import EventType

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/system-emails.md").read_text(encoding="utf-8")
CORE = ROOT / "layers/mailer/src/mailer"
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+|required|blank")
NO_CODES = {"date-time", "detail-type", "display-name-too-long"}


def codes_in_the_sources() -> set[str]:
    sources = (
        "message/address.py",
        "input/inspection.py",
        "input/json_body.py",
        "system_email/event.py",
        "system_email/contract.py",
        "service/known_project.py",
    )
    trees = [ast.parse((CORE / source).read_text(encoding="utf-8")) for source in sources]
    constants = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in constants if isinstance(text, str) and CODE.fullmatch(text)} - NO_CODES


def test_there_is_an_example_of_each_event() -> None:
    assert {json.loads(example)["detail-type"] for example in EXAMPLES} == set(EventType)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: json.loads(example)["detail-type"])
def test_every_example_is_an_event(example: str) -> None:
    parse_event(example, app_base_url="https://app.example.com")


def test_the_example_program_puts_a_valid_event() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (detail,) = (
        ast.literal_eval(node.args[0])
        for node in ast.walk(ast.parse(program))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "json.dumps"
    )

    parse_event(
        json.dumps({"detail-type": "PasswordResetRequested", "detail": detail}), app_base_url="https://app.example.com"
    )


def test_every_reason_is_documented() -> None:
    rows = re.findall(
        r"^\| (`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*) \|", PAGE.partition("## What is refused")[2], re.MULTILINE
    )

    assert {code for row in rows for code in re.findall(r"`([a-z0-9-]+)`", row)} == codes_in_the_sources()
