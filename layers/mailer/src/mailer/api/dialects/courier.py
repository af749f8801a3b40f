"""Courier's send API: `POST /send` takes a message and, under `providers.smtp`, overrides for Nodemailer.

Its client repeats 409, 429 and every 5xx by itself, unless the answer has `X-Should-Retry: false`. So every error says
whether repeating it is right, and only what provably left nothing behind says yes.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from msgspec import UNSET, UnsetType

from mailer.api.body import Body, one_of
from mailer.api.dialects.dialect import Dialect, SendResult, retry_headers
from mailer.api.dialects.nodemailer import FIELDS, REFUSED, translate_options
from mailer.api.dialects.translation import Translation
from mailer.api.dialects.transport_options import translate_config
from mailer.api.emails.history import EmailId
from mailer.api.exchange import Answer, answer
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.problems import INTERNAL_ERROR, INTERNAL_ERROR_DETAIL, STATUS
from mailer.errors import MailerError, RecipientsRejected
from mailer.message.address import InvalidAddress, parse_address
from mailer.smtp.outcome import Cause, Failure, Phase

ROUTE = "POST /send"

MESSAGE_FIELDS = ("to", "content", "template", "data", "providers", "routing", "metadata")
_NO_PROFILES = "Give email: no profiles, lists or audiences are kept here."
_NO_TIMEOUT = "Remove it: an attempt takes 24 seconds at most, and what was deferred is tried again for a day."
_MESSAGE_REFUSED: Mapping[str, str] = {
    "brand_id": "Remove it: give the content as it is to look.",
    "channels": "Remove it: give options in providers.smtp.override.",
    "context": "Remove it: the token's project is the tenant.",
    "delay": "Remove it: messages leave at once.",
    "expiry": "Remove it: what cannot leave expires after a day.",
    "preferences": "Remove it: no preferences are kept here.",
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
    "if": "Remove it: conditions are the caller's to decide.",
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
    HTTPStatus.BAD_GATEWAY: "provider_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "provider_error",
}
# As Nodemailer names what failed before the message left.
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


_INVALID, _BROKEN = "invalid_request_error", "internal_error"


class CourierRequest(Body, frozen=True, kw_only=True):
    """The id of a message."""

    requestId: EmailId  # noqa: N815 -- Courier's name


class CourierError(Body, frozen=True, kw_only=True):
    """An error of Courier; `code` is one of docs/problems.md, `error` Nodemailer's name for it."""

    message: str
    type: Annotated[str, one_of(sorted({*TYPES.values(), _INVALID, _BROKEN}))]
    code: str
    retryable: bool
    error: str | UnsetType = UNSET
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


def translate(body: object) -> Translation:
    """Say a message in our words."""
    translation = Translation()
    message = translation.members(body, "", ("message",), {}).get("message")
    if not isinstance(message, dict):
        translation.inspection.report("/message", "required", "Give the message.")
        return translation
    members = translation.members(message, "/message", MESSAGE_FIELDS, _MESSAGE_REFUSED)
    data = _put_recipient(members.get("to"), members.get("data"), translation)
    _put_content(members, translation, has_data=data is not None)
    translation.put("template", members.get("template"), "/message/template")
    translation.put("template_data", data, "/message/data")
    _check_routing(members, translation)
    if "metadata" in members:
        metadata = translation.members(members["metadata"], "/message/metadata", ("tags",), _METADATA_REFUSED)
        translation.put("tags", metadata.get("tags"), "/message/metadata/tags")
    if "providers" in members:
        _put_override(members["providers"], translation)
    return translation


def show(result: SendResult) -> Answer:
    """Answer with the message's id; the status is always 202, as Courier answers."""
    return answer(CourierRequest(requestId=result.id), HTTPStatus.ACCEPTED)


def refuse(error: MailerError) -> Answer:
    """Answer with message and type, and whether to repeat the request."""
    status = STATUS[error.code]
    document = CourierError(
        message=_message(error),
        type=TYPES.get(status, _INVALID),
        code=error.code,
        retryable=error.retryable,
        error=UNSET if error.failure is None else _nodemailer_code(error.failure, error),
        problems=problem_views(error.problems) or UNSET,
    )
    return answer(document, status).with_headers(
        **retry_headers(error), X_Should_Retry="true" if error.retryable else "false"
    )


