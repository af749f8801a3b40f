"""JSON Schema (2020-12) of each provider kind's configuration."""

from collections.abc import Mapping
from typing import Final

from mailer.secret.provider.kind import Member
from mailer.secret.provider.registry import KINDS, nest

type Schema = dict[str, object]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _schema(part: object) -> Schema:
    """Return the schema of a member, or of an object of members."""
    if isinstance(part, Member):
        return _leaf(part)
    members = part if isinstance(part, dict) else {}
    schema: Schema = {
        "type": "object",
        "properties": {name: _schema(member) for name, member in members.items()},
        "required": [name for name, member in members.items() if isinstance(member, Member) and member.is_required],
        "additionalProperties": False,
    }
    if {"region", "baseUrl"} <= members.keys():
        schema["not"] = {"required": ["region", "baseUrl"]}
    return schema


def _leaf(member: Member) -> Schema:
    schema: Schema = {"description": member.description, **member.form.schema}
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
    kind.kind.value: {"$schema": _DIALECT, "title": kind.title}
    | _schema(nest({member.name: member for member in kind.members}))
    for kind in KINDS.values()
}
