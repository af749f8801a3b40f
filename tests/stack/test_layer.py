"""The built layer without a container: only the folders that Lambda puts on the path."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ENVIRONMENT
from tests.support import sam_cli

LAYER = sam_cli.BUILT_TEMPLATE.parent / "MailerLayer" / "python"
FUNCTIONS = (
    "AuthorizeFunction",
    "DeliverFunction",
    "ProjectConfigFunction",
    "SendFunction",
    "SystemEmailFunction",
    "ValidateSecretsFunction",
)
UNCHECKED_HASH = 0b01

pytestmark = [
    pytest.mark.skipif(
        not sam_cli.SAM.exists(),
        reason="the layer was not looked at: SAM CLI is not installed here; `make build` does it",
    ),
]
runs_here = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the layer's binaries are for x86-64 Linux"
)


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    sam_cli.build()


def run_in_lambda(program: str, *paths: Path) -> str:
    """Run a program with only the standard library and these folders, and return its output."""
    start = f"import sys; sys.path += {[str(path) for path in paths]!r}; {program}"
    done = subprocess.run(  # noqa: S603 -- the test's own program
        [sys.executable, "-I", "-S", "-B", "-c", start],
        env={**ENVIRONMENT, "AWS_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@runs_here
def test_aws_clients_work_with_the_reduced_botocore() -> None:
    program = (
        "import json; from mailer.adapters.aws.session import aws_session; s = aws_session(); "
        "clients = (s.dynamodb(), s.events(), s.s3(), s.secrets_manager(), s.ses(), s.sqs()); "
        "print(json.dumps([client.meta.service_model.service_name for client in clients]))"
    )
    services = ["dynamodb", "events", "s3", "secretsmanager", "sesv2", "sqs"]
    assert json.loads(run_in_lambda(program, LAYER)) == services


@runs_here
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_starts_with_only_the_layer(function: str) -> None:
    program = "import app; print(callable(app.lambda_handler))"
    assert run_in_lambda(program, LAYER, LAYER.parents[1] / function).strip() == "True"


@runs_here
@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_loads_the_xray_sdk_or_boto3_at_its_start(function: str) -> None:
    assert loaded_at_start(function, "aws_xray_sdk", "boto3") == set()


@runs_here
def test_the_authorizer_loads_no_aws_client_at_its_start() -> None:
    assert loaded_at_start("AuthorizeFunction", "botocore.session") == set()


def loaded_at_start(function: str, *modules: str) -> set[str]:
    program = f"import app; print(*({set(modules)!r} & sys.modules.keys()))"
    return set(run_in_lambda(program, LAYER, LAYER.parents[1] / function).split())


def test_every_module_has_unchecked_byte_code() -> None:
    sources = [path for path in LAYER.rglob("*.py") if not path.is_relative_to(LAYER / "botocore" / "data")]
    compiled = [Path(importlib.util.cache_from_source(str(source))) for source in sources]
    assert {path.read_bytes()[4] for path in compiled} == {UNCHECKED_HASH}


def test_the_layer_holds_neither_tests_nor_programs() -> None:
    assert not [path for path in LAYER.rglob("*") if path.name in ("tests", "bin") and path.is_dir()]


def test_a_function_s_package_holds_only_its_app() -> None:
    shipped = {path.name for function in FUNCTIONS for path in (LAYER.parents[1] / function).iterdir()}
    assert shipped - {"__pycache__"} == {"app.py"}
