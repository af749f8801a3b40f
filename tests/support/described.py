"""Reads docs/openapi.json for tests: its operations, its examples, and the answers that it describes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from local.client import Answer

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text("utf-8"))
_COMPONENTS = DOCUMENT["components"]


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that the document describes: for one route, one status and one media type."""

    key: str
    status: str
    media_type: str
    content: Mapping[str, object]


def operation(key: str) -> Mapping[str, object]:
    """Return the operation of a route, by its method and path."""
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
    """Return an example of a route's request; None if it has no body."""
    body = operation(key).get("requestBody")
    return _example(body["content"]["application/json"]["schema"]) if isinstance(body, dict) else None


def _example(schema: Mapping[str, Any]) -> object:
    """Return a value made of the examples in a schema, with all members that have an example or are required."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return _example(_COMPONENTS["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return _example(schema["anyOf"][0])
    if "items" in schema:
        return [_example(schema["items"])]
    members = schema.get("properties", {}).items()
    required = schema.get("required", ())
    return {name: _example(member) for name, member in members if name in required or "examples" in member}


def demand_valid(value: object, schema: object) -> None:
    """Fail if a value does not match a schema of the document."""
    assert isinstance(schema, dict)
    Draft202012Validator({**schema, "components": _COMPONENTS}).validate(value)


def demand_described(key: str, answer: Answer) -> None:
    """Fail if the document does not describe an answer of a route."""
    media_type = answer.headers["content-type"].partition(";")[0]
    for content in contents(key):
        if (content.status, content.media_type) == (str(answer.status), media_type):
            return demand_valid(answer.body, content.content["schema"])
    msg = f"{key} answers {answer.status} {media_type}, which the document does not describe: {answer.body}"
    raise AssertionError(msg)
