"""JSON Schema of the types of bodies."""

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, get_args

import msgspec

type Schema = Mapping[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_ANYTHING: Schema = {"description": "Any JSON value."}
_NULL: Schema = {"type": "null"}


def describe_types(types: Iterable[object]) -> tuple[dict[int, Schema], dict[str, Schema]]:
    """Return the schemas by the `id` of their type, and the components that the schemas refer to."""
    members = {id(member): member for kind in types for member in _members(kind)}
    schemas, components = msgspec.json.schema_components(
        members.values(), schema_hook=lambda _: dict(_ANYTHING), ref_template=_REFERENCE
    )
    described = dict(zip(members, map(_compact, schemas), strict=True))
    for kind in types:
        described.setdefault(id(kind), {"anyOf": [described[id(member)] for member in _members(kind)]})
    return described, {name: _compact(schema) for name, schema in sorted(components.items())}


def _members(kind: object) -> tuple[object, ...]:
    # msgspec cannot describe a union of several structs without tags.
    is_union_of_structs = isinstance(kind, UnionType) and all(isinstance(each, type) for each in get_args(kind))
    return get_args(kind) if is_union_of_structs else (kind,)


def _compact(schema: Schema) -> Schema:
    """Return a shorter schema with the same meaning, without titles and defaults.

    In an answer a member with a default is always present, so it is required. In a request the default of a member
    is null, which means that the member is left out.
    """
    if "$schema" in schema:
        return schema
    short = {name: value for name, value in schema.items() if name not in ("title", "default")}
    if "enum" in schema and "title" in schema:
        # The docstring of an enum is for developers.
        return {"type": "string", "enum": schema["enum"]}
    for name in ("items", "additionalProperties"):
        if isinstance(value := short.get(name), Mapping):
            short[name] = _compact(value)
    if short.get("additionalProperties") == _ANYTHING:
        del short["additionalProperties"]
    if isinstance(members := schema.get("properties"), Mapping):
        short["properties"] = {name: _compact(member) for name, member in members.items()}
        required = short.pop("required", ())
        always = [name for name, member in members.items() if name in required or member.get("default") is not None]
        short |= {"required": always} if always else {}
    if isinstance(options := short.pop("anyOf", None), list):
        short |= _union(list(_flat(map(_compact, options))))
    return short


def _flat(options: Iterable[Schema]) -> Iterator[Schema]:
    for option in options:
        nested = option.get("anyOf")
        yield from nested if isinstance(nested, list) and len(option) == 1 else (option,)


def _union(options: list[Schema]) -> Schema:
    if all(option.keys() == {"type"} for option in options):
        kinds = (kind for option in options for kind in _kinds(option))
        return {"type": list(dict.fromkeys(kinds))}
    rest = [option for option in options if option != _NULL]
    if len(rest) < len(options) and len(rest) == 1 and "type" in rest[0] and not {"enum", "const"} & rest[0].keys():
        return {**rest[0], "type": [*_kinds(rest[0]), "null"]}
    return {"anyOf": options}


def _kinds(schema: Schema) -> list[object]:
    kind = schema["type"]
    return kind if isinstance(kind, list) else [kind]
