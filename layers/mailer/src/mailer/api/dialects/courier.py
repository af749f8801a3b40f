"""Courier's send API: `POST /send` takes a message and, under `providers.smtp`, overrides for Nodemailer.

Its client repeats a request after 409, 429 and 5xx, unless the answer has `X-Should-Retry: false`. So every error has
this header. It is `true` only if provably nothing was accepted.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body, fill, one_of
from mailer.api.dialects.dialect import Dialect, retry_headers
from mailer.api.dialects.nodemailer import REFUSED, MessageOptions, translate_options
from mailer.api.dialects.translation import Translation
from mailer.api.dialects.transport_options import TransportOptions, translate_config
from mailer.api.emails.history import EmailId
from mailer.api.emails.request import TemplateNameField, ValuesField
from mailer.api.emails.responses import SendResult
from mailer.api.exchange import Answer, answer
from mailer.api.fields.tag import TagsField
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.problems import InternalError, status_of
from mailer.api.route import ErrorShape
from mailer.errors import MailerError, RecipientsRejected
from mailer.message.address import InvalidAddress, parse_address
from mailer.smtp.outcome import Cause, Failure, Phase

ROUTE = "POST /send"

_NO_PROFILES = "Give email: the service stores no profiles, lists or audiences."
_NO_TIMEOUT = "Remove it: an attempt takes at most 24 seconds, and a deferred message is tried again for a day."
_MESSAGE_REFUSED: Mapping[str, str] = {
    "brand_id": "Remove it: give the final content.",
    "channels": "Remove it: give options in providers.smtp.override.",
    "context": "Remove it: the token names the project.",
    "delay": "Remove it: messages are sent at once.",
    "expiry": "Remove it: an undelivered message expires after a day.",
    "preferences": "Remove it: the service stores no preferences.",
    "timeout": _NO_TIMEOUT,
}
_RECIPIENT_REFUSED: Mapping[str, str] = dict.fromkeys(
    (
        "user_id", "list_id", "list_pattern", "audience_id", "phone_number", "preferences", "locale", "tenant_id",
        "account_id", "context", "accessToken", "filters",
    ),
    _NO_PROFILES,
)  # fmt: skip
_METADATA_REFUSED = dict.fromkeys(("event", "trace_id", "utm"), "Remove it, or make it a tag.")
_CONTENT_REFUSED: Mapping[str, str] = {
    "elements": "Give title and body; for HTML give providers.smtp.override.body.html.",
    "version": "Give title and body; for HTML give providers.smtp.override.body.html.",
}
_SMTP_REFUSED: Mapping[str, str] = {
    "if": "Remove it: decide before you send the request.",
    "metadata": "Remove it: give message.metadata.tags.",
    "timeouts": _NO_TIMEOUT,
}
_CHANNELS = ("email", "smtp")
_VARIABLE = re.compile(r"\{\{ *+([A-Za-z_][A-Za-z0-9_.]*+) *+\}\}")

_SMTP = "/message/providers/smtp"
_BODY = f"{_SMTP}/override/body"
_CONFIG = f"{_SMTP}/override/config"
TYPES: Mapping[int, str] = {
    HTTPStatus.FORBIDDEN: "authorization_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.CONFLICT: "idempotency_error",
    HTTPStatus.FAILED_DEPENDENCY: "provider_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal_error",
    HTTPStatus.BAD_GATEWAY: "provider_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "provider_error",
}
# Nodemailer's names of failures before the message was sent.
_NODEMAILER_CODES: Mapping[Cause, str] = {
    Cause.AUTH_MECHANISM_UNSUPPORTED: "EAUTH",
    Cause.CONNECTION_LOST: "ECONNECTION",
    Cause.HOST_BLOCKED: "ECONFIG",
    Cause.NAME_NOT_FOUND: "EDNS",
    Cause.NAME_UNAVAILABLE: "EDNS",
    Cause.PROTOCOL_VIOLATION: "EPROTOCOL",
    Cause.REFUSED: "ECONNECTION",
    Cause.TIMEOUT: "ETIMEDOUT",
    Cause.TOO_LITTLE_TIME: "ETIMEDOUT",
}
_INVALID = "invalid_request_error"


class CourierRecipient(Body, frozen=True, kw_only=True):
    """A recipient, and the values for the placeholders of their message."""

    email: str
    data: ValuesField | None = None


class CourierContent(Body, frozen=True, kw_only=True):
    """The subject and the text of a message."""

    title: str | None = None
    body: str | None = None


class CourierRouting(Body, frozen=True, kw_only=True):
    """Channels; the only channel is e-mail."""

    method: Literal["single", "all"] | None = None
    channels: Annotated[list[Annotated[str, one_of(_CHANNELS)]], Meta(min_length=1)]


class CourierMetadata(Body, frozen=True, kw_only=True):
    """The tags of a message."""

    tags: TagsField | None = None


class CourierOverride(Body, frozen=True, kw_only=True):
    """Message options that replace the content, and a relay for this message only."""

    body: MessageOptions | None = None
    config: TransportOptions | None = None


class CourierSmtp(Body, frozen=True, kw_only=True):
    """Options of the SMTP provider."""

    override: CourierOverride | None = None


class CourierProviders(Body, frozen=True, kw_only=True):
    """Options of providers; only `smtp` has options."""

    smtp: CourierSmtp | None = None


class CourierMessage(Body, frozen=True, kw_only=True):
    """A message, with Courier's names of fields."""

    to: Annotated[
        CourierRecipient | Annotated[list[CourierRecipient], Meta(min_length=1, max_length=1)],
        Meta(examples=[{"email": "ada@example.com"}]),
    ]
    content: Annotated[
        CourierContent | None, Meta(examples=[{"title": "Hello {{name}}", "body": "It works, {{name}}."}])
    ] = None
    template: TemplateNameField | None = None
    data: Annotated[ValuesField | None, Meta(examples=[{"name": "Ada"}])] = None
    providers: CourierProviders | None = None
    routing: CourierRouting | None = None
    metadata: CourierMetadata | None = None


