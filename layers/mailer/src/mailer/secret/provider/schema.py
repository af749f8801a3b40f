"""JSON Schema (2020-12) of each provider kind's configuration."""

from collections.abc import Mapping
from typing import Final, assert_never

from mailer.relay.policy import RelayPolicy
from mailer.secret.provider.kind import Form, Kind, Member
from mailer.secret.provider.registry import KINDS

type Schema = dict[str, object]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BOUNDS = RelayPolicy()


def _schema(kind: Kind) -> Schema:
    return {"$schema": _DIALECT, "title": kind.title, **_object(kind.members)}


def _object(members: tuple[Member, ...]) -> Schema:
    properties: dict[str, object] = {}
    groups: dict[str, list[Member]] = {}
    for member in members:
        parent, separator, _ = member.name.partition(".")
        if separator:
            groups.setdefault(parent, []).append(member)
        else:
            properties[member.name] = _leaf(member)
    for parent, group in groups.items():
        inner = {member.name.partition(".")[2]: _leaf(member) for member in group}
        needed = [member.name.partition(".")[2] for member in group if member.is_required]
        properties[parent] = {"type": "object", "properties": inner, "required": needed, "additionalProperties": False}
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [member.name for member in members if member.is_required and "." not in member.name],
        "additionalProperties": False,
    }
    if {"region", "baseUrl"} <= properties.keys():
        schema["not"] = {"required": ["region", "baseUrl"]}
    return schema


def _leaf(member: Member) -> Schema:
    schema: Schema = {"description": member.description}
    match member.form:
        case Form.BOOLEAN:
            schema["type"] = "boolean"
        case Form.TRUE:
            schema |= {"type": "boolean", "const": True}
        case Form.PORT:
            schema |= {"type": "integer", "minimum": 1, "maximum": 65535}
        case Form.MILLISECONDS:
            low, high = _BOUNDS.minimum_timeout, _BOUNDS.maximum_timeout
            schema |= {"type": "integer", "minimum": round(low * 1000), "maximum": round(high * 1000)}
        case Form.TEXT | Form.CREDENTIAL | Form.PEM:
            schema |= {"type": "string", "minLength": 1}
        case unreachable:
            assert_never(unreachable)
    if member.choices:
        schema["enum"] = list(member.choices)
    if member.pattern is not None:
        schema["pattern"] = f"^{member.pattern}$"
    if member.default is not None:
        schema["default"] = member.default
    if member.is_secret:
        schema["writeOnly"] = True
    return schema


PROVIDER_SCHEMAS: Final[Mapping[str, Schema]] = {
    kind.value: _schema(description) for kind, description in KINDS.items()
}
