"""The route tables, the template's routes and the functions agree."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mailer.api import scopes
from mailer.api.route import RouteTable

from local.template import read_template
from tests.conftest import ENVIRONMENT

ROOT = Path(__file__).parents[1]
TEMPLATE = read_template(ROOT / "template.yaml")
TABLES = ("send", "project_config")
SCOPES = {scopes.SEND, scopes.READ, scopes.READ_CONFIGURATION, scopes.WRITE_CONFIGURATION}


def table(name: str) -> RouteTable[Any]:
    found: RouteTable[Any] = importlib.import_module(f"mailer.api.tables.{name}").TABLE
    return found


def folder(function: str) -> str:
    """Return the folder of the function with this logical id."""
    return Path(TEMPLATE.code[function]).name


def modules_after(statements: str) -> set[str]:
    """Return the modules that a new process has loaded after these statements."""
    code = f"import sys\n{statements}\nprint(*sys.modules)"
    finished = subprocess.run(  # noqa: S603 -- the arguments are this file's
        [sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return set(finished.stdout.split())


def test_every_function_with_routes_has_a_table() -> None:
    assert {folder(route.function) for route in TEMPLATE.routes} == set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_the_template_s_routes_of_its_function(name: str) -> None:
    led_to = [route.key for route in TEMPLATE.routes if folder(route.function) == name]

    assert sorted(route.key for route in table(name).every()) == sorted(led_to)


@pytest.mark.parametrize("name", TABLES)
def test_a_function_serves_its_own_table(name: str) -> None:
    imports = (ROOT / "functions" / name / "app.py").read_text("utf-8")

    assert [each for each in TABLES if f"from mailer.api.tables.{each} import TABLE" in imports] == [name]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_finds_each_of_its_routes_by_its_key(name: str) -> None:
    assert all(table(name).find(route.key) is route for route in table(name).every())


@pytest.mark.parametrize("name", TABLES)
def test_a_route_requires_known_scopes(name: str) -> None:
    asked = {scope for route in table(name).every() for scope in route.scopes}

    assert asked <= SCOPES


@pytest.mark.parametrize("name", TABLES)
def test_only_the_schemas_need_no_scope(name: str) -> None:
    without = [route.key for route in table(name).every() if not route.scopes]

    assert all(key.startswith("GET /v1/provider-schemas") for key in without)


@pytest.mark.parametrize("name", TABLES)
def test_a_function_starts_without_the_dialects(name: str) -> None:
    loaded = modules_after(f"import functions.{name}.app")

    assert f"mailer.api.tables.{name}" in loaded
    assert [module for module in loaded if module.startswith("mailer.api.dialects")] == []


@pytest.mark.parametrize(
    ("name", "key", "dialect"),
    [("send", "POST /send", "courier"), ("project_config", "GET /email-config", "messagepipe_config")],
)
def test_a_dialect_is_loaded_with_its_first_request(name: str, key: str, dialect: str) -> None:
    loaded = modules_after(f"from functions.{name}.app import TABLE\nTABLE.find({key!r})")

    assert f"mailer.api.dialects.{dialect}" in loaded


@pytest.mark.parametrize("name", TABLES)
def test_a_function_starts_without_a_router_and_without_x_ray(name: str) -> None:
    loaded = modules_after(f"import functions.{name}.app")

    assert not {"aws_lambda_powertools.event_handler", "aws_xray_sdk"} & loaded


def test_sending_starts_without_the_use_cases_of_configuration() -> None:
    loaded = modules_after("import functions.send.app")

    assert {module for module in loaded if module.startswith("mailer.service.configuring.")} == {
        "mailer.service.configuring.validation_report"
    }
