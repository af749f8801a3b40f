"""The document: every route of the template with its operation, and the parts that these share."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus

import msgspec
from mailer.api.exchange import Answer
from mailer.api.problems import PROBLEM_JSON

from local.openapi import answered, asked, dialect_operations, dialects, operations
from local.openapi.examples import EXAMPLES
from local.openapi.operations import EVERYWHERE, Operation
from local.openapi.parameters import HEADERS, IN_PATHS, PARAMETERS
from local.openapi.problems import OURS, Refusal
from local.openapi.shape import Schema, ref
from local.template import Authorizer, Route, Template

JSON = "application/json"
OPERATIONS: Mapping[str, Operation] = {**operations.OPERATIONS, **dialect_operations.OPERATIONS}
SCHEMAS: Mapping[str, Schema] = {**asked.SCHEMAS, **answered.SCHEMAS, **dialects.ASKED, **dialects.ANSWERS}

_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
# What the gateway says by itself, whatever the route.
_GATEWAY = (
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE,
)  # fmt: skip
_BEARER, _DREAMFACTORY_KEY, _API_KEY = "bearer", "dreamFactoryKey", "apiKey"
_SECURITY: Mapping[str, Schema] = {
    _BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Claims: project_id (* for the operator), scope, and role where roles have limits.",
    },
    _DREAMFACTORY_KEY: {"type": "apiKey", "in": "header", "name": "X-DreamFactory-API-Key"},
    _API_KEY: {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
# By the headers that the gateway asks the authorizer about; where it names none, the authorizer looks for either.
_SCHEMES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("authorization",): (_BEARER,),
    ("x-dreamfactory-api-key",): (_DREAMFACTORY_KEY,),
}
_DESCRIPTION = (
    "Outbound e-mail for platforms with many tenants: each project by its own relay, or not at all. "
    "A 4xx is not repeated as it is; a 503 may be, and neither has sent anything. Fields that are not described are "
    "refused with a pointer; null in a request means absent."
)


def describe(template: Template) -> dict[str, object]:
    """Return the description of the template's routes; raises `ValueError` where they are others than the described."""
    keys = {route.key for route in template.routes}
    if keys != set(OPERATIONS):
        msg = f"routed and described differ in {sorted(keys ^ set(OPERATIONS))}"
        raise ValueError(msg)
    errors = _Errors()
    paths: dict[str, dict[str, object]] = {}
    for route in template.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, OPERATIONS[route.key], errors)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Project SMTP", "version": "1", "description": _DESCRIPTION},
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in OPERATIONS.values())],
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "schemas": SCHEMAS,
            "responses": errors.responses,
            "examples": {name: {"value": value} for name, value in _shared_examples()},
        },
    }


def render(template: Template) -> str:
    """Return the document as the file holds it."""
    return msgspec.json.format(msgspec.json.encode(describe(template)), indent=2).decode() + "\n"


def _operation(route: Route, operation: Operation, errors: "_Errors") -> dict[str, object]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": IN_PATHS[name]}
        for name in _PATH_PARAMETER.findall(route.path)
    ]
    described: dict[str, object] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": _security(route.authorizer, operation.scopes),
        "parameters": [*in_path, *({"$ref": f"#/components/parameters/{name}"} for name in operation.parameters)],
        "responses": _responses(operation, errors),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.is_body_optional,
            "content": {JSON: {"schema": ref(operation.body), "example": EXAMPLES[operation.body]}},
        }
    return described


def _security(authorizer: Authorizer | None, scopes: tuple[str, ...]) -> list[Schema]:
    headers = authorizer.headers if authorizer is not None else ()
    names = _SCHEMES.get(headers, (_API_KEY, _BEARER))
    return [{name: [scope] if scope else []} for name in names for scope in scopes or ("",)]


def _responses(operation: Operation, errors: "_Errors") -> dict[str, object]:
    contents: dict[int, dict[str, dict[str, dict[str, object]]]] = {}
    for status, names in operation.answers.items():
        contents.setdefault(status, {})[JSON] = {name: {name: {"value": EXAMPLES[name]}} for name in names}
    for code, given in operation.refusal.answers((*EVERYWHERE, *operation.codes)):
        kinds = contents.setdefault(given.status, {}).setdefault(given.content_type, {})
        kinds.setdefault(operation.refusal.schema, {})[code] = _shared(operation.refusal, code, given)
    for status in _GATEWAY:
        contents.setdefault(status, {}).setdefault(JSON, {})["GatewayError"] = {}
    # A path that only the function finds to be none, whichever route it came by.
    missed = contents.setdefault(HTTPStatus.NOT_FOUND, {}).setdefault(PROBLEM_JSON, {}).setdefault(OURS.schema, {})
    missed["not-found"] = {"$ref": f"#/components/examples/{OURS.schema}.not-found.404"}
    described: dict[str, object] = {}
    for status, content in sorted(contents.items()):
        response: Schema = {
            "description": HTTPStatus(status).phrase,
            **_headers(status, operation),
            "content": {kind: _content(schemas) for kind, schemas in content.items()},
        }
        is_error = status >= HTTPStatus.BAD_REQUEST
        described[str(int(status))] = errors.share(operation.refusal, status, response) if is_error else response
    return described


class _Errors:
    """The answers that are errors: the same ones are described once."""

    def __init__(self) -> None:
        self.responses: dict[str, Schema] = {}

    def share(self, refusal: Refusal, status: int, response: Schema) -> Schema:
        """Keep a response under a name, and return a reference to it."""
        name = base = f"{refusal.schema}.{int(status)}"
        number = 1
        while self.responses.setdefault(name, response) != response:
            number += 1
            name = f"{base}.{number}"
        return {"$ref": f"#/components/responses/{name}"}


def _content(schemas: Mapping[str, Mapping[str, object]]) -> Schema:
    examples = {name: example for named in schemas.values() for name, example in named.items()}
    refs = [ref(name) for name in schemas]
    schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
    return {"schema": schema, "examples": examples} if examples else {"schema": schema}


def _headers(status: int, operation: Operation) -> Schema:
    if status < HTTPStatus.BAD_REQUEST:
        names: Iterable[str] = operation.headers
    else:
        names = ("Retry-After", *(("X-Should-Retry",) if operation.refusal.schema == "CourierError" else ()))
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": headers} if headers else {}


def _shared(refusal: Refusal, code: str, given: Answer) -> Schema:
    return {"$ref": f"#/components/examples/{_example_name(refusal, code, given)}"}


def _example_name(refusal: Refusal, code: str, given: Answer) -> str:
    return f"{refusal.schema}.{code}.{given.status}"


def _shared_examples() -> Iterator[tuple[str, object]]:
    for refusal in dict.fromkeys(operation.refusal for operation in OPERATIONS.values()):
        for code, given in refusal.answers(answered.ERROR_CODES):
            yield _example_name(refusal, code, given), json.loads(given.body)
