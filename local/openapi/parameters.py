"""Parameters of paths, queries and headers, and the headers of answers, by their names."""

import re
from collections.abc import Iterable, Mapping

from mailer.api.config.requests import HELD
from mailer.api.dialects.dreamfactory import SERVICE
from mailer.api.emails.query import CURSOR_PATTERN, DEFAULT_LIMIT, ID_PATTERN, MAX_LIMIT, STATUSES
from mailer.api.request_headers import MAX_KEY
from mailer.api.route import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, PREFER
from mailer.ledger.held import HeldChoice
from mailer.project import PROJECT_ID_PATTERN
from mailer.relay.provider import ProviderKind
from mailer.template.template import NAME_PATTERN

from local.openapi.schemas import Schema

_TEXT: Schema = {"type": "string"}
_SECONDS: Schema = {"type": "integer", "minimum": 0}


def _matching(pattern: re.Pattern[str]) -> Schema:
    return {**_TEXT, "pattern": f"^{pattern.pattern.removesuffix(r'\Z')}$"}


def _choice(values: Iterable[str]) -> Schema:
    return {**_TEXT, "enum": [str(value) for value in values]}


PATH: Mapping[str, Schema] = {
    "projectId": _matching(PROJECT_ID_PATTERN),
    "emailId": _matching(ID_PATTERN),
    "providerId": {**_TEXT, "minLength": 1},
    "provider": _choice(ProviderKind),
    "name": _matching(NAME_PATTERN),
    "service": {"const": SERVICE},
}

_QUERY: Mapping[str, tuple[Schema, str]] = {
    "status": (_choice(STATUSES), "Only messages with this status."),
    "limit": ({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, "Items in a page."),
    "cursor": (_matching(CURSOR_PATTERN), "The value of `cursor` in the answer with the previous page."),
    HELD: (
        {**_choice(HeldChoice), "default": HeldChoice.KEEP.value},
        "What happens to messages that wait for the removed transport: see the route for held messages.",
    ),
    "projectId": (_matching(PROJECT_ID_PATTERN), "The project; required with the operator's token."),
    "template": (_TEXT, "The same as the field of the body, which takes precedence."),
    "template_id": (_TEXT, "The same as the field of the body, which takes precedence."),
}

_REQUEST_HEADERS: Mapping[str, tuple[Schema, str]] = {
    IDEMPOTENCY_KEY: (
        {**_TEXT, "pattern": "^[!-~]([ -~]*[!-~])?$", "maxLength": MAX_KEY},
        "A name for the request. For 24 hours a repeated request with the same key never sends a message twice.",
    ),
    PREFER: (_TEXT, "respond-async queues the message."),
    IF_MATCH: (
        {**_TEXT, "pattern": r'^(\*|"[!#-~]{1,64}")$'},
        "The change is made only if this is the current version: an ETag of an answer, or * for any version.",
    ),
    IF_NONE_MATCH: ({"const": "*"}, "Store the template only if it is new. Not allowed together with If-Match."),
}

PARAMETERS: Mapping[str, Schema] = {
    name: {"name": name, "in": place, "schema": schema, "description": description}
    for place, described in (("query", _QUERY), ("header", _REQUEST_HEADERS))
    for name, (schema, description) in described.items()
}

HEADERS: Mapping[str, Schema] = {
    name: {"schema": schema, "description": description}
    for name, schema, description in (
        ("Location", _TEXT, "The path of the message's history or of the new provider."),
        ("ETag", _TEXT, "The version, for If-Match."),
        ("Retry-After", _SECONDS, "Repeat the request after these seconds."),
        (
            "RateLimit-Limit",
            _SECONDS,
            "The maximum number of recipients. If several limits apply, the limit with the fewest recipients left.",
        ),
        ("RateLimit-Remaining", _SECONDS, "How many recipients are left."),
        ("RateLimit-Reset", _SECONDS, "Seconds until the window ends."),
        ("Preference-Applied", {"const": "respond-async"}, "The message was queued as requested."),
        ("Idempotent-Replayed", {"const": "true"}, "This is the result of an earlier request with the same key."),
        ("Email-Status", _TEXT, "The status of the message."),
        ("Email-Diverted-To", _TEXT, "The address that gets the message on a stage that is not production."),
        ("X-Should-Retry", _choice(("true", "false")), "Whether Courier's client repeats the request."),
    )
}
