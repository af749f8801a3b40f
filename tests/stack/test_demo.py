"""The demo checks its own claims, so it must be able to fail."""

from pathlib import Path

import pytest

from local.demo.report import Demo
from local.project import RelayAccess
from local.state import Stack
from tests.support import embedded

STACK = Stack(
    api_url="http://127.0.0.1:1",
    aws_endpoint_url="http://127.0.0.1:1",
    region="us-east-1",
    access_key_id="key",
    secret_access_key="secret",
    event_bus="bus",
    project_secret_prefix="project-smtp/",
    inbox_url="http://127.0.0.1:1",
    relay=RelayAccess("localhost", 1, 2, "user", "password", "pem"),
    tokens={},
)


def test_every_claim_of_the_demo_is_true(tmp_path: Path) -> None:
    ended = embedded.run_command("demo", variables=embedded.environment(tmp_path))

    assert ended.returncode == 0, ended.stdout
    assert ended.stderr == ""
    assert "claims were true" in ended.stdout.splitlines()[-1]


def test_one_untrue_claim_fails_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    demo = Demo(STACK)

    demo.check("water is wet", is_true=True)
    demo.check("pigs fly", is_true=False)

    assert demo.finish(1.0) == 1
    assert "NOT TRUE pigs fly" in capsys.readouterr().out


def test_a_demo_of_true_claims_succeeds() -> None:
    demo = Demo(STACK)

    demo.check("water is wet", is_true=True)

    assert demo.finish(1.0) == 0
