"""An example of each request, and of the answers that callers look at most."""

from collections.abc import Mapping

from mailer.secret.provider.schema import PROVIDER_SCHEMAS

_ID = "667e748e38a48ede234819ddc4dba456"
_MESSAGE_ID = f"<{_ID}@acme.example>"
_FROM = {"requested": None, "used": "Acme <hello@acme.example>", "reason": "default"}
_REFUSED = {"recipient": "bob@example.com", "code": 550, "enhanced_code": "5.1.1", "detail": "5.1.1 unknown user"}
_AT = "2026-01-02T03:04:05.000Z"
_VERSION = "0b6b1f0e-6f0e-4a57-9f3c-0d1f4a3c2b1a"
_TEMPLATE = {"subject": "Welcome, {first_name}", "text": "Hello {first_name}.\n"}
_PROVIDER = {
    "id": "3f0c8f5e-2a44-4f0e-9d0c-5b1d2f7f6a10",
    "provider": "sendgrid",
    "name": "Primary SendGrid",
    "enabled": True,
    "priority": 1,
    "createdAt": "2026-01-01T10:00:00Z",
}
_SUMMARY = {
    "id": _ID,
    "status": "partially_sent",
    "transport": "project-smtp",
    "message_id": _MESSAGE_ID,
    "created_at": _AT,
    "updated_at": _AT,
    "expires_at": "2026-01-03T03:04:05.000Z",
    "next_attempt_at": None,
    "reason": None,
    "type": None,
    "request_id": None,
    "count": 1,
    "tags": [{"name": "order", "value": "4711"}],
}
_EMAIL = {
    **_SUMMARY,
    "from": _FROM,
    "recipients": [
        {
            "recipient": "ada@example.com",
            "status": "accepted",
            "code": 250,
            "enhanced_code": "2.0.0",
            "detail": "2.0.0 OK",
        },
        {**_REFUSED, "status": "rejected"},
    ],
    "attempts": [
        {
            "at": _AT,
            "transport": "project-smtp",
            "provider": "smtp",
            "version_id": _VERSION,
            "result": "rejected",
            "phase": "rcpt",
            "cause": "reply",
            "code": 550,
            "enhanced_code": "5.1.1",
            "reply": "5.1.1 unknown user",
        }
    ],
}
_CONFIGURATION = {
    "state": "verified",
    "version_id": _VERSION,
    "checked_at": _AT,
    "held": 0,
    "entries": {"smtpHost": "smtp.acme.example", "smtpPort": "587", "smtpPassword": {"set": True}},
    "problems": [],
    "warnings": [],
}
_ENTRIES = {
    "entries": {
        "smtpHost": "smtp.acme.example",
        "smtpPort": "587",
        "smtpUsername": "acme",
        "smtpPassword": "...",
        "smtpFromAddress": "Acme <hello@acme.example>",
    }
}
_BULK_RESULT = {
    "recipient": "ada@example.com",
    "success": True,
    "messageId": _ID,
    "provider": None,
    "deliveryLogId": _ID,
}