def fail(instance: str) -> Answer:
    """Answer after an error in the service itself; the client must not repeat it, as the message may have been sent."""
    document = CourierError(
        message=INTERNAL_ERROR_DETAIL, type=_BROKEN, code=INTERNAL_ERROR, retryable=False, request_id=instance
    )
    return answer(document, HTTPStatus.INTERNAL_SERVER_ERROR).with_headers(X_Should_Retry="false")


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
    """Write the recipient, and return the values for the content: the message's, and over them the recipient's own."""
    place = "/message/to"
    if isinstance(value, list):
        if len(value) != 1:
            # Courier makes a message for each of them; here they would see one another.
            remedy = "Give one recipient for each request: everybody gets a message of their own."
            into.inspection.report(place, "too-many-recipients", remedy)
            into.put("to", "", place)
            return data
        value, place = value[0], f"{place}/0"
    if value is None:
        into.stood("/to", "/message/to/email")
        return data
    members = into.members(value, place, ("email", "data"), _RECIPIENT_REFUSED)
    into.stood("/to", f"{place}/email")
    into.put("to", members.get("email"), f"{place}/email")
    own = members.get("data")
    if isinstance(own, dict) and isinstance(data, dict | None):
        return {**(data or {}), **own}
    if own is not None:
        into.inspection.report(f"{place}/data", "wrong-type", "Give an object of names and their values.")
    return data


def _put_content(members: Mapping[str, object], into: Translation, *, has_data: bool) -> None:
    into.stood("/subject", "/message/content/title")
    into.stood("/text", "/message/content/body")
    if "content" not in members:
        return
    content = into.members(members["content"], "/message/content", ("title", "body"), _CONTENT_REFUSED)
    for theirs, ours in (("title", "subject"), ("body", "text")):
        value = content.get(theirs)
        if has_data and isinstance(value, str):
            value = _VARIABLE.sub(r"{\1}", value)
        into.put(ours, value, f"/message/content/{theirs}")


def _check_routing(members: Mapping[str, object], into: Translation) -> None:
    if "routing" not in members:
        return
    routing = into.members(members["routing"], "/message/routing", ("method", "channels"), {})
    channels = routing.get("channels")
    if routing.get("method", "single") not in ("single", "all"):
        into.inspection.report("/message/routing/method", "unknown-value", "Give single or all.")
    if not isinstance(channels, list) or not channels or any(channel not in _CHANNELS for channel in channels):
        remedy = "Give email, smtp or both: there is no other channel."
        into.inspection.report("/message/routing/channels", "option-not-supported", remedy)


def _put_override(value: object, into: Translation) -> None:
    others = dict.fromkeys(value, "Remove it: the provider here is smtp.") if isinstance(value, dict) else {}
    others.pop("smtp", None)
    smtp = into.members(value, "/message/providers", ("smtp",), others).get("smtp", {})
    override = into.members(smtp, _SMTP, ("override",), _SMTP_REFUSED).get("override", {})
    parts = into.members(override, f"{_SMTP}/override", ("body", "config"), {})
    if "body" in parts:
        translate_options(into.members(parts["body"], _BODY, FIELDS, REFUSED), _BODY, into)
    if "config" in parts:
        transport = translate_config(parts["config"], _CONFIG, into)
        into.put("transport", transport, _CONFIG)
        _put_sender_of(transport, into)


def _put_sender_of(transport: Mapping[str, object], into: Translation) -> None:
    """Send as the user who logs in, where the user is an address and nobody else is named."""
    into.stood("/from", f"{_BODY}/from")
    username = transport.get("username")
    if "from" in into.value or not isinstance(username, str):
        return
    try:
        parse_address(username)
    except InvalidAddress:
        return
    into.value["from"] = username


DIALECT = Dialect(ROUTE, translate, show, refuse, fail)
