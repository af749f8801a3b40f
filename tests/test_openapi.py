"""docs/openapi.json is what the generator writes, and describes every route, example and problem as it is."""

import re
from pathlib import Path

import pytest
from mailer.api.problems import STATUS
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.openapi.document import OPERATIONS, describe, render
from local.openapi.shape import closed
from local.template import read_template
from tests.support.described import DOCUMENT, contents, demand_valid, examples, keys, operation

ROOT = Path(__file__).parents[1]
TEMPLATE = read_template(ROOT / "template.yaml")
EVERY_CONTENT = [content for key in keys() for content in contents(key)]


def test_the_file_is_what_the_generator_writes() -> None:
    assert (ROOT / "docs/openapi.json").read_text("utf-8") == render(TEMPLATE), "run `make openapi`"


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_of_the_template_is_described_and_no_other() -> None:
    assert set(keys()) == {route.key for route in TEMPLATE.routes}


def test_a_route_without_a_description_is_an_error() -> None:
    shortened = type(TEMPLATE)(TEMPLATE.document, TEMPLATE.parameters, TEMPLATE.code, TEMPLATE.routes[1:])

    with pytest.raises(ValueError, match=re.escape(TEMPLATE.routes[0].key)):
        describe(shortened)


def test_a_field_that_is_described_and_not_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="colour"):
        closed(("subject",), {"subject": {}, "colour": {}})


def test_every_operation_has_an_id_of_its_own() -> None:
    assert len({operation.id for operation in OPERATIONS.values()}) == len(OPERATIONS)


def test_every_problem_is_described_with_its_status() -> None:
    shown = DOCUMENT["components"]["examples"]
    statuses = {code: shown[f"Problem.{code}.{int(status)}"]["value"]["status"] for code, status in STATUS.items()}

    assert statuses == {code: int(status) for code, status in STATUS.items()}
    assert DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == [*STATUS, "internal-error"]


def test_every_problem_is_an_answer_of_some_route() -> None:
    answered = {
        name.split(".")[1]
        for content in EVERY_CONTENT
        if isinstance(named := content.content.get("examples", {}), dict)
        for example in named.values()
        if (name := example.get("$ref", "").removeprefix("#/components/examples/")).startswith("Problem.")
    }

    assert answered == {*STATUS, "internal-error"}


@pytest.mark.parametrize("key", OPERATIONS)
def test_every_example_is_as_it_is_described(key: str) -> None:
    body = operation(key).get("requestBody", {})
    assert isinstance(body, dict)

    for content in (*body.get("content", {}).values(), *(each.content for each in contents(key))):
        for example in examples(content):
            demand_valid(example, content["schema"])


def test_every_answer_of_a_route_that_worked_has_an_example() -> None:
    assert not [each for each in EVERY_CONTENT if each.status < "300" and not [*examples(each.content)]]
