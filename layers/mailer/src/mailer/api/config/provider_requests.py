"""Requests to add and change a project's providers; the parsers raise only `InvalidRequest`.

The secret's parser checks a provider's `config`.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, Object, field_names
from mailer.api.request_headers import header
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.problem import Problem
from mailer.relay.provider import ProviderKind
from mailer.secret.provider.registry import MAX_PRIORITY
from mailer.secret.provider.schema import PROVIDER_SCHEMAS
from mailer.service.configuring.change_providers import ANY_VERSION

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
    int, Meta(ge=0, le=MAX_PRIORITY, description="The lowest priority is tried first.", examples=[1])
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
    """The members of a provider to replace; at least one."""

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
_ETAG = re.compile(r'"([!#-~]{1,64})"\Z')


def parse_new_provider(body: bytes | str) -> Mapping[str, object]:
    """Return the provider to add."""
    inspection = Inspection()
    given = inspection.members(decode_body(body), "", _NEW)
    for name in ("provider", "priority", "config"):
        if name not in given:
            inspection.report(f"/{name}", "required", "Give it. GET /v1/provider-schemas describes the configuration.")
    _check(given, inspection)
    inspection.finish()
    return {"enabled": True, **given}


def parse_provider_change(body: bytes | str) -> Mapping[str, object]:
    """Return the members of a provider to replace."""
    inspection = Inspection()
    given = inspection.members(decode_body(body), "", _CHANGED)
    if not given:
        inspection.report("", "required", f"Give at least one of: {', '.join(_CHANGED)}.")
    _check(given, inspection)
    inspection.finish()
    return given


def parse_if_match(headers: Mapping[str, str]) -> str | None:
    """Return the secret's version that the change needs; `ANY_VERSION` for any version, None for no condition."""
    value = header(headers, "if-match")
    if value is None:
        return None
    if value.strip() == ANY_VERSION:
        return ANY_VERSION
    matched = _ETAG.match(value.strip())
    if matched is None:
        remedy = 'Give one ETag of an answer, with its quotes: If-Match: "...".'
        raise InvalidRequest(Problem("precondition-malformed", remedy, pointer=""))
    return matched[1]


def _check(given: Mapping[str, object], inspection: Inspection) -> None:
    for name, value in given.items():
        match name, value:
            case "provider", str() if value in set(ProviderKind):
                pass
            case "provider", _:
                inspection.report("/provider", "choice-unknown", f"Give one of: {', '.join(ProviderKind)}.")
            case "name", _:
                inspection.text(value, "/name", maximum=MAX_NAME)
            case "enabled", bool():
                pass
            case "enabled", _:
                inspection.report("/enabled", "wrong-type", "Give true or false.")
            case "priority", int() if not isinstance(value, bool) and 0 <= value <= MAX_PRIORITY:
                pass
            case "priority", _:
                inspection.report("/priority", "out-of-range", f"Give a whole number from 0 to {MAX_PRIORITY}.")
            case _ if not isinstance(value, dict):
                inspection.report(f"/{name}", "wrong-type", "Give an object.")
            case _:
                pass
