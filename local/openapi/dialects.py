"""What requests and answers of other systems' routes hold."""

from collections.abc import Mapping

from mailer.api.body import field_names
from mailer.api.config.provider_views import ShownProvider
from mailer.api.dialects import courier, dreamfactory, messagepipe, messagepipe_config, nodemailer, transport_options
from mailer.api.emails.batch import MAX_BATCH

from local.openapi.answered import ERROR_CODE, PROVIDER
from local.openapi.shape import (
    Schema,
    choice,
    closed,
    flag,
    free_object,
    nullable,
    one_or_several,
    ref,
    several,
    shown,
    taken,
    text,
    whole,
)

_PROBLEMS = several(ref("ProblemPlace"))
_ADDRESS: Schema = {
    "anyOf": [
        text(),
        closed(("name", "address"), {"name": nullable(text()), "address": text()}, required=("address",)),
    ]
}
_LISTED = one_or_several(_ADDRESS, "A string may hold several, separated by commas.", maximum=50)
_MAILBOX: Schema = {
    "anyOf": [text(), closed(("email", "name"), {"email": text(), "name": nullable(text())}, required=("email",))]
}
_LIST_URL: Schema = {"type": ["string", "object"], "description": "A URL, or an object with it as url."}


_NODEMAILER_ATTACHMENT = taken(
    nodemailer.ATTACHMENT_FIELDS,
    {
        "filename": {"anyOf": [text(), {"const": False}]},
        "content": text(),
        "contentType": text(),
        "encoding": text("base64, hex, latin1, or utf-8, which is the default."),
        "cid": text(),
        "contentDisposition": choice(("attachment", "inline")),
    },
    required=("content",),
)
_NODEMAILER: Mapping[str, Schema] = {
    "from": _ADDRESS,
    "to": _LISTED,
    "cc": _LISTED,
    "bcc": _LISTED,
    "replyTo": _LISTED,
    "subject": text(),
    "text": text(),
    "html": text(),
    "attachments": several(ref("NodemailerAttachment")),
    "headers": {
        "anyOf": [
            ref("Headers"),
            several(closed(("key", "value"), {"key": text(), "value": text()}, required=("key", "value"))),
        ]
    },
    "priority": choice(nodemailer.PRIORITIES),
    "inReplyTo": text(),
    "references": one_or_several(text(), maximum=50),
    "list": taken(tuple(nodemailer.LISTS), dict.fromkeys(nodemailer.LISTS, _LIST_URL)),
    "disableFileAccess": {"const": True},
    "disableUrlAccess": {"const": True},
}
_NODEMAILER_CONFIG = taken(
    transport_options.FIELDS,
    {
        "host": text(),
        "port": whole(minimum=1, maximum=65535),
        "secure": flag(),
        "requireTLS": flag(),
        "connectionTimeout": whole("Milliseconds.", minimum=1),
        "socketTimeout": whole("Milliseconds.", minimum=1),
        "auth": taken(("user", "pass", "type"), {"user": text(), "pass": text(), "type": choice(("login",))}),
        "tls": free_object("ca, servername, minVersion, and rejectUnauthorized, which is true."),
        "ignoreTLS": {"const": False},
        "opportunisticTLS": {"const": False},
    },
    required=("host", "port"),
)
_SEVERAL_MAILBOXES = one_or_several(_MAILBOX, maximum=50)
_MESSAGEPIPE: Mapping[str, Schema] = {
    "templateId": text("The name of a stored template."),
    "to": _SEVERAL_MAILBOXES,
    "subject": text(),
    "variables": ref("Values"),
    "preferredProvider": text(),
}
_BULK = tuple(name for name in messagepipe.FIELDS if name != "to")

