"""What requests hold: the fields that the readers know, by their bounds."""

from collections.abc import Mapping

from mailer.api.config import provider_requests
from mailer.api.config import requests as configuration_requests
from mailer.api.emails import batch
from mailer.api.emails.request import CONFIGURATION_FIELDS, EMAIL_FIELDS, MAX_PROVIDER_ID, MAX_RECIPIENTS
from mailer.api.fields import header as header_rules
from mailer.api.fields import tag as tag_rules
from mailer.api.fields.attachment import (
    CONTENT_ID_PATTERN,
    CONTENT_TYPE_PATTERN,
    MAX_ATTACHMENTS,
    MAX_CONTENT_ID,
    MAX_FILENAME_OCTETS,
)
from mailer.api.fields.attachment import FIELDS as ATTACHMENT_FIELDS
from mailer.api.fields.mailbox import MAILBOX_FIELDS, MAX_REPLY_TO
from mailer.api.templates import requests as template_requests
from mailer.ledger.record import OnUnknown
from mailer.message.address import MAX_DISPLAY_NAME
from mailer.message.draft import MAX_SUBJECT
from mailer.relay.provider import ProviderKind
from mailer.secret.entry_table import entries_schema
from mailer.secret.override import MEMBERS as TRANSPORT_MEMBERS
from mailer.secret.provider.registry import MAX_PRIORITY
from mailer.secret.provider.schema import PROVIDER_SCHEMAS
from mailer.template.placeholder import MAX_DEPTH, MAX_VALUES
from mailer.template.placeholder import NAME_PATTERN as VALUE_NAME_PATTERN
from mailer.template.template import NAME_PATTERN as TEMPLATE_NAME_PATTERN

from local.openapi.shape import (
    Schema,
    choice,
    closed,
    flag,
    free_object,
    nullable,
    one_or_several,
    pattern_of,
    ref,
    several,
    taken,
    text,
    whole,
)

_NO_CONTROLS = "One line, without control characters."


def _mailboxes(description: str, *, maximum: int = MAX_RECIPIENTS, minimum: int = 0) -> Schema:
    return one_or_several(ref("Mailbox"), description, maximum=maximum, minimum=minimum)


def _sender(description: str) -> Schema:
    name_alone = closed(("name",), {"name": text(maximum=MAX_DISPLAY_NAME)}, required=("name",))
    return {"anyOf": [ref("Mailbox"), name_alone], "description": description}


_BODY = "Any line ends; tabs and line ends are the only control characters."
_WORDS: Mapping[str, Schema] = {
    "subject": text(_NO_CONTROLS, maximum=MAX_SUBJECT, minimum=1),
    "text": text(_BODY),
    "html": text(_BODY),
    "from": _sender("One mailbox, or a name alone for the default address under another name."),
    "reply_to": _mailboxes("Where answers go.", maximum=MAX_REPLY_TO),
}

_EMAIL = taken(
    EMAIL_FIELDS,
    {
        **_WORDS,
        "to": _mailboxes(f"At most {MAX_RECIPIENTS} recipients over to, cc and bcc.", minimum=1),
        "cc": _mailboxes("Copies."),
        "bcc": _mailboxes("Copies that the others do not see."),
        "headers": ref("Headers"),
        "attachments": several(ref("Attachment"), maximum=MAX_ATTACHMENTS),
        "on_unknown": choice(
            OnUnknown, "What becomes of a message that may or may not have been accepted: left alone, or repeated once."
        ),
        "template": text("The name of a stored template, for what the request leaves out."),
        "template_data": ref("Values"),
        "preferred_provider": text(
            "The id of the project's provider that is asked first.", maximum=MAX_PROVIDER_ID, minimum=1
        ),
        "tags": several(ref("Tag"), "Each name once.", maximum=tag_rules.MAX_TAGS),
        "transport": ref("Transport"),
    },
    required=("to",),
)

_TRANSPORT = closed(
    TRANSPORT_MEMBERS,
    {
        "host": text("Host name; vetted like a project's relay."),
        "port": {"type": ["integer", "string"], "description": "1 to 65535, of the operator's AllowedRelayPorts."},
        "secure": {"type": ["boolean", "string"], "description": "true: TLS from the first octet; false: STARTTLS."},
        "require_tls": {"type": ["boolean", "string"], "description": "false: in clear where there is no STARTTLS."},
        "auth": choice(("password", "none"), "How to log in."),
        "username": text(),
        "password": text(),
        "ca_certificate": text("PEM of a private authority."),
        "connection_timeout": {"type": ["number", "string"], "description": "Seconds."},
        "socket_timeout": {"type": ["number", "string"], "description": "Seconds."},
    },
    required=("host", "port"),
    description="A relay for this message alone; needs the scope email:override-transport, and a From.",
)

