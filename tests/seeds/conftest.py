import logging
from collections.abc import Callable, Iterator

import pytest
from aws_lambda_powertools import Logger

from tests.functions.conftest import Lines
from tests.support.projects import entries
from tests.support.seed_stage import SeedStage


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def log(lines: Lines, request: pytest.FixtureRequest) -> Iterator[Logger]:
    name = request.node.nodeid
    logger = Logger(service=name, stream=lines.stream)
    yield logger
    for handler in list(logging.getLogger(name).handlers):
        logging.getLogger(name).removeHandler(handler)


@pytest.fixture
def stage(log: Logger) -> SeedStage:
    """A project with a relay."""
    return SeedStage(log)


@pytest.fixture
def make(log: Logger) -> Callable[..., SeedStage]:
    """Return a function that makes a project with other entries or settings."""

    def made(text: str | None = "", /, **environment: str) -> SeedStage:
        return SeedStage(log, entries() if text == "" else text, environment)

    return made