class CourierSend(Body, frozen=True, kw_only=True):
    """A request to send a message."""

    message: CourierMessage


class CourierRequest(Body, frozen=True, kw_only=True, rename="camel"):
    """The id of a message."""

    request_id: EmailId


class CourierError(Body, frozen=True, kw_only=True):
    """An error in Courier's shape; `code` is a code of docs/problems.md, `error` is Nodemailer's name for it."""

    message: str
    type: Annotated[str, one_of(sorted({*TYPES.values(), _INVALID}))]
    code: str
    retryable: bool
    error: str | UnsetType = UNSET
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


def translate(body: object) -> Translation:
    """Translate a message with Courier's fields."""
    translation = Translation()
    message = translation.members(body, "", CourierSend).get("message")
    if not isinstance(message, dict):
        translation.inspection.report("/message", "required", "Give the message.")
        return translation
    members = translation.members(message, "/message", CourierMessage, _MESSAGE_REFUSED)
    data = _put_recipient(members.get("to"), members.get("data"), translation)
    _put_content(members, translation, has_data=data is not None)
    translation.put("template", members.get("template"), "/message/template")
    translation.put("template_data", data, "/message/data")
    _check_routing(members, translation)
    if "metadata" in members:
        metadata = translation.members(members["metadata"], "/message/metadata", CourierMetadata, _METADATA_REFUSED)
        translation.put("tags", metadata.get("tags"), "/message/metadata/tags")
    if "providers" in members:
        _put_override(members["providers"], translation)
    return translation


def show(result: SendResult) -> Answer:
    """Answer with the message's id. As at Courier, the status is always 202."""
    return answer(CourierRequest(request_id=result.id), HTTPStatus.ACCEPTED)


def refuse(error: MailerError, instance: str = "") -> Answer:
    """Answer with an error in Courier's shape."""
    status = status_of(error.code)
    document = fill(
        CourierError,
        error,
        message=_message(error),
        type=TYPES.get(status, _INVALID),
        error=_nodemailer_code(error.failure, error) if error.failure is not None else None,
        problems=problem_views(error.problems) or None,
        request_id=instance if isinstance(error, InternalError) else None,
    )
    return answer(document, status).with_headers(
        **retry_headers(error), X_Should_Retry="true" if error.retryable else "false"
    )


def _message(error: MailerError) -> str:
    if not error.problems:
        return error.detail
    first = error.problems[0]
    return f"{first.pointer or first.entry or first.parameter or ''}: {first.detail}".removeprefix(": ")


