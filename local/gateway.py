"""The HTTP API: the template's routes and authorizer, with API Gateway's answers and limits."""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from local.environment import EventTooLarge, FunctionFailed, Invoke, StillRunning
from local.http_event import Arrival, authorizer_event, headers_of, proxy_event, to_response
from local.http_server import Request, Response
from local.template import Authorizer, Route

TIMEOUT_SECONDS = 30.0

_VARIABLE = re.compile(r"\{([A-Za-z0-9._-]+)(\+?)\}")


def _message(status: int, message: str) -> Response:
    return Response(status, (("content-type", "application/json"),), json.dumps({"message": message}).encode())


NOT_FOUND = _message(404, "Not Found")
UNAUTHORIZED = _message(401, "Unauthorized")
FORBIDDEN = _message(403, "Forbidden")
TOO_LARGE = _message(413, "Request Entity Too Large")
FAILED = _message(500, "Internal Server Error")
TIMED_OUT = _message(503, "Service Unavailable")


@dataclass(frozen=True, slots=True)
class _Decision:
    """An authorizer's answer, and the time when it expires. Without a context the request is forbidden."""

    context: Mapping[str, object] | None
    expires: float


class Gateway:
    """An application for `wsgi_app`; `functions` are invoked by logical id."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        functions: Mapping[str, Invoke],
        *,
        region: str,
        monotonic: Callable[[], float] = time.monotonic,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        # A route without parameters is more specific than one with them.
        ordered = sorted(routes, key=lambda route: len(_VARIABLE.findall(route.path)))
        self._routes = [(route, _pattern(route.path)) for route in ordered]
        self._functions = functions
        self._region = region
        self._monotonic = monotonic
        self._timeout_seconds = timeout_seconds
        self._decisions: dict[tuple[Authorizer, tuple[str, ...]], _Decision] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        """Answer one request within the API's time limit."""
        arrival = self._match(request)
        if arrival is None:
            return NOT_FOUND
        deadline = self._monotonic() + self._timeout_seconds
        try:
            return self._serve(request, arrival, deadline)
        except EventTooLarge:
            return TOO_LARGE
        except FunctionFailed:
            return FAILED
        except StillRunning:
            return TIMED_OUT

    def _serve(self, request: Request, arrival: Arrival, deadline: float) -> Response:
        context: Mapping[str, object] | None = None
        if arrival.route.authorizer is not None:
            authorized = self._authorize(request, arrival, arrival.route.authorizer, deadline)
            if isinstance(authorized, Response):
                return authorized
            context = authorized
        answer = self._invoke(arrival.route.function, proxy_event(request, arrival, context), deadline)
        return to_response(answer, arrival.request_id) or FAILED

    def _invoke(self, function: str, event: object, deadline: float) -> object:
        return self._functions[function](event, patience_seconds=deadline - self._monotonic())

    def _match(self, request: Request) -> Arrival | None:
        for route, pattern in self._routes:
            if route.method in (request.method, "ANY") and (matched := pattern.match(request.path)):
                names = [name for name, _ in _VARIABLE.findall(route.path)]
                parameters = dict(zip(names, map(unquote, matched.groups()), strict=True))
                now = datetime.now(UTC)
                trace_id = f"1-{int(now.timestamp()):08x}-{uuid.uuid4().hex[:24]}"
                return Arrival(route, parameters, f"{uuid.uuid4().hex[:15]}=", trace_id, now)
        return None

    def _authorize(
        self, request: Request, arrival: Arrival, authorizer: Authorizer, deadline: float
    ) -> Mapping[str, object] | Response:
        headers = headers_of(request)
        identity = tuple(headers.get(name, "") for name in authorizer.headers)
        if not all(identity):
            return UNAUTHORIZED
        key = (authorizer, identity)
        with self._lock:
            decision = self._decisions.get(key)
        if decision is None or decision.expires <= self._monotonic():
            event = authorizer_event(request, arrival, region=self._region, identity=identity)
            answer = self._invoke(authorizer.function, event, deadline)
            if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
                return FAILED
            context = (answer.get("context") or {}) if answer["isAuthorized"] else None
            decision = _Decision(context, self._monotonic() + authorizer.cache_seconds)
            with self._lock:
                now = self._monotonic()
                self._decisions = {other: kept for other, kept in self._decisions.items() if kept.expires > now}
                self._decisions[key] = decision
        return FORBIDDEN if decision.context is None else decision.context


def _pattern(path: str) -> re.Pattern[str]:
    parts = []
    end = 0
    for variable in _VARIABLE.finditer(path):
        parts.append(re.escape(path[end : variable.start()]) + ("(.+)" if variable[2] else "([^/]+)"))
        end = variable.end()
    return re.compile("".join(parts) + re.escape(path[end:]) + r"\Z")
