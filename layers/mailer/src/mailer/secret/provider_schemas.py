"""JSON Schema (2020-12) of each kind of provider's configuration, from the description that validates it."""

from collections.abc import Mapping
from typing import Final

from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ProviderKind
from mailer.secret.provider_members import CONFIG_MEMBERS, REJECT_UNAUTHORIZED, Form, Member

type Schema = dict[str, object]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLES: Mapping[ProviderKind, str] = {
    ProviderKind.SMTP: "An SMTP relay",
    ProviderKind.SES: "Amazon SES",
    ProviderKind.SENDGRID: "SendGrid",
    ProviderKind.MAILGUN: "Mailgun",
}
_BOUNDS = RelayPolicy()


def _schema(kind: ProviderKind) -> Schema:
    return {"$schema": _DIALECT, "title": _TITLES[kind], **_object(CONFIG_MEMBERS[kind])}


def _object(members: tuple[Member, ...]) -> Schema:
    properties: dict[str, object] = {}
    required: list[str] = []
    groups: dict[str, list[Member]] = {}
    for member in members:
        parent, separator, _ = member.name.partition(".")
        if separator:
            groups.setdefault(parent, []).append(member)
            continue
        properties[member.name] = _leaf(member)
        if member.is_required:
            required.append(member.name)
    for parent, group in groups.items():
        inner = {member.name.partition(".")[2]: _leaf(member) for member in group}
        needed = [member.name.partition(".")[2] for member in group if member.is_required]
        properties[parent] = {"type": "object", "properties": inner, "required": needed, "additionalProperties": False}
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    if {"region", "baseUrl"} <= properties.keys():
        schema["not"] = {"required": ["region", "baseUrl"]}
    return schema


def _leaf(member: Member) -> Schema:
    schema: Schema = {"description": member.remedy}
    match member.form:
        case Form.BOOLEAN:
            schema["type"] = "boolean"
            if member.name == REJECT_UNAUTHORIZED:
                schema["const"] = True
        case Form.PORT:
            schema |= {"type": "integer", "minimum": 1, "maximum": 65535}
        case Form.MILLISECONDS:
            low, high = _BOUNDS.minimum_timeout, _BOUNDS.maximum_timeout
            schema |= {"type": "integer", "minimum": round(low * 1000), "maximum": round(high * 1000)}
        case Form.TEXT | Form.CREDENTIAL | Form.PEM:
            schema |= {"type": "string", "minLength": 1}
    if member.choices:
        schema["enum"] = list(member.choices)
    if member.pattern is not None:
        schema["pattern"] = f"^{member.pattern}$"
    if member.default is not None:
        schema["default"] = member.default
    if member.is_hidden:
        schema["writeOnly"] = True
    return schema


PROVIDER_SCHEMAS: Final[Mapping[str, Schema]] = {kind.value: _schema(kind) for kind in ProviderKind}
