"""Our own routes: what each is for, who may ask it, what it takes and what it may answer."""

from collections.abc import Mapping

import msgspec

from local.openapi.problems import OURS, Refusal

# What every route may answer.
EVERYWHERE = ("invalid-request", "forbidden", "not-found")
_STORE = ("content-unavailable",)
_LEDGER = ("ledger-unavailable",)
_RELAY = (
    "relay-auth-rejected", "relay-tls-failed", "relay-host-blocked", "relay-unreachable", "relay-deferred",
)  # fmt: skip
_LEAVE = (
    "project-smtp-invalid", "sender-not-approved", "limit-reached", "message-too-large", "secrets-unavailable",
    *_LEDGER, *_STORE,
)  # fmt: skip
_KEYS = ("idempotency-key-in-flight", "idempotency-key-reused")
_NOW = ("recipients-rejected", "message-rejected", "server-transport-failed", *_RELAY)
SEND_CODES = (*_LEAVE, *_NOW, *_KEYS, "template-not-found", "project-smtp-disabled")
QUEUE_CODES = (*_LEAVE, *_KEYS, "template-not-found")
CHANGE_CODES = (
    "project-smtp-invalid", "project-smtp-disabled", "configuration-changed", "secrets-unavailable", *_LEDGER, *_RELAY,
)  # fmt: skip
READ_CODES = ("project-smtp-invalid", "project-smtp-disabled", "secrets-unavailable")

SEND, READ = "email:send", "email:read"
CONFIG_READ, CONFIG_WRITE = "email-config:read", "email-config:write"

