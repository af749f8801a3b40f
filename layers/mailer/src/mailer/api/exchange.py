"""The gateway's event, as far as the service uses it, and the answer."""

import base64
import binascii
from collections.abc import Mapping
from copy import replace
from http import HTTPStatus

import msgspec
from msgspec import field

from mailer.api.problems import PROBLEM_JSON, error_headers, problem_document
from mailer.errors import InvalidRequest, MailerError
from mailer.problem import Problem
from mailer.project import parse_project_id


class _HttpApiContext(msgspec.Struct, frozen=True, rename="camel"):
    request_id: str = ""
    authorizer: Mapping[str, object] = msgspec.field(default_factory=dict)


class HttpApiEvent(msgspec.Struct, frozen=True, rename="camel"):
    """The part of an HTTP API event (payload 2.0) that is used."""

    route_key: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    path_parameters: Mapping[str, str] = msgspec.field(default_factory=dict)
    query_string_parameters: Mapping[str, str] | None = None
    request_context: _HttpApiContext = msgspec.field(default_factory=_HttpApiContext)
    body: str | None = None
    is_base64_encoded: bool = False

    @property
    def caller(self) -> Mapping[str, object]:
        """The authorizer's context; empty if the route has no authorizer."""
        context = self.request_context.authorizer.get("lambda")
        return context if isinstance(context, Mapping) else {}

    @property
    def subject(self) -> str:
        """The caller, for the audit line."""
        return str(self.caller.get("subject", ""))

    @property
    def role(self) -> str | None:
        """The caller's role, for limits by role."""
        return str(self.caller.get("role", "")) or None

    @property
    def project(self) -> str:
        """The project for log lines: from the path, the query or the token, in this order; empty if malformed."""
        query = self.query_string_parameters or {}
        named = self.path_parameters.get("projectId") or query.get("projectId")
        return parse_project_id(named or str(self.caller.get("project_id", ""))) or ""

    @property
    def instance(self) -> str:
        """The id of the request."""
        return self.request_context.request_id

    def octets(self) -> bytes | str:
        """Return the body; raises `InvalidRequest` for malformed base64."""
        if self.body is None or not self.is_base64_encoded:
            return self.body or ""
        try:
            return base64.b64decode(self.body, validate=True)
        except binascii.Error:
            remedy = "Send one valid JSON value as the body."
            raise InvalidRequest(Problem("invalid-json", remedy, pointer="")) from None


def read_event(event: Mapping[str, object]) -> HttpApiEvent:
    """Read the gateway's event."""
    return msgspec.convert(event, HttpApiEvent)


BUDGET_SECONDS = 24.0
# The time for the answer, the log line and the metrics after the attempt.
RESERVE_SECONDS = 1.5


def request_deadline(now: float, *, seconds_left: float) -> float:
    """Return the time at which the work on a request must end, by the same clock as `now`."""
    return now + min(BUDGET_SECONDS, seconds_left - RESERVE_SECONDS)


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    status: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, **headers: str | None) -> "Answer":
        """Add headers; underscores in their names become hyphens, and a header that is None is left out."""
        named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        return replace(self, headers={**self.headers, **named})


def answer(body: object, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """Answer with a body: a `Body`, a list of them, or a JSON schema."""
    return Answer(int(status), msgspec.json.encode(body).decode())


def answer_error(error: MailerError, *, instance: str) -> Answer:
    """Answer with the problem document of an error."""
    document = problem_document(error, instance=instance)
    return Answer(document.status, msgspec.json.encode(document).decode(), PROBLEM_JSON, error_headers(error))
