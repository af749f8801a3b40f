"""`emailEnabled` switches the project's mail off."""

import pytest
from mailer.secret.parser import Activates, ActivatesNothing, Malformed, ParsedSecret, parse_entries

from tests.core.secret_texts import POLICY

RELAY: dict[str, object] = {
    "smtpHost": "smtp.example.com",
    "smtpPort": "587",
    "smtpUsername": "user",
    "smtpPassword": "password",
    "smtpFromAddress": "hello@acme.example",
}


def codes(parsed: ParsedSecret) -> list[tuple[str | None, str]]:
    return [(problem.entry, problem.code) for problem in parsed.problems] if isinstance(parsed, Malformed) else []


@pytest.mark.parametrize("entries", [RELAY, {}, {"smtpFromAddress": "hello@acme.example"}])
@pytest.mark.parametrize("value", ["false", "FALSE", False])
def test_false_switches_all_transports_off(entries: dict[str, object], value: object) -> None:
    parsed = parse_entries({**entries, "emailEnabled": value}, POLICY)

    assert codes(parsed) == [("emailEnabled", "email-disabled")]


@pytest.mark.parametrize("value", ["true", True])
def test_true_changes_nothing(value: object) -> None:
    assert isinstance(parse_entries({**RELAY, "emailEnabled": value}, POLICY), Activates)
    assert parse_entries({"emailEnabled": value}, POLICY) == ActivatesNothing()


@pytest.mark.parametrize("value", ["off", "0", 0, ""])
def test_another_value_is_never_read_as_true(value: object) -> None:
    assert [entry for entry, _ in codes(parse_entries({"emailEnabled": value}, POLICY))] == ["emailEnabled"]


@pytest.mark.parametrize("entries", [RELAY, {}])
def test_a_misspelled_name_is_invalid(entries: dict[str, object]) -> None:
    assert codes(parse_entries({**entries, "email_enabled": "false"}, POLICY)) != []
