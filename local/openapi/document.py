"""The OpenAPI document: every route of the tables with its parameters, bodies and errors."""

import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import chain
from typing import Any

import msgspec
from mailer.api.body import Body
from mailer.api.problems import INTERNAL_ERROR, STATUS
from mailer.api.route import COMMON_ERRORS, ErrorShape, Route
from mailer.api.tables import project_config, send
from mailer.errors import MailerError
from mailer.smtp.outcome import RelayFault

from local.openapi.parameters import HEADERS, PARAMETERS, PATH
from local.openapi.schemas import Schema, describe_types
from local.template import Authorizer, Template

ROUTES: Mapping[str, Route[Any]] = {
    route.key: route for route in chain[Route[Any]](send.TABLE.every(), project_config.TABLE.every())
}


class GatewayError(Body, frozen=True, kw_only=True):
    """An error of the gateway itself."""

    message: str


_JSON = "application/json"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_GATEWAY_STATUSES = (
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE,
)  # fmt: skip
_BEARER, _DREAMFACTORY_KEY, _API_KEY = "bearer", "dreamFactoryKey", "apiKey"
_SECURITY: Mapping[str, Schema] = {
    _BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Claims: project_id (* for the operator), scope, and role if roles have limits.",
    },
    _DREAMFACTORY_KEY: {"type": "apiKey", "in": "header", "name": "X-DreamFactory-API-Key"},
    _API_KEY: {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
# Security schemes, by the headers that the authorizer in the template reads.
_SCHEMES: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("authorization",): (_BEARER,),
    ("x-dreamfactory-api-key",): (_DREAMFACTORY_KEY,),
    (): (_API_KEY, _BEARER),
}
_DESCRIPTION = (
    "Outbound e-mail for platforms with many tenants: each project sends through its own relay. Repeat a request only "
    "if its error says `retryable`. Fields that are not described are refused; null in a request means that the field "
    "is left out. docs/problems.md explains the codes of errors."
)


def describe(template: Template) -> dict[str, object]:
    """Return the description of the template's routes."""
    schemas, components = describe_types(list(_types()))
    paths: dict[str, dict[str, object]] = {}
    for template_route in template.routes:
        operation = _operation(ROUTES[template_route.key], template_route.authorizer, schemas)
        paths.setdefault(template_route.path, {})[template_route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Project SMTP", "version": "1", "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "schemas": components,
            "responses": {_error_name(*key): _error_response(*key, schemas) for key in sorted(_errors(), key=str)},
        },
    }


def render(template: Template) -> str:
    """Return the text of the document's file, with one line for each operation and each component."""
    return _lines(describe(template), depth=3) + "\n"


# An API caller never gets the other faults: they hold system e-mails.
_FAULTS = [fault.value for fault in RelayFault if fault.value in STATUS]


def codes(errors: Iterable[type[MailerError]]) -> list[str]:
    """Return the codes of these error classes; a class without a code has the codes of all relay faults."""
    named = ([error.code] if hasattr(error, "code") else _FAULTS for error in errors)
    return list(dict.fromkeys(chain.from_iterable(named)))


def _types() -> Iterator[object]:
    yield GatewayError
    for route in ROUTES.values():
        yield route.error_shape.body
        yield from route.answers.values()
        if route.request is not None:
            yield route.request


def _operation(route: Route[Any], authorizer: Authorizer | None, schemas: Mapping[int, Schema]) -> dict[str, object]:
    names = [*route.query, *route.headers]
    in_path = _PATH_PARAMETER.findall(route.key)
    operation: dict[str, object] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "description": f"Errors: {', '.join(codes(_route_errors(route)))}.",
        "security": _security(authorizer, route.scopes),
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": PATH[name]} for name in in_path),
            *({"$ref": f"#/components/parameters/{name}"} for name in names if name not in in_path),
        ],
        "responses": {str(int(status)): response for status, response in _responses(route, schemas)},
    }
    if route.request is not None:
        body = {"schema": schemas[id(route.request)]}
        operation["requestBody"] = {"required": not route.has_optional_body, "content": {_JSON: body}}
    return operation


def _security(authorizer: Authorizer | None, scopes: tuple[str, ...]) -> list[Schema]:
    names = _SCHEMES[authorizer.headers if authorizer is not None else ()]
    return [{name: [scope] if scope else []} for name in names for scope in scopes or ("",)]


def _responses(route: Route[Any], schemas: Mapping[int, Schema]) -> Iterator[tuple[int, Schema]]:
    for status, kind in route.answers.items():
        yield status, _response(status, {_JSON: {"schema": schemas[id(kind)]}}, route.answer_headers)
    for name, status in sorted(_route_statuses(route), key=lambda each: each[1]):
        yield status, {"$ref": f"#/components/responses/{_error_name(name, status)}"}


def _response(status: int, content: Schema, headers: Iterable[str]) -> Schema:
    named = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return {"description": HTTPStatus(status).phrase, **({"headers": named} if named else {}), "content": content}


def _route_errors(route: Route[Any]) -> tuple[type[MailerError], ...]:
    return (*COMMON_ERRORS, *route.errors)


def _route_statuses(route: Route[Any]) -> set[tuple[str, int]]:
    """Return the name of the body and the status of each of a route's errors, with the gateway's own errors."""
    shape = route.error_shape
    found = {status for code in (*codes(_route_errors(route)), INTERNAL_ERROR) for status in shape.statuses(code)}
    named = {(shape.body.__name__, int(status)) for status in found}
    return named | {(GatewayError.__name__, int(status)) for status in _GATEWAY_STATUSES if status not in found}


def _errors() -> set[tuple[str, int]]:
    return set().union(*map(_route_statuses, ROUTES.values()))


def _error_name(name: str, status: int) -> str:
    return f"{name}.{status}"


def _error_response(name: str, status: int, schemas: Mapping[int, Schema]) -> Schema:
    shapes: Mapping[str, ErrorShape] = {route.error_shape.body.__name__: route.error_shape for route in ROUTES.values()}
    kinds: dict[str, list[Schema]] = {}
    headers: tuple[str, ...] = ()
    if shape := shapes.get(name):
        headers = shape.headers
        kinds[shape.content_type] = [schemas[id(shape.body)]]
    if status in _GATEWAY_STATUSES:
        kinds.setdefault(_JSON, []).append(schemas[id(GatewayError)])
    content = {
        kind: {"schema": described[0] if len(described) == 1 else {"anyOf": described}}
        for kind, described in kinds.items()
    }
    return _response(status, content, headers)


def _lines(value: object, depth: int) -> str:
    """Encode JSON; down to this depth each member of an object is on its own line."""
    if not depth or not isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    members = (f"{msgspec.json.encode(name).decode()}:{_lines(member, depth - 1)}" for name, member in value.items())
    return "{\n" + ",\n".join(members) + "\n}"
