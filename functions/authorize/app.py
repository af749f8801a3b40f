"""The HTTP API's Lambda authorizer: it turns a token into a project, scopes and a subject, or refuses the request.

The functions check the project of the path, because the gateway may reuse this answer for other paths. The gateway
caches the answer by the header that the route's authorizer names, so only this header is read. Clients of some
dialects send the token in another header than Authorization.
"""

import re
from collections.abc import Callable
from typing import NotRequired, Protocol, TypedDict

from aws_lambda_powertools import Logger
from mailer import wiring
from mailer.token import Refusal, TokenRefused, TokenVerifier

_BEARER = re.compile(r"bearer +([A-Za-z0-9_.~+/=-]+)\Z", re.IGNORECASE)
_BARE = re.compile(r"([A-Za-z0-9_.~+/=-]+)\Z")
_AUTHORIZATION = "authorization"
# The headers that may hold the token, for routes of dialects that do not use only Authorization. A route with two
# possible headers has no cache key, so the gateway does not cache its answers.
_TOKEN_HEADERS = {
    "POST /api/v2/{service}": ("x-dreamfactory-api-key",),
    "POST /email/send": ("x-api-key", _AUTHORIZATION),
    "POST /email/send-bulk": ("x-api-key", _AUTHORIZATION),
}


class Context(TypedDict):
    """The caller, in the form that the functions get."""

    project_id: str
    scope: str
    subject: str
    role: NotRequired[str]


class Answer(TypedDict, total=False):
    """The gateway's simple response."""

    isAuthorized: bool
    context: Context


class AuthorizerEvent(TypedDict, total=False):
    """The part of the gateway's request (payload 2.0) that this function reads."""

    routeKey: str
    headers: dict[str, str] | None


class ReasonLog(Protocol):
    """A logger for the reason of a refusal."""

    def info(self, msg: str, *, reason: str) -> None:
        """Write one line."""


def create_handler(*, verifier: TokenVerifier, log: ReasonLog) -> Callable[[AuthorizerEvent, object], Answer]:
    """Build the handler around a verifier."""

    def handler(event: AuthorizerEvent, _context: object) -> Answer:
        try:
            principal = verifier.verify(_token(event))
        except TokenRefused as refused:
            log.info("token refused", reason=refused.refusal.value)
            return {"isAuthorized": False}
        context: Context = {
            "project_id": principal.project_claim,
            "scope": principal.scope_claim,
            "subject": principal.subject,
        }
        if principal.role is not None:
            context["role"] = principal.role
        return {"isAuthorized": True, "context": context}

    return handler


def _token(event: AuthorizerEvent) -> str:
    names = _TOKEN_HEADERS.get(event.get("routeKey", ""), (_AUTHORIZATION,))
    headers = event.get("headers") or {}
    tokens = [(name.lower(), value) for name, value in headers.items() if name.lower() in names]
    if not tokens:
        raise TokenRefused(Refusal.MISSING)
    name, value = tokens[0]
    matched = (_BEARER if name == _AUTHORIZATION else _BARE).match(value.strip(" ")) if len(tokens) == 1 else None
    if matched is None:
        raise TokenRefused(Refusal.MALFORMED)
    return matched[1]


lambda_handler = create_handler(verifier=wiring.token_verifier(), log=Logger())
