"""docs/secret.md agrees with the parser."""

import ast
import json
import re
from pathlib import Path

import pytest
from mailer.relay.preset import PRESETS
from mailer.secret.entry_table import ENTRIES
from mailer.secret.parser import Activates, parse_secret
from mailer.smtp.outcome import RelayFault

from tests.core.secret_texts import POLICY

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/secret.md").read_text(encoding="utf-8")
CORE = ROOT / "layers/mailer/src/mailer"
SOURCES = (
    *(CORE / "secret/provider").glob("*.py"),
    *(
        CORE / name
        for name in (
            "message/address.py", "relay/ca_certificate.py", "relay/host.py", "relay/https_url.py", "secret/advice.py",
            "secret/document.py", "secret/edit.py", "secret/entries.py", "secret/misnamed.py", "secret/oauth.py",
            "secret/parser.py", "secret/relay.py", "adapters/aws/secrets_manager.py",
            "service/configuring/validate_project.py",
        )
    ),
)  # fmt: skip
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
KEY_VALUE_TABLE = re.compile(r"\| Key \| Value \|\n\| --- \| --- \|\n((?:\|.*\|\n)+)")
NO_CODES = {"utf-8"}


def key_value_tables() -> list[dict[str, str]]:
    """Return the examples in the form of the console's Key/value view."""
    return [
        {key.strip(): value.strip() for key, value in re.findall(r"\| (\S+) \| (.*) \|", rows)}
        for rows in KEY_VALUE_TABLE.findall(PAGE)
    ]


def codes_in_the_sources() -> set[str]:
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in SOURCES]
    constants = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in constants if isinstance(text, str) and CODE.fullmatch(text)} - NO_CODES


def codes_in_the_page() -> set[str]:
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.partition("\n## Problems")[2], re.MULTILINE))


def test_the_page_has_an_example_for_each_well_known_relay() -> None:
    assert len(key_value_tables()) == 11


@pytest.mark.parametrize("entries", key_value_tables(), ids=lambda entries: entries.get("smtpService", "smtpHost"))
def test_every_example_of_the_console_is_valid(entries: dict[str, str]) -> None:
    result = parse_secret(json.dumps(entries), POLICY)

    assert isinstance(result, Activates), result
    assert {warning.code for warning in result.warnings} <= {"port-25-blocked"}


@pytest.mark.parametrize("text", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_of_the_plaintext_view_is_valid(text: str) -> None:
    assert isinstance(parse_secret(text, POLICY), Activates)


def test_the_page_has_exactly_the_existing_problems_and_warnings() -> None:
    faults = {fault.value for fault in RelayFault if fault is not RelayFault.SERVER_TRANSPORT_FAILED}

    assert codes_in_the_page() == codes_in_the_sources() | faults


def test_the_page_has_the_table_of_entries() -> None:
    rows = [f"| `{entry.name}` | {entry.required} | {entry.meaning} |" for entry in ENTRIES]
    table = PAGE.partition("## Every entry\n\n")[2].partition("\n\n")[0]

    assert table.splitlines() == ["| Entry | Required | Meaning |", "| --- | --- | --- |", *rows]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE.partition("Presets:")[2]
