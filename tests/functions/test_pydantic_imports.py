"""pydantic is imported only where no caller waits for a cold start."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ENVIRONMENT

ROOT = Path(__file__).parents[2]
WITHOUT_PYDANTIC = ("authorize", "deliver", "project_config", "send", "validate_secrets")


def imports_pydantic(function: str) -> bool:
    program = f"import sys; import functions.{function}.app; print('pydantic' in sys.modules)"
    done = subprocess.run(  # noqa: S603 -- the test's own program
        [sys.executable, "-c", program], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1] == "True"


@pytest.mark.parametrize("function", WITHOUT_PYDANTIC)
def test_a_function_that_callers_wait_for_does_not_import_pydantic(function: str) -> None:
    assert not imports_pydantic(function)


def test_the_function_that_reads_lifecycle_events_imports_pydantic() -> None:
    assert imports_pydantic("system_email")


def test_every_function_is_in_one_of_the_two_groups() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}

    assert functions == {*WITHOUT_PYDANTIC, "system_email"}
