"""Secrets are not shown or serialised."""

import copy
import json
import pickle
from collections.abc import Callable

import msgspec
import pytest
from mailer.relay.relay import PasswordAuth
from mailer.relay.secret_str import SecretStr

CANARY = "c4n4ry-Zq9!Kd"
SECRET = SecretStr(CANARY)


def test_only_reveal_returns_the_secret() -> None:
    assert SECRET.reveal() == CANARY


@pytest.mark.parametrize("text", [repr(SECRET), str(SECRET), f"{SECRET}", f"{SECRET!r}", "%s" % SECRET])  # noqa: UP031 -- a form of its own
def test_no_text_form_shows_the_secret(text: str) -> None:
    assert CANARY not in text


def test_a_struct_with_a_secret_does_not_show_it() -> None:
    assert CANARY not in repr(PasswordAuth("mailer", SECRET))


@pytest.mark.parametrize("serialise", [msgspec.json.encode, msgspec.to_builtins, pickle.dumps])
def test_a_struct_with_a_secret_is_not_serialised(serialise: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        serialise(PasswordAuth("mailer", SECRET))


@pytest.mark.parametrize("serialise", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_not_serialised(serialise: object) -> None:
    assert callable(serialise)
    with pytest.raises(TypeError):
        serialise(SECRET)


def test_equal_secrets_are_equal_and_hash_alike() -> None:
    assert SecretStr(CANARY) == SECRET
    assert hash(SecretStr(CANARY)) == hash(SECRET)


def test_a_secret_does_not_equal_its_text() -> None:
    assert SECRET != CANARY


def test_an_empty_secret_is_false() -> None:
    assert not SecretStr("")
