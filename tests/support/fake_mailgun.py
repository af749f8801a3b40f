"""A fake Mailgun on loopback, over TLS: it answers as documented, and validates and records requests."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy

from tests.support import canaries
from tests.support.certificates import authority
from tests.support.http_service import Answer, Behaviour, HttpService, Request

HOST = "api.mailgun.example"
DOMAIN = "mg.acme.example"
MESSAGE_ID = "<20260102030405.1.ABC@mg.acme.example>"
_NAME = re.compile(rb'name="([^"]*)"')
_MAX_MESSAGE = 25 * 1024 * 1024


@dataclass(frozen=True)
class Form:
    """The form of a message: its fields in order, and the octets of its file."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    message: bytes | None = None

    def values(self, name: str) -> list[str]:
        """Return the values of this field."""
        return [value for key, value in self.fields if key == name]


def refusal(status: int, message: str) -> Answer:
    """Return an error in Mailgun's format."""
    return Answer(status, json.dumps({"message": message}).encode())


FORBIDDEN = Answer(401, b"Forbidden", {"Content-Type": "text/plain", "WWW-Authenticate": 'Basic realm="MG API"'})
THROTTLED = refusal(429, "Domain mg.acme.example is not allowed to send: too many requests")
ACCEPTED = Answer(200, json.dumps({"id": MESSAGE_ID, "message": "Queued. Thank you."}).encode())


class FakeMailgun(HttpService):
    """The API; `behaviour` replaces the acceptance of a valid request.

    With `is_sending_key` the key may only post messages.
    """

    def __init__(
        self,
        *,
        behaviour: Behaviour | None = None,
        is_sending_key: bool = False,
        state: str = "active",
        on_connect: Callable[[int], Behaviour | None] | None = None,
    ) -> None:
        super().__init__(self._answer, on_connect=on_connect, context=authority().valid(HOST))
        self.forms: list[Form] = []
        self._behaviour = behaviour
        self._is_sending_key = is_sending_key
        self._state = state

    @property
    def base_url(self) -> str:
        """The base URL for accounts."""
        return f"https://{HOST}:{self.port}"

    def _answer(self, request: Request) -> Behaviour:
        credentials = base64.b64encode(f"api:{canaries.API_KEY}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {credentials}":
            return FORBIDDEN
        match request.method, request.target.strip("/").split("/"):
            case "GET", ["v3", "domains", domain]:
                return self._describe(domain)
            case "POST", ["v3", domain, "messages.mime"]:
                return self._take(request, domain)
            case _:
                return refusal(404, "Not found")

    def _describe(self, domain: str) -> Behaviour:
        if self._is_sending_key:
            return FORBIDDEN
        if domain != DOMAIN:
            return refusal(404, "Domain not found: " + domain)
        if self._behaviour is not None:
            return self._behaviour
        document = {"domain": {"name": domain, "state": self._state, "is_disabled": self._state == "disabled"}}
        return Answer(200, json.dumps(document).encode())

    def _take(self, request: Request, domain: str) -> Behaviour:
        if domain != DOMAIN:
            return refusal(404, "Domain not found: " + domain)
        form = _form(request)
        recipients = form.values("to")
        if not recipients:
            return refusal(400, "to parameter is missing")
        if not all(recipient.count("@") == 1 for recipient in recipients):
            return refusal(400, "to parameter is not a valid address. please check documentation")
        if form.message is None:
            return refusal(400, "message parameter is missing")
        if len(form.message) > _MAX_MESSAGE:
            return refusal(413, "Request entity too large")
        if len(form.values("o:tag")) > 3 or not all(tag.isascii() and len(tag) <= 128 for tag in form.values("o:tag")):
            return refusal(400, "o:tag parameter is not valid")
        parsed = message_from_bytes(form.message, policy=policy.SMTP)
        if parsed.defects or not parsed["From"]:
            return refusal(400, "message parameter is not a MIME message")
        if self._behaviour is not None:
            return self._behaviour
        self.forms.append(form)
        return ACCEPTED


def _form(request: Request) -> Form:
    kind, _, boundary = request.headers.get("content-type", "").partition("; boundary=")
    if kind != "multipart/form-data":
        return Form()
    delimiter = b"\r\n--" + boundary.encode()
    head, *parts, end = (b"\r\n" + request.body).split(delimiter)
    assert (head, end) == (b"", b"--\r\n"), "a form begins and ends with its boundary"
    fields: list[tuple[str, str]] = []
    message = None
    for part in parts:
        header, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = _NAME.search(header)
        assert named is not None
        if b"filename=" in header:
            assert named[1] == b"message"
            message = content
        else:
            fields.append((named[1].decode(), content.decode()))
    return Form(fields, message)
