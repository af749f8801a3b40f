"""A fake SendGrid on loopback, over TLS: it answers as documented, and validates and records requests.

Mail Send: 202 with X-Message-Id and no body; 400, 401, 413 and 429 with `errors`. An invalid request is a 400 that
names the field.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping

from tests.support import canaries
from tests.support.certificates import authority
from tests.support.http_service import Answer, Behaviour, HttpService, Request

HOST = "api.sendgrid.example"
MESSAGE_ID = "14c5d75ce93.dfd.64b469"
_MAX_REQUEST = 30 * 1024 * 1024
_RESERVED = frozenset(
    {
        "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from",
        "subject", "reply-to", "cc", "bcc",
    }
)  # fmt: skip


def refusal(status: int, message: str, field: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error in SendGrid's format."""
    document = {"errors": [{"message": message, "field": field, "help": None}]}
    return Answer(status, json.dumps(document).encode(), headers or {})


THROTTLED = refusal(
    429,
    "too many requests",
    headers={"X-RateLimit-Limit": "150", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1392815263"},
)
ACCEPTED = Answer(202, b"", {"X-Message-Id": MESSAGE_ID})


class _Refused(Exception):
    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.answer = refusal(400, message, field)


class FakeSendgrid(HttpService):
    """The API; `behaviour` replaces the acceptance of a valid request."""

    def __init__(
        self,
        *,
        behaviour: Behaviour | None = None,
        scopes: tuple[str, ...] = ("mail.send",),
        on_connect: Callable[[int], Behaviour | None] | None = None,
    ) -> None:
        super().__init__(self._answer, on_connect=on_connect, context=authority().valid(HOST))
        self.messages: list[dict[str, object]] = []
        self._behaviour = behaviour
        self._scopes = scopes

    @property
    def base_url(self) -> str:
        """The base URL for accounts."""
        return f"https://{HOST}:{self.port}"

    def _answer(self, request: Request) -> Behaviour:
        if request.headers.get("authorization") != f"Bearer {canaries.API_KEY}":
            return refusal(401, "The provided authorization grant is invalid, expired, or revoked")
        match request.method, request.target:
            case "GET", "/v3/scopes":
                return self._behaviour or Answer(200, json.dumps({"scopes": self._scopes}).encode())
            case "POST", "/v3/mail/send":
                return self._take(request)
            case _:
                return refusal(404, "not found")

    def _take(self, request: Request) -> Behaviour:
        if len(request.body) > _MAX_REQUEST:
            return refusal(413, "The JSON payload you have included in your request is too large.")
        try:
            message = _checked(request)
        except _Refused as refused:
            return refused.answer
        if self._behaviour is not None:
            return self._behaviour
        self.messages.append(message)
        return ACCEPTED


def _demand(condition: object, message: str, field: str) -> None:
    if not condition:
        raise _Refused(message, field)


def _checked(request: Request) -> dict[str, object]:
    _demand(request.headers.get("content-type") == "application/json", "Bad Request", "Content-Type")
    message = request.json()
    _check_personalizations(message.get("personalizations"))
    _check_mailbox(message.get("from"), "from")
    subject = message.get("subject")
    _demand(isinstance(subject, str) and subject, "The subject is required.", "subject")
    _demand(
        not ("reply_to" in message and "reply_to_list" in message),
        "The reply_to and reply_to_list are mutually exclusive.",
        "reply_to",
    )
    _check_content(message.get("content"))
    for attachment in _list(message.get("attachments", []), "attachments"):
        _check_attachment(attachment)
    headers = _object(message.get("headers", {}), "headers")
    for name, value in headers.items():
        _demand(name.lower() not in _RESERVED, "The header is reserved.", "headers")
        is_one_line = isinstance(value, str) and value.isascii() and value.isprintable()
        _demand(is_one_line, "The header's value must be one line of ASCII.", "headers")
    arguments = _object(message.get("custom_args", {}), "custom_args")
    _demand(all(isinstance(value, str) for value in arguments.values()), "Give strings.", "custom_args")
    _demand(len(json.dumps(arguments)) < 10_000, "custom_args is limited to 10000 bytes.", "custom_args")
    categories = _list(message.get("categories", []), "categories")
    _demand(len(categories) <= 10, "There can be at most 10 categories.", "categories")
    _demand(len(set(map(str, categories))) == len(categories), "Categories must be unique.", "categories")
    return message


def _check_personalizations(value: object) -> None:
    personalizations = _list(value, "personalizations")
    _demand(1 <= len(personalizations) <= 1000, "You must have at least one personalization.", "personalizations")
    for personalization in (_object(each, "personalizations") for each in personalizations):
        _demand(personalization.get("to"), "The to array is required.", "personalizations.0.to")
        seen: set[str] = set()
        for name in ("to", "cc", "bcc"):
            for mailbox in _list(personalization.get(name, []), name):
                email = _check_mailbox(mailbox, f"personalizations.0.{name}").lower()
                _demand(email not in seen, "Each email address should be unique.", "personalizations")
                seen.add(email)


def _check_mailbox(value: object, field: str) -> str:
    email = _object(value, field).get("email")
    _demand(isinstance(email, str) and email.count("@") == 1, "Does not contain a valid address.", f"{field}.email")
    return str(email)


def _check_content(value: object) -> None:
    contents = [_object(each, "content") for each in _list(value, "content")]
    kinds = [content.get("type") for content in contents]
    _demand(kinds in (["text/plain"], ["text/html"], ["text/plain", "text/html"]), "text/plain first.", "content")
    _demand(all(content.get("value") for content in contents), "At least one character.", "content.0.value")


def _check_attachment(value: object) -> None:
    attachment = _object(value, "attachments")
    _demand(attachment.get("filename"), "The attachment filename is required.", "attachments.0.filename")
    content = attachment.get("content")
    try:
        base64.b64decode(str(content), validate=True)
    except binascii.Error:
        raise _Refused("The attachment content must be base64 encoded.", "attachments.0.content") from None
    disposition = attachment.get("disposition")
    _demand(disposition in ("attachment", "inline"), "inline or attachment.", "attachments.0.disposition")
    if disposition == "inline":
        _demand(attachment.get("content_id"), "An inline attachment has an id.", "attachments.0.content_id")


def _list(value: object, field: str) -> list[object]:
    if not isinstance(value, list):
        raise _Refused("Give an array.", field)
    return value


def _object(value: object, field: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _Refused("Give an object.", field)
    return value
