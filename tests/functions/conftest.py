"""Lambda's arguments for handlers, and a logger whose lines a test can read."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools import Logger

EVENTS = Path(__file__).parents[2] / "events"


def load_event(name: str) -> dict[str, Any]:
    """Return an example event of the folder `events/`."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


@dataclass
class Context:
    """The parts of Lambda's context that the functions use."""

    remaining_seconds: float = 29.0
    function_name: str = "function"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    aws_request_id: str = "11111111-2222-3333-4444-555555555555"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining_seconds * 1000)


@dataclass
class Lines:
    """The log lines of a function."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def log(lines: Lines, request: pytest.FixtureRequest) -> Iterator[Logger]:
    # Loggers are global by name, so each test has its own name and removes its handlers.
    name = request.node.nodeid
    logger = Logger(service=name, stream=lines.stream)
    yield logger
    for handler in list(logging.getLogger(name).handlers):
        logging.getLogger(name).removeHandler(handler)
