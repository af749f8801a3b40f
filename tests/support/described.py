"""Reads docs/openapi.json for tests: its operations, and whether an answer matches the description."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jsonschema import Draft202012Validator

from local.client import Answer

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text("utf-8"))
_COMPONENTS = DOCUMENT["components"]


@dataclass(frozen=True, slots=True)
class Content:
    """The described answer of a route for one status and media type."""

    key: str
    status: str
    media_type: str
    content: Mapping[str, object]


def operation(key: str) -> Mapping[str, object]:
    """Return the description of a route, by its method and path."""
    method, _, path = key.partition(" ")
    found = DOCUMENT["paths"][path][method.lower()]
    assert isinstance(found, dict)
    return found


def keys() -> list[str]:
    """Return every route."""
    return [f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item]


def contents(key: str) -> Iterator[Content]:
    """Yield every answer of a route."""
    responses = operation(key)["responses"]
    assert isinstance(responses, dict)
    for status, response in responses.items():
        resolved = _COMPONENTS["responses"].get(response.get("$ref", "").rpartition("/")[2], response)
        for media_type, content in resolved["content"].items():
            yield Content(key, status, media_type, content)


def request_example(key: str) -> object:
    """Return the example of a route's request, or None where it has no body."""
    body = operation(key).get("requestBody")
    return body["content"]["application/json"]["example"] if isinstance(body, dict) else None


def examples(content: Mapping[str, object]) -> Iterator[object]:
    """Yield the examples of a content."""
    if "example" in content:
        yield content["example"]
    named = content.get("examples", {})
    assert isinstance(named, dict)
    for example in named.values():
        name = example.get("$ref", "").removeprefix("#/components/examples/")
        yield (_COMPONENTS["examples"][name] if name else example)["value"]


def demand_valid(value: object, schema: object) -> None:
    """Fail unless a value matches a schema of the document."""
    assert isinstance(schema, dict)
    Draft202012Validator({**schema, "components": _COMPONENTS}).validate(value)


def demand_described(key: str, answer: Answer) -> None:
    """Fail unless an answer matches the description of its route."""
    media_type = answer.headers["content-type"].partition(";")[0]
    for content in contents(key):
        if (content.status, content.media_type) == (str(answer.status), media_type):
            return demand_valid(answer.body, content.content["schema"])
    msg = f"{key} answers {answer.status} {media_type}, which is not described: {answer.body}"
    raise AssertionError(msg)
