"""Requests to add and change a project's providers; the parsers raise only `InvalidRequest`.

The secret's parser checks a provider's `config`.
"""

from collections.abc import Callable, Mapping
from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, Object, field_names
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.relay.provider import ProviderKind
from mailer.secret.provider.registry import MAX_PRIORITY
from mailer.secret.provider.schema import PROVIDER_SCHEMAS

MAX_NAME = 200

type _Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        description="One line without control characters.",
        examples=["Primary SendGrid"],
    ),
]
type _Priority = Annotated[
    int, Meta(ge=0, le=MAX_PRIORITY, description="The provider with the lowest priority is tried first.", examples=[1])
]


class NewProviderBody(Body, frozen=True, kw_only=True):
    """A provider to add."""

    provider: Annotated[ProviderKind, Meta(examples=["sendgrid"])]
    name: _Name | None = None
    enabled: Annotated[bool | None, Meta(description="The default is true.")] = None
    priority: _Priority
    config: Annotated[
        Object, Meta(examples=[{"apiKey": "SG.x"}], extra_json_schema={"anyOf": list(PROVIDER_SCHEMAS.values())})
    ]


class ProviderChangeBody(Body, frozen=True, kw_only=True):
    """The members of a provider to replace; at least one is required."""

    name: _Name | None = None
    enabled: Annotated[bool | None, Meta(examples=[False])] = None
    priority: _Priority | None = None
    config: Annotated[
        Object | None,
        Meta(
            description="The whole configuration, as for a new provider. A secret that is left out, or is "
            '{"set": true}, is kept if the destination stays the same; null removes a member.'
        ),
    ] = None


_NEW, _CHANGED = field_names(NewProviderBody), field_names(ProviderChangeBody)


def parse_new_provider(body: bytes | str) -> Mapping[str, object]:
    """Return the provider to add."""
    inspection = Inspection()
    members = inspection.members(decode_body(body), "", _NEW)
    for name in ("provider", "priority", "config"):
        if name not in members:
            inspection.report(f"/{name}", "required", "Give it. GET /v1/provider-schemas describes the configuration.")
    _check(members, inspection)
    inspection.finish()
    return {"enabled": True, **members}


def parse_provider_change(body: bytes | str) -> Mapping[str, object]:
    """Return the members of a provider to replace."""
    inspection = Inspection()
    members = inspection.members(decode_body(body), "", _CHANGED)
    if not members:
        inspection.report("", "required", f"Give at least one of: {', '.join(_CHANGED)}.")
    _check(members, inspection)
    inspection.finish()
    return members


def _is_priority(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_PRIORITY


_KINDS = list(ProviderKind)
# For each member except `name`: the check of its value, and the code and remedy if the check fails.
_CHECKS: Mapping[str, tuple[Callable[[object], bool], str, str]] = {
    "provider": (lambda value: value in _KINDS, "choice-unknown", f"Give one of: {', '.join(_KINDS)}."),
    "enabled": (lambda value: isinstance(value, bool), "wrong-type", "Give true or false."),
    "priority": (_is_priority, "out-of-range", f"Give a whole number from 0 to {MAX_PRIORITY}."),
    "config": (lambda value: isinstance(value, dict), "wrong-type", "Give an object."),
}


def _check(members: Mapping[str, object], inspection: Inspection) -> None:
    for name, value in members.items():
        if name == "name":
            inspection.text(value, "/name", maximum=MAX_NAME)
            continue
        is_allowed, code, remedy = _CHECKS[name]
        if not is_allowed(value):
            inspection.report(f"/{name}", code, remedy)
