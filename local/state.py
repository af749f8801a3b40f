"""The files of a running stack for other programs: `stack.json`, and the key that signs its tokens."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.project import RelayAccess
from local.token import SigningKey

STATE_FILE = "stack.json"
KEY_FILE = "signing-key.json"
FUNCTION_LOG = "functions.log"
STACK_LOG = "stack.log"


@dataclasses.dataclass(frozen=True, slots=True)
class Stack:
    """A running stack, as `stack.json` describes it."""

    api_url: str
    aws_endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str
    event_bus: str
    project_secret_prefix: str
    inbox_url: str
    relay: RelayAccess
    tokens: Mapping[str, str]


def read_state(directory: Path) -> Stack:
    """Return the stack that runs with this folder; raises `FileNotFoundError` if no stack runs."""
    state = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
    return Stack(**(state | {"relay": RelayAccess(**state["relay"])}))


def load_signing_key(directory: Path) -> SigningKey:
    """Return the key of the stack that runs with this folder; raises `FileNotFoundError` if no stack runs."""
    return SigningKey(**json.loads((directory / KEY_FILE).read_text(encoding="utf-8")))


def forget(directory: Path) -> None:
    """Remove the files of a killed stack, because a program that waits for the next stack must not read them."""
    for name in (STATE_FILE, KEY_FILE):
        (directory / name).unlink(missing_ok=True)


@contextlib.contextmanager
def announced(stack: Stack, signing_key: SigningKey, directory: Path) -> Iterator[None]:
    """Write both files, the state last, and remove them when the block ends."""
    with (
        _written(directory / KEY_FILE, dataclasses.asdict(signing_key)),
        _written(directory / STATE_FILE, dataclasses.asdict(stack)),
    ):
        yield


@contextlib.contextmanager
def _written(path: Path, content: Mapping[str, object]) -> Iterator[None]:
    text = json.dumps(content, indent=2) + "\n"
    # Readers must never see an incomplete file, and other users must not read it.
    unfinished = path.with_suffix(".tmp")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
    try:
        yield
    finally:
        # If the text differs, another stack with the same folder has written its own file.
        if path.exists() and path.read_text(encoding="utf-8") == text:
            path.unlink()
