"""What stands in paths, queries and header fields."""

from collections.abc import Mapping

from mailer.api.dialects.dreamfactory import SERVICE
from mailer.api.emails.query import CURSOR_PATTERN, DEFAULT_LIMIT, ID_PATTERN, MAX_LIMIT, STATUSES
from mailer.api.request_headers import MAX_KEY
from mailer.project import PROJECT_ID_PATTERN
from mailer.relay.provider import ProviderKind
from mailer.template.template import NAME_PATTERN

from local.openapi.shape import Schema, choice, text, whole

# By the name that the template has in its paths.
IN_PATHS: Mapping[str, Schema] = {
    "projectId": text(pattern=PROJECT_ID_PATTERN),
    "emailId": text(pattern=ID_PATTERN),
    "providerId": text(minimum=1),
    "provider": choice(ProviderKind),
    "name": text(pattern=NAME_PATTERN),
    "service": {"const": SERVICE},
}


def _parameter(place: str, name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": place, "schema": schema, "description": description}


PARAMETERS: Mapping[str, Schema] = {
    "IdempotencyKey": _parameter(
        "header",
        "Idempotency-Key",
        {"type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$", "maxLength": MAX_KEY},
        "A name for the message, known for 24 hours: who repeats a request with it never doubles the message.",
    ),
    "Prefer": _parameter("header", "Prefer", {"type": "string"}, "respond-async: queue the message."),
    "IfMatch": _parameter(
        "header",
        "If-Match",
        {"type": "string", "pattern": r'^(\*|"[!#-~]{1,64}")$'},
        "An ETag as it was answered, or *: change only what still has it.",
    ),
    "IfNoneMatch": _parameter(
        "header", "If-None-Match", {"const": "*"}, "Only where there is none yet; not together with If-Match."
    ),
    "Status": _parameter("query", "status", choice(STATUSES), "Only those of this status."),
    "Limit": _parameter(
        "query", "limit", {**whole(minimum=1, maximum=MAX_LIMIT), "default": DEFAULT_LIMIT}, "How many, at most."
    ),
    "Cursor": _parameter("query", "cursor", text(pattern=CURSOR_PATTERN), "That of the page before."),
    "TemplateCursor": _parameter("query", "cursor", text(pattern=NAME_PATTERN), "That of the page before."),
    "ProjectOfOperator": _parameter(
        "query", "projectId", text(pattern=PROJECT_ID_PATTERN), "The project, where the token is for every one."
    ),
    "TemplateOfQuery": _parameter("query", "template", text(), "As in the body, whose word counts."),
    "TemplateIdOfQuery": _parameter("query", "template_id", text(), "As in the body, whose word counts."),
}

HEADERS: Mapping[str, Schema] = {
    "Location": {"schema": text(), "description": "Where the message's history, or what was made, is."},
    "ETag": {"schema": text(), "description": "The version, for If-Match."},
    "Retry-After": {"schema": whole(), "description": "Seconds, where the same request may succeed later."},
    "RateLimit-Limit": {"schema": whole(), "description": "The limit that leaves least: recipients in its window."},
    "RateLimit-Remaining": {"schema": whole(), "description": "What is left of it."},
    "RateLimit-Reset": {"schema": whole(), "description": "Seconds until its window ends."},
    "Preference-Applied": {"schema": {"const": "respond-async"}, "description": "The message was queued as asked."},
    "Idempotent-Replayed": {"schema": {"const": "true"}, "description": "This is the answer of the first request."},
    "Email-Status": {"schema": text(), "description": "What became of the message."},
    "Email-Diverted-To": {"schema": text(), "description": "Who got it instead, on a stage that is not production."},
    "X-Should-Retry": {"schema": choice(("true", "false")), "description": "Whether Courier's client is to repeat."},
}