SENDING_HEADERS = ("IdempotencyKey", "Prefer")
LIMITS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One route: `answers` are schemas by status, `parameters` those beside the path's, `scopes` alternatives.

    `scopes` is empty where any valid token is enough. Of the answers' headers, `headers` may be there.
    """

    id: str
    tag: str
    summary: str
    scopes: tuple[str, ...]
    answers: Mapping[int, tuple[str, ...]]
    codes: tuple[str, ...] = ()
    body: str | None = None
    is_body_optional: bool = False
    parameters: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    refusal: Refusal = OURS


_SENT = ("SentEmail",)
_EMAILS = "/v1/projects/{projectId}/emails"
_CONFIG = "/v1/projects/{projectId}/email-config"
_PROVIDERS = f"{_CONFIG}/providers"
_TEMPLATES = "/v1/projects/{projectId}/templates"

OPERATIONS: Mapping[str, Operation] = {
    f"POST {_EMAILS}": Operation(
        id="sendEmail",
        tag="Messages",
        summary="Send one message while the caller waits, or queue it with Prefer: respond-async",
        scopes=(SEND,),
        body="EmailRequest",
        parameters=SENDING_HEADERS,
        answers={200: _SENT, 202: ("SentEmail", "QueuedEmail")},
        headers=("Location", "Preference-Applied", "Idempotent-Replayed", *LIMITS),
        codes=SEND_CODES,
    ),
    f"POST {_EMAILS}/batch": Operation(
        id="sendBatch",
        tag="Messages",
        summary="Queue up to a hundred messages",
        scopes=(SEND,),
        body="BatchRequest",
        parameters=("IdempotencyKey",),
        answers={202: ("AcceptedBatch",)},
        headers=("Idempotent-Replayed",),
        codes=QUEUE_CODES,
    ),
    f"POST {_EMAILS}/explain": Operation(
        id="explainEmail",
        tag="Messages",
        summary="Tell how a message would leave, and send nothing",
        scopes=(SEND,),
        body="EmailRequest",
        answers={200: ("Explanation",)},
        codes=("template-not-found", "secrets-unavailable", *_STORE),
    ),
    f"GET {_EMAILS}": Operation(
        id="listEmails",
        tag="Messages",
        summary="List the messages, newest first",
        scopes=(READ,),
        parameters=("Status", "Limit", "Cursor"),
        answers={200: ("EmailPage",)},
        codes=_LEDGER,
    ),
    f"GET {_EMAILS}/{{emailId}}": Operation(
        id="showEmail",
        tag="Messages",
        summary="Show a message: every recipient, every attempt, never a content",
        scopes=(READ,),
        answers={200: ("Email",)},
        codes=_LEDGER,
    ),
    f"POST {_EMAILS}/{{emailId}}/retry": Operation(
        id="retryEmail",
        tag="Messages",
        summary="Queue a message again",
        scopes=(SEND,),
        answers={202: ("RetriedEmail",)},
        headers=("Location",),
        codes=("email-state-conflict", *_LEDGER, *_STORE),
    ),
    f"POST {_EMAILS}/{{emailId}}/cancel": Operation(
        id="cancelEmail",
        tag="Messages",
        summary="Keep a message from leaving, where it can still be kept",
        scopes=(SEND,),
        answers={200: ("Email",)},
        codes=("email-state-conflict", *_LEDGER, *_STORE),
    ),
    f"GET {_CONFIG}": Operation(
        id="showConfiguration",
        tag="Configuration",
        summary="Show a project's configuration, without its secrets",
        scopes=(CONFIG_READ,),
        answers={200: ("Configuration",)},
        codes=("secrets-unavailable", *_LEDGER),
    ),
    f"PUT {_CONFIG}": Operation(
        id="replaceConfiguration",
        tag="Configuration",
        summary="Examine entries, and store them if every check passes",
        scopes=(CONFIG_WRITE,),
        body="ConfigurationRequest",
        answers={200: ("Configuration",)},
        codes=CHANGE_CODES,
    ),
    f"DELETE {_CONFIG}": Operation(
        id="removeConfiguration",
        tag="Configuration",
        summary="Take the project back to the server transport",
        scopes=(CONFIG_WRITE,),
        answers={200: ("Configuration",)},
        codes=("project-smtp-disabled", "configuration-changed", "secrets-unavailable", *_LEDGER),
    ),
    f"POST {_CONFIG}/validate": Operation(
        id="validateConfiguration",
        tag="Configuration",
        summary="Examine entries, or the stored ones, as far as MAIL FROM; nothing is sent",
        scopes=(CONFIG_READ, CONFIG_WRITE),
        body="ValidateRequest",
        is_body_optional=True,
        answers={200: ("Examination",)},
        codes=("secrets-unavailable", *_LEDGER),
    ),
    f"POST {_CONFIG}/test": Operation(
        id="testConfiguration",
        tag="Configuration",
        summary="Send a test message by the road that messages take",
        scopes=(CONFIG_WRITE,),
        body="TrialRequest",
        answers={200: _SENT, 202: _SENT},
        headers=("Location", *LIMITS),
        codes=(*_LEAVE, *_NOW),
    ),
    f"GET {_PROVIDERS}": Operation(
        id="listProviders",
        tag="Providers",
        summary="List a project's providers",
        scopes=(CONFIG_READ,),
        answers={200: ("Providers",)},
        headers=("ETag",),
        codes=READ_CODES,
    ),
    f"POST {_PROVIDERS}": Operation(
        id="addProvider",
        tag="Providers",
        summary="Add a provider that takes its credentials",
        scopes=(CONFIG_WRITE,),
        body="ProviderRequest",
        parameters=("IfMatch",),
        answers={201: ("Provider",)},
        headers=("ETag", "Location"),
        codes=CHANGE_CODES,
    ),
    f"GET {_PROVIDERS}/{{providerId}}": Operation(
        id="showProvider",
        tag="Providers",
        summary="Show one provider",
        scopes=(CONFIG_READ,),
        answers={200: ("Provider",)},
        headers=("ETag",),
        codes=READ_CODES,
    ),
    f"PUT {_PROVIDERS}/{{providerId}}": Operation(
        id="replaceProvider",
        tag="Providers",
        summary="Replace what is given of a provider",
        scopes=(CONFIG_WRITE,),
        body="ProviderChange",
        parameters=("IfMatch",),
        answers={200: ("Provider",)},
        headers=("ETag",),
        codes=CHANGE_CODES,
    ),
    f"DELETE {_PROVIDERS}/{{providerId}}": Operation(
        id="removeProvider",
        tag="Providers",
        summary="Remove a provider and its credentials",
        scopes=(CONFIG_WRITE,),
        parameters=("IfMatch",),
        answers={200: ("RemovedProvider",)},
        headers=("ETag",),
        codes=CHANGE_CODES,
    ),
    "GET /v1/provider-schemas": Operation(
        id="listProviderSchemas",
        tag="Providers",
        summary="Describe what each kind of provider is configured by",
        scopes=(),
        answers={200: ("ProviderSchemas",)},
    ),
    "GET /v1/provider-schemas/{provider}": Operation(
        id="showProviderSchema",
        tag="Providers",
        summary="Describe what one kind of provider is configured by",
        scopes=(),
        answers={200: ("ProviderSchema",)},
    ),
    f"GET {_TEMPLATES}": Operation(
        id="listTemplates",
        tag="Templates",
        summary="List the stored templates by name",
        scopes=(CONFIG_READ, SEND),
        parameters=("Limit", "TemplateCursor"),
        answers={200: ("TemplatePage",)},
        codes=_STORE,
    ),
    f"GET {_TEMPLATES}/{{name}}": Operation(
        id="showTemplate",
        tag="Templates",
        summary="Show a template",
        scopes=(CONFIG_READ, SEND),
        answers={200: ("Template",)},
        headers=("ETag",),
        codes=("template-not-found", *_STORE),
    ),
    f"PUT {_TEMPLATES}/{{name}}": Operation(
        id="storeTemplate",
        tag="Templates",
        summary="Store a template",
        scopes=(CONFIG_WRITE,),
        body="TemplateRequest",
        parameters=("IfMatch", "IfNoneMatch"),
        answers={200: ("Template",)},
        headers=("ETag",),
        codes=("template-changed", *_STORE),
    ),
    f"DELETE {_TEMPLATES}/{{name}}": Operation(
        id="removeTemplate",
        tag="Templates",
        summary="Remove a template",
        scopes=(CONFIG_WRITE,),
        parameters=("IfMatch",),
        answers={200: ("RemovedTemplate",)},
        codes=("template-not-found", "template-changed", *_STORE),
    ),
}