_PROVIDER = taken(
    provider_requests.FIELDS,
    {
        "provider": choice(ProviderKind),
        "name": text(_NO_CONTROLS, maximum=provider_requests.MAX_NAME, minimum=1),
        "enabled": flag("Left out, it is true."),
        "priority": whole("The lowest is asked first.", maximum=MAX_PRIORITY),
        "config": ref("ProviderConfig"),
    },
    required=("provider", "priority", "config"),
)
_PROVIDER_CHANGE = {
    **taken(
        provider_requests.FIELDS[1:],
        {
            "name": text(_NO_CONTROLS, maximum=provider_requests.MAX_NAME, minimum=1),
            "enabled": flag(),
            "priority": whole(maximum=MAX_PRIORITY),
            "config": free_object(
                'The whole configuration, as for a new provider. Secrets left out, or given as {"set": true}, are '
                "kept where the destination stays the same; null removes a member."
            ),
        },
    ),
    "minProperties": 1,
}

SCHEMAS: Mapping[str, Schema] = {
    "Mailbox": {
        "anyOf": [
            text('"ada@example.com" or "Ada <ada@example.com>".'),
            taken(
                MAILBOX_FIELDS,
                {"email": text(), "name": text(maximum=MAX_DISPLAY_NAME)},
                required=("email",),
            ),
        ],
        "description": "ASCII before the @; internationalised domains are fine.",
    },
    "Headers": {
        "type": "object",
        "maxProperties": header_rules.MAX_HEADERS,
        "additionalProperties": nullable(text(maximum=header_rules.MAX_VALUE)),
        "description": "X-... but those by which relays take orders, Comments, Keywords, and "
        + ", ".join(name.title() for name in sorted(header_rules.RULES))
        + ".",
    },
    "Attachment": taken(
        ATTACHMENT_FIELDS,
        {
            "filename": text("A plain name.", maximum=MAX_FILENAME_OCTETS, minimum=1),
            "content": {"type": "string", "contentEncoding": "base64"},
            "content_type": text("Left out, it follows from the name.", pattern=CONTENT_TYPE_PATTERN),
            "content_id": text("An inline image of html.", maximum=MAX_CONTENT_ID, pattern=CONTENT_ID_PATTERN),
        },
        required=("filename", "content"),
    ),
    "Tag": {
        "anyOf": [
            text(pattern=tag_rules.NAME_PATTERN),
            taken(
                tag_rules.FIELDS,
                {"name": text(pattern=tag_rules.NAME_PATTERN), "value": text(maximum=tag_rules.MAX_VALUE, minimum=1)},
                required=("name",),
            ),
        ]
    },
    "Values": {
        "type": "object",
        "propertyNames": {"pattern": pattern_of(VALUE_NAME_PATTERN)},
        "additionalProperties": {"type": ["string", "number", "boolean", "null", "object"]},
        "description": f"Values for placeholders: objects of them up to {MAX_DEPTH} deep, at most {MAX_VALUES} in all.",
    },
    "Transport": _TRANSPORT,
    "EmailRequest": _EMAIL,
    "BatchRequest": {
        "anyOf": [
            several(ref("EmailRequest"), minimum=1, maximum=batch.MAX_BATCH),
            closed(
                batch.FIELDS,
                {"emails": several(ref("EmailRequest"), minimum=1, maximum=batch.MAX_BATCH)},
                required=batch.FIELDS,
            ),
        ]
    },
    "TemplateRequest": taken(template_requests.FIELDS, {**_WORDS, "defaults": ref("Values")}),
    "Entries": {
        **entries_schema(),
        "description": "The project's entries, as its secret holds them: see docs/secret.md.",
    },
    "ConfigurationRequest": closed(CONFIGURATION_FIELDS, {"entries": ref("Entries")}, required=CONFIGURATION_FIELDS),
    "ValidateRequest": taken(CONFIGURATION_FIELDS, {"entries": ref("Entries")}),
    "TrialRequest": closed(
        configuration_requests.TRIAL_FIELDS,
        {"to": text("One address.")},
        required=configuration_requests.TRIAL_FIELDS,
    ),
    "ProviderRequest": _PROVIDER,
    "ProviderChange": _PROVIDER_CHANGE,
    "ProviderConfig": {"anyOf": [ref(f"{kind.title()}Config") for kind in PROVIDER_SCHEMAS]},
    **{f"{kind.title()}Config": schema for kind, schema in PROVIDER_SCHEMAS.items()},
}

TEMPLATE_NAME = text("Upper and lower case differ.", pattern=TEMPLATE_NAME_PATTERN)
