"""The files that announce a running stack."""

import dataclasses
import json
import stat
from pathlib import Path

import pytest

from local.project import RelayAccess
from local.state import KEY_FILE, STATE_FILE, Stack, announced, forget, load_signing_key, read_state
from local.token import SigningKey

KEY = SigningKey("pem", "key-1", "issuer", "audience")
RELAY = RelayAccess("localhost", 1, 2, "user", "password", "pem")
STACK = Stack("api", "aws", "region", "key", "secret", "bus", "prefix/", "inbox", RELAY, {"acme": "token"})


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_running_stack_is_read_as_it_was_announced(tmp_path: Path) -> None:
    with announced(STACK, KEY, tmp_path):
        assert (read_state(tmp_path), load_signing_key(tmp_path)) == (STACK, KEY)


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    with announced(STACK, KEY, tmp_path):
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_stack_that_ended_is_not_found(tmp_path: Path) -> None:
    with announced(STACK, KEY, tmp_path):
        assert files(tmp_path) == [KEY_FILE, STATE_FILE]

    assert files(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path)


def test_a_stack_that_ends_keeps_another_stack_s_files(tmp_path: Path) -> None:
    other = dataclasses.replace(STACK, api_url="other")

    with announced(STACK, KEY, tmp_path):
        (tmp_path / STATE_FILE).write_text(json.dumps(dataclasses.asdict(other)), encoding="utf-8")

    assert read_state(tmp_path) == other


def test_the_files_of_a_killed_stack_can_be_removed(tmp_path: Path) -> None:
    for name in (STATE_FILE, KEY_FILE, "functions.log"):
        (tmp_path / name).write_text("{}", encoding="utf-8")

    forget(tmp_path)

    assert files(tmp_path) == ["functions.log"]
