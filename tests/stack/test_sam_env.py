"""The environment file for `sam local`: each function has its own section."""

import json
from collections.abc import Iterator, Mapping

import pytest

from local.option import ROOT
from local.sam_local import ENVIRONMENT_FILE
from local.template import mapping, read_template
from tests.support import embedded
from tests.support.embedded import Running

FUNCTIONS = set(read_template(ROOT / "template.yaml").code)


@pytest.fixture(scope="module")
def environments(embedded_stack: Running) -> Iterator[Mapping[str, Mapping[str, str]]]:
    variables = embedded.environment(embedded_stack.directory)
    written = embedded.run_command("sam-env", variables=variables)
    path = embedded_stack.directory / ENVIRONMENT_FILE
    assert (written.returncode, written.stderr) == (0, "")
    yield json.loads(path.read_text(encoding="utf-8"))
    # Other tests check the files that a stack leaves behind.
    path.unlink()


def declared(function: str) -> set[str]:
    """Return the variables that the template gives a function, its own and the global ones."""
    document = read_template(ROOT / "template.yaml").document
    global_ones = mapping(mapping(mapping(document["Globals"])["Function"])["Environment"])["Variables"]
    properties = mapping(mapping(mapping(document["Resources"])[function])["Properties"])
    own = mapping(properties.get("Environment", {"Variables": {}}))["Variables"]
    return {*mapping(global_ones), *mapping(own)}


def test_every_function_has_a_section(environments: Mapping[str, object]) -> None:
    assert set(environments) == FUNCTIONS


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_gets_the_template_s_variables(environments: Mapping[str, Mapping[str, str]], function: str) -> None:
    # SAM overrides only variables that the template declares.
    assert set(environments[function]) == declared(function)


def test_the_resources_are_the_stack_s(environments: Mapping[str, Mapping[str, str]]) -> None:
    deliver = environments["DeliverFunction"]

    assert "LedgerTable" in deliver["LEDGER_TABLE"]
    assert "DeliveryQueue" in deliver["DELIVERY_QUEUE_URL"]
    assert "LEDGER_TABLE" not in environments["AuthorizeFunction"]


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_the_stack_is_reached_from_a_container(environments: Mapping[str, Mapping[str, str]], function: str) -> None:
    variables = environments[function]

    assert variables["AWS_ENDPOINT_URL"].startswith("http://host.docker.internal:")
    assert variables["PROJECT_SECRET_PREFIX"] == "project-smtp-sam-local/"
