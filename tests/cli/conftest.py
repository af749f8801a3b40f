from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import fake_api
from tests.support.command_line import CommandLine
from tests.support.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api.running() as running:
        yield running


@pytest.fixture
def shell(api: FakeApi, tmp_path: Path) -> CommandLine:
    """A shell with a token for the project acme, and without an embedded stack."""
    return CommandLine(
        {
            "PROJECT_SMTP_URL": api.url,
            "PROJECT_SMTP_TOKEN": "header.claims.signature",
            "PROJECT_SMTP_PROJECT": "acme",
            "LOCAL_DIR": str(tmp_path / "nowhere"),
        }
    )