ASKED: Mapping[str, Schema] = {
    "NodemailerAttachment": _NODEMAILER_ATTACHMENT,
    "NodemailerTransport": _NODEMAILER_CONFIG,
    "MedplumEmail": taken(nodemailer.FIELDS, _NODEMAILER, required=("to", "subject")),
    "DreamFactoryEmail": taken(
        dreamfactory.FIELDS,
        {
            "to": _SEVERAL_MAILBOXES,
            "cc": _SEVERAL_MAILBOXES,
            "bcc": _SEVERAL_MAILBOXES,
            "subject": text(),
            "body_text": text(),
            "body_html": text(),
            "from_name": text(),
            "from_email": text(),
            "reply_to_name": text(),
            "reply_to_email": text(),
            "attachments": several(
                taken(
                    tuple(dreamfactory.ATTACHMENT),
                    {
                        "name": text(),
                        "content": {"type": "string", "contentEncoding": "base64"},
                        "content_type": text(),
                    },
                    required=("name", "content"),
                )
            ),
            "template": text("The name of a stored template."),
            "template_id": {"type": ["integer", "string"], "description": "A stored template named by its number."},
            "template_data": ref("Values"),
        },
        required=("to",),
    ),
    "CourierSend": closed(
        ("message",),
        {
            "message": taken(
                courier.MESSAGE_FIELDS,
                {
                    "to": one_or_several(
                        taken(("email", "data"), {"email": text(), "data": ref("Values")}, required=("email",)),
                        maximum=1,
                        minimum=1,
                    ),
                    "content": taken(("title", "body"), {"title": text(), "body": text()}),
                    "template": text("The name of a stored template."),
                    "data": ref("Values"),
                    "providers": free_object(
                        "smtp.override, with body (Nodemailer's options) and config (a transport)."
                    ),
                    "routing": free_object("method and channels, which name email or smtp."),
                    "metadata": taken(("tags",), {"tags": several(ref("Tag"))}),
                },
                required=("to",),
            )
        },
        required=("message",),
    ),
    "MessagePipeEmail": taken(tuple(messagepipe.FIELDS), _MESSAGEPIPE, required=("templateId", "to")),
    "MessagePipeBulk": taken(
        (*_BULK, "recipients"),
        {**{name: _MESSAGEPIPE[name] for name in _BULK}, "recipients": several(text(), minimum=1, maximum=MAX_BATCH)},
        required=("templateId", "recipients"),
    ),
    "MessagePipeSender": taken(
        messagepipe_config.SENDER_FIELDS,
        {"senderEmail": text(), "senderName": text(), "enabled": flag("Left out, it is true.")},
        required=("senderEmail",),
    ),
}

ANSWERS: Mapping[str, Schema] = {
    "OperationOutcome": shown(
        {
            "resourceType": {"const": "OperationOutcome"},
            "id": text(),
            "extension": several(shown({"url": text(), "valueString": text()})),
            "issue": several(
                shown(
                    {
                        "severity": choice(("information", "warning", "error")),
                        "code": text(),
                        "details": shown({"text": text()}),
                        "expression": several(text()),
                        "diagnostics": text(),
                    },
                    optional=("expression", "diagnostics"),
                ),
                minimum=1,
            ),
        },
        optional=("id",),
    ),
    "DreamFactoryCount": shown({"count": whole("How many copies were accepted.")}),
    "DreamFactoryError": shown(
        {
            "error": shown(
                {
                    "code": whole("The status.", minimum=400, maximum=599),
                    "message": text(),
                    "context": shown(
                        {
                            "code": ERROR_CODE,
                            "retryable": flag(),
                            "cause": text(),
                            "remedy": text(),
                            "detail": text(),
                            "problems": _PROBLEMS,
                            "reply": text("The relay's own words."),
                            "request_id": text(),
                        },
                        optional=("cause", "remedy", "detail", "problems", "reply", "request_id"),
                    ),
                }
            )
        }
    ),
    "CourierRequest": shown({"requestId": ref("EmailId")}),
    "CourierError": shown(
        {
            "message": text(),
            "type": choice(sorted({*courier.TYPES.values(), "invalid_request_error", "internal_error"})),
            "code": ERROR_CODE,
            "retryable": flag(),
            "error": text("Nodemailer's name of it."),
            "problems": _PROBLEMS,
            "request_id": text(),
        },
        optional=("error", "problems", "request_id"),
    ),
    "MessagePipeSent": shown({"message": text(), "messageId": ref("EmailId")}),
    "MessagePipeBulkSent": shown(
        {
            "message": text(),
            "success": flag(),
            "results": several(
                shown(
                    {
                        "recipient": text(),
                        "success": flag(),
                        "messageId": nullable(text()),
                        "provider": {"type": "null"},
                        "deliveryLogId": nullable(text()),
                        "error": text(),
                    },
                    optional=("error",),
                )
            ),
        }
    ),
    "MessagePipeSenderShown": shown({"senderEmail": text(), "senderName": nullable(text()), "enabled": flag()}),
    "MessagePipeProvider": shown(
        {name: schema for name, schema in PROVIDER.items() if name in field_names(ShownProvider)},
        optional=("name", "enabled", "createdAt", "updatedAt"),
    ),
    "MessagePipeProviders": several(ref("MessagePipeProvider")),
    "MessagePipeRemoved": shown({"message": text(), "id": text()}),
    "MessagePipeError": shown(
        {
            "statusCode": whole(minimum=400, maximum=599),
            "message": text(),
            "error": text(),
            "code": ERROR_CODE,
            "retryable": flag(),
            "problems": _PROBLEMS,
            "request_id": text(),
        },
        optional=("problems", "request_id"),
    ),
}
