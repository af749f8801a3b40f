"""The identity of a project."""

import pytest
from mailer.project import parse_project_id


@pytest.mark.parametrize("text", ["a", "acme", "Acme_2-x", "x" * 64, "-", "_"])
def test_an_id_is_letters_digits_hyphen_and_underscore(text: str) -> None:
    assert parse_project_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "x" * 65, "a/b", "../a", "a*", "a?", "a b", "a\n", "\u00e4", "\uff41", "a.b", "a%2fb", "arn:aws", "a\x00"],
)
def test_an_id_that_could_change_a_secrets_name_is_refused(text: str) -> None:
    assert parse_project_id(text) is None
