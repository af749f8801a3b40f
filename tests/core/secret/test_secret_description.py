"""The entries as admins see them."""

import json

import pytest
from mailer.secret.view import describe_entries

from tests.core.secret_texts import VALID, secret


def test_a_description_shows_entries_and_hides_the_password() -> None:
    assert describe_entries(secret(smtpApprovedSenders=["a@b.example"], smtpSecure=False)) == {
        **VALID,
        "smtpPassword": {"set": True},
        "smtpApprovedSenders": ["a@b.example"],
        "smtpSecure": False,
    }


@pytest.mark.parametrize("username", ["token-1", "api-token-1"])
def test_a_user_name_that_repeats_the_password_is_hidden_too(username: str) -> None:
    description = describe_entries(secret(smtpUsername=username, smtpPassword="token-1"))

    assert description is not None
    assert description["smtpUsername"] == {"set": True}


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_password_is_not_set(value: object) -> None:
    description = describe_entries(secret(smtpPassword=value))

    assert description is not None
    assert description["smtpPassword"] == {"set": False}


def test_unknown_entries_are_not_described() -> None:
    assert describe_entries('{"stripeKey": "sk_live", "smtppassword": "x", "smtpPassword ": "y"}') == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', '{"smtpHost": "a", "smtpHost": "b"}'])
def test_a_text_that_is_not_an_object_has_no_description(text: str) -> None:
    assert describe_entries(text) is None


@pytest.mark.parametrize("value", ["smtp://user:password@smtp.example.com", "user@host"])
def test_a_host_that_may_hold_credentials_is_not_shown(value: str) -> None:
    assert describe_entries(json.dumps({"smtpHost": value})) == {"smtpHost": {"set": True}}


@pytest.mark.parametrize("value", [{"password": "x"}, float("inf"), [["x"]]])
def test_a_value_of_an_unknown_form_is_not_shown(value: object) -> None:
    description = describe_entries(json.dumps({"smtpFromName": value}).replace("Infinity", "1e999"))

    assert description is not None
    assert description["smtpFromName"] in ({"set": True}, [None])


def test_control_characters_are_not_shown() -> None:
    assert describe_entries('{"smtpFromName": "a\\u0000\\ud800\\u202eb"}') == {"smtpFromName": "a???b"}