def _nodemailer_code(failure: Failure, error: MailerError) -> str:
    if failure.cause is Cause.REPLY:
        if failure.phase is Phase.AUTH:
            return "EAUTH"
        return "EENVELOPE" if isinstance(error, RecipientsRejected) else "EMESSAGE"
    if failure.cause.value.startswith(("certificate", "tls", "starttls")):
        return "ETLS"
    return _NODEMAILER_CODES.get(failure.cause, "EMESSAGE")


def _put_recipient(value: object, data: object, into: Translation) -> object:
    """Write the recipient. Return the values for the content; a value of the recipient replaces one of the message."""
    place = "/message/to"
    if isinstance(value, list):
        if len(value) != 1:
            # Courier sends a message to each recipient. In one message of ours the recipients would see each other.
            remedy = "Give one recipient in each request."
            into.inspection.report(place, "too-many-recipients", remedy)
            into.put("to", "", place)
            return data
        value, place = value[0], f"{place}/0"
    if value is None:
        into.map_pointer("/to", "/message/to/email")
        return data
    members = into.members(value, place, CourierRecipient, _RECIPIENT_REFUSED)
    into.map_pointer("/to", f"{place}/email")
    into.put("to", members.get("email"), f"{place}/email")
    own = members.get("data")
    if isinstance(own, dict) and isinstance(data, dict | None):
        return {**(data or {}), **own}
    if own is not None:
        into.inspection.report(f"{place}/data", "wrong-type", "Give an object of names and their values.")
    return data


def _put_content(members: Mapping[str, object], into: Translation, *, has_data: bool) -> None:
    into.map_pointer("/subject", "/message/content/title")
    into.map_pointer("/text", "/message/content/body")
    if "content" not in members:
        return
    content = into.members(members["content"], "/message/content", CourierContent, _CONTENT_REFUSED)
    for theirs, ours in (("title", "subject"), ("body", "text")):
        value = content.get(theirs)
        if has_data and isinstance(value, str):
            value = _VARIABLE.sub(r"{\1}", value)
        into.put(ours, value, f"/message/content/{theirs}")


def _check_routing(members: Mapping[str, object], into: Translation) -> None:
    if "routing" not in members:
        return
    routing = into.members(members["routing"], "/message/routing", CourierRouting)
    channels = routing.get("channels")
    if routing.get("method", "single") not in ("single", "all"):
        into.inspection.report("/message/routing/method", "unknown-value", "Give single or all.")
    if not isinstance(channels, list) or not channels or any(channel not in _CHANNELS for channel in channels):
        remedy = "Give email, smtp or both."
        into.inspection.report("/message/routing/channels", "option-not-supported", remedy)


def _put_override(value: object, into: Translation) -> None:
    others = dict.fromkeys(value, "Remove it: the provider here is smtp.") if isinstance(value, dict) else {}
    others.pop("smtp", None)
    smtp = into.members(value, "/message/providers", CourierProviders, others).get("smtp", {})
    override = into.members(smtp, _SMTP, CourierSmtp, _SMTP_REFUSED).get("override", {})
    parts = into.members(override, f"{_SMTP}/override", CourierOverride)
    if "body" in parts:
        translate_options(into.members(parts["body"], _BODY, MessageOptions, REFUSED), _BODY, into)
    if "config" in parts:
        transport = translate_config(parts["config"], _CONFIG, into)
        into.put("transport", transport, _CONFIG)
        _put_sender_of(transport, into)


def _put_sender_of(transport: Mapping[str, object], into: Translation) -> None:
    """Use the transport's user name as From if it is an address and the request has no From."""
    into.map_pointer("/from", f"{_BODY}/from")
    username = transport.get("username")
    if "from" in into.value or not isinstance(username, str):
        return
    try:
        parse_address(username)
    except InvalidAddress:
        return
    into.value["from"] = username


DIALECT = Dialect(
    name="Courier",
    route=ROUTE,
    summary="Send a message with Courier's fields",
    request=CourierSend,
    answers={202: CourierRequest},
    translate=translate,
    show=show,
    errors=ErrorShape(refuse, CourierError, headers=("Retry-After", "X-Should-Retry")),
)