# By the schema that each is one of.
EXAMPLES: Mapping[str, object] = {
    "EmailRequest": {
        "to": ["Ada <ada@example.com>", {"email": "bob@example.com", "name": "Bob"}],
        "subject": "Your order",
        "text": "It is on its way.",
        "html": "<p>It is on its way.</p>",
        "tags": [{"name": "order", "value": "4711"}],
    },
    "BatchRequest": {"emails": [{"to": "ada@example.com", "subject": "News", "text": "There is some."}]},
    "TemplateRequest": {**_TEMPLATE, "defaults": {"first_name": "friend"}},
    "ConfigurationRequest": _ENTRIES,
    "ValidateRequest": _ENTRIES,
    "TrialRequest": {"to": "ada@example.com"},
    "ProviderRequest": {
        "provider": "sendgrid",
        "name": "Primary SendGrid",
        "priority": 1,
        "config": {"apiKey": "SG.x"},
    },
    "ProviderChange": {"enabled": False},
    "MedplumEmail": {
        "to": "ada@example.com",
        "subject": "Results",
        "text": "They are here.",
        "attachments": [{"filename": "results.txt", "content": "All fine."}],
    },
    "DreamFactoryEmail": {
        "to": [{"email": "ada@example.com", "name": "Ada"}],
        "subject": "Hello {first_name}",
        "body_text": "It works, {first_name}.",
        "template_data": {"first_name": "Ada"},
    },
    "CourierSend": {
        "message": {
            "to": {"email": "ada@example.com"},
            "content": {"title": "Hello {{name}}", "body": "It works, {{name}}."},
            "data": {"name": "Ada"},
        }
    },
    "MessagePipeEmail": {"templateId": "welcome", "to": "ada@example.com", "variables": {"first_name": "Ada"}},
    "MessagePipeBulk": {"templateId": "welcome", "recipients": ["ada@example.com"], "variables": {"first_name": "Ada"}},
    "MessagePipeSender": {"senderEmail": "hello@acme.example", "senderName": "Acme", "enabled": True},
    "SentEmail": {
        "id": _ID,
        "status": "partially_sent",
        "transport": "project-smtp",
        "message_id": _MESSAGE_ID,
        "from": _FROM,
        "accepted": ["ada@example.com"],
        "rejected": [_REFUSED],
        "deferred": [],
        "count": 1,
        "next_attempt_at": None,
    },
    "QueuedEmail": {
        "id": _ID,
        "status": "queued",
        "transport": "project-smtp",
        "message_id": None,
        "from": _FROM,
        "count": 0,
    },
    "AcceptedBatch": {"emails": [{"id": _ID, "status": "queued"}], "count": 1},
    "Explanation": {
        "would_send": True,
        "transport": "project-smtp",
        "reason": "project-relay",
        "version_id": _VERSION,
        "from": _FROM,
        "reply_to": [],
        "envelope_sender": "hello@acme.example",
        "recipients": ["ada@example.com"],
        "size": 734,
        "warnings": [],
        "problems": [],
    },
    "Email": _EMAIL,
    "RetriedEmail": {**_EMAIL, "status": "queued", "may_duplicate": True},
    "EmailPage": {"emails": [{**_SUMMARY, "recipient_count": 2}], "cursor": None},
    "Configuration": _CONFIGURATION,
    "Examination": {
        "valid": False,
        "version_id": _VERSION,
        "checks": [
            {"name": "host-resolves", "status": "passed"},
            {
                "name": "connects",
                "status": "failed",
                "reason": "refused",
                "remedy": "Check smtpHost and smtpPort.",
                "entry": "smtpPort",
                "smtp": {"phase": "connect", "cause": "refused"},
            },
        ],
        "warnings": [],
    },
    "Provider": {**_PROVIDER, "config": {"apiKey": {"set": True}}},
    "Providers": {"version_id": _VERSION, "providers": [{**_PROVIDER, "config": {"apiKey": {"set": True}}}]},
    "RemovedProvider": {"id": _PROVIDER["id"], "removed": True, "state": "server", "version_id": _VERSION},
    "ProviderSchemas": {"schemas": {kind: {"title": schema["title"]} for kind, schema in PROVIDER_SCHEMAS.items()}},
    "ProviderSchema": PROVIDER_SCHEMAS["mailgun"],
    "Template": {
        "name": "welcome",
        "etag": '"1f3a"',
        "updated_at": _AT,
        **_TEMPLATE,
        "html": None,
        "from": {"name": "Acme Support"},
        "reply_to": [{"email": "help@acme.example", "name": None}],
        "defaults": {"first_name": "friend"},
        "placeholders": ["first_name"],
    },
    "RemovedTemplate": {"name": "welcome", "removed": True},
    "TemplatePage": {"templates": [{"name": "welcome", "etag": '"1f3a"', "updated_at": _AT}], "cursor": None},
    "OperationOutcome": {
        "resourceType": "OperationOutcome",
        "id": "ok",
        "extension": [{"url": "urn:project-smtp:id", "valueString": _ID}],
        "issue": [{"severity": "information", "code": "informational", "details": {"text": "All OK"}}],
    },
    "DreamFactoryCount": {"count": 1},
    "CourierRequest": {"requestId": _ID},
    "MessagePipeSent": {"message": "Email sent successfully", "messageId": _ID},
    "MessagePipeBulkSent": {"message": "1 of 1 emails queued", "success": True, "results": [_BULK_RESULT]},
    "MessagePipeSenderShown": {"senderEmail": "hello@acme.example", "senderName": "Acme", "enabled": True},
    "MessagePipeProviders": [_PROVIDER],
    "MessagePipeProvider": _PROVIDER,
    "MessagePipeRemoved": {"message": "Email provider deleted", "id": _PROVIDER["id"]},
}
