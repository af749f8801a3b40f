"""docs/openapi.json is what the generator writes, and describes every route, example and problem as it is."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from mailer.api.problems import STATUS
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.openapi.document import OPERATIONS, describe, render
from local.openapi.shape import closed
from local.template import read_template

ROOT = Path(__file__).parents[1]
TEMPLATE = read_template(ROOT / "template.yaml")
DOCUMENT = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
SHARED = DOCUMENT["components"]["responses"]
RESPONSES = [
    (f"{method.upper()} {path}", status, kind, content)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    for status, response in operation["responses"].items()
    for kind, content in SHARED.get(response.get("$ref", "").rpartition("/")[2], response)["content"].items()
]


def examples(content: Mapping[str, object]) -> Iterator[object]:
    if "example" in content:
        yield content["example"]
    named = content.get("examples", {})
    assert isinstance(named, dict)
    for example in named.values():
        name = example.get("$ref", "").removeprefix("#/components/examples/")
        yield (DOCUMENT["components"]["examples"][name] if name else example)["value"]


def demand_valid(example: object, schema: Mapping[str, object]) -> None:
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(example)


def test_the_file_is_what_the_generator_writes() -> None:
    assert (ROOT / "docs/openapi.json").read_text("utf-8") == render(TEMPLATE), "run `make openapi`"


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_of_the_template_is_described_and_no_other() -> None:
    described = {f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item}

    assert described == {route.key for route in TEMPLATE.routes}


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
        for _, _, _, content in RESPONSES
        for example in content.get("examples", {}).values()
        if (name := example.get("$ref", "").removeprefix("#/components/examples/")).startswith("Problem.")
    }

    assert answered == {*STATUS, "internal-error"}


@pytest.mark.parametrize("key", OPERATIONS)
def test_every_example_is_as_it_is_described(key: str) -> None:
    method, _, path = key.partition(" ")
    operation = DOCUMENT["paths"][path][method.lower()]
    contents = [*operation.get("requestBody", {}).get("content", {}).values()]
    contents += [content for of, _, _, content in RESPONSES if of == key]

    for content in contents:
        for example in examples(content):
            demand_valid(example, content["schema"])


def test_every_answer_of_a_route_that_worked_has_an_example() -> None:
    assert not [(key, status) for key, status, _, content in RESPONSES if status < "300" and not [*examples(content)]]
