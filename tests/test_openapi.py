"""docs/openapi.json is current and valid, and describes every route, every member of a body and every error."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from mailer.api.body import Always, Body, field_names
from mailer.api.emails.override import TransportBody
from mailer.api.problems import INTERNAL_ERROR, STATUS
from mailer.secret.override import MEMBERS
from msgspec import UNSET, Meta, UnsetType
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.openapi.document import ROUTES, codes, render
from local.openapi.schemas import describe_types
from local.template import read_template
from tests.support.described import DOCUMENT, contents, demand_valid, keys, operation, request_example

ROOT = Path(__file__).parents[1]
TEMPLATE = read_template(ROOT / "template.yaml")
SCHEMAS = DOCUMENT["components"]["schemas"]


def bodies(kind: type[Body] = Body) -> Iterator[type[Body]]:
    """Every type of a body."""
    for body in kind.__subclasses__():
        yield body
        yield from bodies(body)


def nested(value: object) -> Iterator[Mapping[str, Any]]:
    """Every object within a value."""
    if isinstance(value, dict):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nested(member)


class Example(Body, frozen=True, kw_only=True):
    """An example."""

    name: Annotated[str, Meta(max_length=3)] | None = None
    given: str | UnsetType = UNSET
    fixed: Always = True
    parts: tuple["Example", ...]


def test_the_file_agrees_with_the_generator() -> None:
    assert (ROOT / "docs/openapi.json").read_text("utf-8") == render(TEMPLATE), "run `make openapi`"


def test_it_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_route_of_the_template_is_described_and_no_other() -> None:
    assert set(keys()) == {route.key for route in TEMPLATE.routes}


def test_every_operation_has_an_id_of_its_own() -> None:
    assert len({route.name for route in ROUTES.values()}) == len(ROUTES)


@pytest.mark.parametrize("key", ROUTES)
def test_an_operation_has_the_parameters_of_its_route(key: str) -> None:
    parameters = DOCUMENT["components"]["parameters"]
    found = operation(key)["parameters"]
    assert isinstance(found, list)
    named = {parameters[each["$ref"].rpartition("/")[2]]["name"] if "$ref" in each else each["name"] for each in found}

    assert named >= {*ROUTES[key].query, *ROUTES[key].headers}


def test_the_test_message_may_have_an_idempotency_key() -> None:
    found = operation("POST /v1/projects/{projectId}/email-config/test")["parameters"]

    assert isinstance(found, list)
    assert {"$ref": "#/components/parameters/Idempotency-Key"} in found


@pytest.mark.parametrize("body", {body.__name__: body for body in bodies() if body.__module__ != __name__}.values())
def test_every_member_of_a_body_is_described(body: type[Body]) -> None:
    if body.__name__ in SCHEMAS:
        assert tuple(SCHEMAS[body.__name__]["properties"]) == field_names(body)
    else:
        assert body.__subclasses__(), f"{body.__name__} is in no route"


@pytest.mark.parametrize("key", ROUTES)
def test_a_route_describes_its_answers_and_the_statuses_of_its_errors(key: str) -> None:
    route = ROUTES[key]
    statuses = {int(status) for code in codes(route.errors) for status in route.error_shape.statuses(code)}

    assert route.answers
    assert {content.status for content in contents(key)} >= {str(int(each)) for each in {*route.answers, *statuses}}


def test_every_error_belongs_to_a_route() -> None:
    described = SCHEMAS["ProblemDocument"]["properties"]["code"]["enum"]

    assert described == [*STATUS, INTERNAL_ERROR]
    named = {code for key in keys() for code in str(operation(key)["description"])[8:-1].split(", ")}
    assert named == {*STATUS}


@pytest.mark.parametrize("key", [key for key in keys() if "requestBody" in operation(key)])
def test_the_example_of_a_request_is_valid(key: str) -> None:
    body = operation(key)["requestBody"]
    assert isinstance(body, dict)

    demand_valid(request_example(key), body["content"]["application/json"]["schema"])


def test_every_example_is_valid() -> None:
    for schema in nested({**SCHEMAS}):
        for example in schema.get("examples", []) if isinstance(schema.get("examples"), list) else []:
            demand_valid(example, schema)


def test_a_transport_of_a_request_has_the_members_that_the_secret_knows() -> None:
    assert field_names(TransportBody) == tuple(MEMBERS)


def test_a_member_with_a_default_is_required_of_an_answer_and_null_is_optional() -> None:
    [schema] = describe_types([Example])[1].values()

    assert schema["required"] == ["fixed", "parts"]
    assert schema["properties"]["name"] == {"type": ["string", "null"], "maxLength": 3}


def test_a_body_matches_its_schema() -> None:
    described, components = describe_types([Example])
    schema = {**described[id(Example)], "components": {"schemas": components}}
    example = Example(given="x", parts=(Example(parts=()),))

    Draft202012Validator(schema).validate(msgspec.json.decode(msgspec.json.encode(example)))
