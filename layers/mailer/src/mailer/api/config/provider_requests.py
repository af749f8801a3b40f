"""What requests about a project's providers ask for; `InvalidRequest` is all that they raise.

What a provider's configuration means is the secret parser's to judge, which names the place of a problem by its entry.
"""

import re
from collections.abc import Mapping

from mailer.api.request_headers import header
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.problem import Problem
from mailer.relay.provider import ProviderKind
from mailer.secret.provider.registry import MAX_PRIORITY
from mailer.service.configuring.change_providers import ANY_VERSION

FIELDS = ("provider", "name", "enabled", "priority", "config")
MAX_NAME = 200
_ETAG = re.compile(r'"([!#-~]{1,64})"\Z')


def parse_new_provider(body: bytes | str) -> Mapping[str, object]:
    """Return the provider to add."""
    inspection = Inspection()
    given = inspection.members(decode_body(body), "", FIELDS)
    for name in ("provider", "priority", "config"):
        if name not in given:
            inspection.report(f"/{name}", "required", "Give it: see GET /v1/provider-schemas for the configuration.")
    _check(given, inspection)
    inspection.finish()
    return {"enabled": True, **given}


def parse_provider_change(body: bytes | str) -> Mapping[str, object]:
    """Return what of a provider is to be replaced."""
    inspection = Inspection()
    given = inspection.members(decode_body(body), "", FIELDS[1:])
    if not given:
        inspection.report("", "required", f"Give what is to be replaced: {', '.join(FIELDS[1:])}.")
    _check(given, inspection)
    inspection.finish()
    return given


def parse_if_match(headers: Mapping[str, str]) -> str | None:
    """Return the version of the secret that the caller has seen, `ANY_VERSION` for any, None where it does not say."""
    value = header(headers, "if-match")
    if value is None:
        return None
    if value.strip() == ANY_VERSION:
        return ANY_VERSION
    matched = _ETAG.match(value.strip())
    if matched is None:
        remedy = 'Give one ETag as it was answered, in its quotes: If-Match: "...".'
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
