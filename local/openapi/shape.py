"""JSON Schema, written shortly: what OpenAPI 3.1 describes values by."""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum

type Schema = Mapping[str, object]


def ref(name: str) -> Schema:
    """Refer to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def closed(
    fields: Collection[str], properties: Mapping[str, Schema], *, required: Collection[str] = (), description: str = ""
) -> Schema:
    """Describe an object of these fields and no others; raises `ValueError` where the properties are other ones."""
    if set(fields) != set(properties):
        msg = f"described and read differ in {sorted(set(fields) ^ set(properties))}"
        raise ValueError(msg)
    return _described(
        {
            "type": "object",
            "properties": {name: properties[name] for name in fields},
            **({"required": list(required)} if required else {}),
            "additionalProperties": False,
        },
        description,
    )


def shown(properties: Mapping[str, Schema], *, optional: Collection[str] = (), description: str = "") -> Schema:
    """Describe an object of an answer: every property is there but the optional ones, and nothing else is."""
    required = [name for name in properties if name not in optional]
    return closed(tuple(properties), properties, required=required, description=description)


def text(
    description: str = "",
    *,
    maximum: int | None = None,
    pattern: re.Pattern[str] | None = None,
    minimum: int | None = None,
    form: str | None = None,
) -> Schema:
    """Describe a string."""
    schema: dict[str, object] = {"type": "string"}
    if form is not None:
        schema["format"] = form
    if minimum is not None:
        schema["minLength"] = minimum
    if maximum is not None:
        schema["maxLength"] = maximum
    if pattern is not None:
        schema["pattern"] = pattern_of(pattern)
    return _described(schema, description)


def pattern_of(pattern: re.Pattern[str]) -> str:
    """Return a pattern that the code matches from the start, as one of JSON Schema, which searches."""
    return "^" + pattern.pattern.removesuffix(r"\Z") + "$"


def choice(values: type[StrEnum] | Collection[str], description: str = "") -> Schema:
    """Describe one of several words."""
    return _described({"type": "string", "enum": [str(value) for value in values]}, description)


def whole(description: str = "", *, minimum: int | None = 0, maximum: int | None = None) -> Schema:
    """Describe a whole number."""
    schema: dict[str, object] = {"type": "integer"}
    if minimum is not None:
        schema["minimum"] = minimum
    if maximum is not None:
        schema["maximum"] = maximum
    return _described(schema, description)


def flag(description: str = "") -> Schema:
    """Describe true or false."""
    return _described({"type": "boolean"}, description)


def several(item: Schema, description: str = "", *, minimum: int | None = None, maximum: int | None = None) -> Schema:
    """Describe a list."""
    schema: dict[str, object] = {"type": "array", "items": item}
    if minimum is not None:
        schema["minItems"] = minimum
    if maximum is not None:
        schema["maxItems"] = maximum
    return _described(schema, description)


def one_or_several(item: Schema, description: str = "", *, maximum: int, minimum: int = 0) -> Schema:
    """Describe a value or a list of them."""
    return _described({"anyOf": [item, several(item, minimum=minimum, maximum=maximum)]}, description)


def nullable(schema: Schema) -> Schema:
    """Describe what may be null as well."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def taken(fields: Collection[str], properties: Mapping[str, Schema], *, required: Collection[str] = ()) -> Schema:
    """Describe an object of a request, where null is as good as absent in what is not required."""
    written = {name: schema if name in required else nullable(schema) for name, schema in properties.items()}
    return closed(fields, written, required=required)


def a_time(description: str = "") -> Schema:
    """Describe a time."""
    return text(description, form="date-time")


def free_object(description: str) -> Schema:
    """Describe an object whose members are somebody else's to judge."""
    return {"type": "object", "description": description}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else schema
