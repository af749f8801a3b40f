"""API Gateway's payload format 2.0. HTTP requests become Lambda events, and functions' answers become HTTP responses.

As in HTTP APIs, `rawPath` is decoded and `rawQueryString` is not. Header names are in lower case, repeated values are
joined with commas, and cookies are separate. A body is text only if its media type is a text type.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, unquote

from local.http_server import Request, Response
from local.template import Route

ACCOUNT_ID = "123456789012"
API_ID = "embedded"
STAGE = "$default"

_DOMAIN = f"{API_ID}.execute-api.localhost"
_TEXT = re.compile(r"(?:text/.*|application/(?:json|xml|javascript|.*\+json|.*\+xml))\Z")

type Event = dict[str, object]


@dataclass(frozen=True, slots=True)
class Arrival:
    """The values that API Gateway adds to a request that matches a route."""

    route: Route
    path_parameters: Mapping[str, str]
    request_id: str
    trace_id: str
    time: datetime


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers as the event has them, without cookies."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        key = name.lower()
        if key != "cookie":
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def proxy_event(request: Request, arrival: Arrival, authorizer_context: Mapping[str, object] | None) -> Event:
    """Build the event that the function behind a route receives."""
    event = {"version": "2.0"} | _common(request, arrival)
    if authorizer_context is not None:
        context = event["requestContext"]
        assert isinstance(context, dict)  # noqa: S101 -- built one line above
        context["authorizer"] = {"lambda": dict(authorizer_context)}
    if request.body:
        is_text = _is_text(headers_of(request).get("content-type", ""))
        event["body"] = (
            request.body.decode("utf-8", "replace") if is_text else base64.b64encode(request.body).decode("ascii")
        )
        event["isBase64Encoded"] = not is_text
    else:
        event["isBase64Encoded"] = False
    return event


def authorizer_event(request: Request, arrival: Arrival, *, region: str, identity: tuple[str, ...]) -> Event:
    """Build the event that a route's authorizer receives."""
    path = f"{STAGE}/{request.method}{unquote(request.path)}"
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": f"arn:aws:execute-api:{region}:{ACCOUNT_ID}:{API_ID}/{path}",
        "identitySource": list(identity),
    } | _common(request, arrival)


def to_response(answer: object, request_id: str) -> Response | None:
    """Turn a function's answer into a response; None if it is malformed for API Gateway."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer if isinstance(answer, str) else json.dumps(answer)
        return Response(200, (("content-type", "application/json"), ("apigw-requestid", request_id)), body.encode())
    try:
        status = int(answer["statusCode"])
        text = answer.get("body") or ""
        body_bytes = (
            base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") is True else text.encode("utf-8")
        )
        headers = {str(name).lower(): _header_value(value) for name, value in (answer.get("headers") or {}).items()}
        cookies = [str(cookie) for cookie in answer.get("cookies") or []]
    except (TypeError, ValueError, AttributeError, binascii.Error):
        return None
    if not 100 <= status <= 599:
        return None
    headers.setdefault("content-type", "text/plain;charset=UTF-8")
    headers.pop("content-length", None)
    return Response(
        status,
        (*headers.items(), *(("set-cookie", cookie) for cookie in cookies), ("apigw-requestid", request_id)),
        body_bytes,
    )


def _common(request: Request, arrival: Arrival) -> Event:
    headers = headers_of(request) | _forwarding(request, arrival)
    event: Event = {
        "routeKey": arrival.route.key,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
    }
    cookies = [
        cookie.strip() for name, value in request.headers if name.lower() == "cookie" for cookie in value.split(";")
    ]
    if cookies:
        event["cookies"] = cookies
    event["headers"] = headers
    if query := _query_parameters(request.query):
        event["queryStringParameters"] = query
    event["requestContext"] = {
        "accountId": ACCOUNT_ID,
        "apiId": API_ID,
        "domainName": _DOMAIN,
        "domainPrefix": API_ID,
        "http": {
            "method": request.method,
            "path": unquote(request.path),
            "protocol": request.protocol,
            "sourceIp": request.client_address,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": arrival.request_id,
        "routeKey": arrival.route.key,
        "stage": STAGE,
        "time": arrival.time.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(arrival.time.timestamp() * 1000),
    }
    if arrival.path_parameters:
        event["pathParameters"] = dict(arrival.path_parameters)
    return event


def _forwarding(request: Request, arrival: Arrival) -> dict[str, str]:
    before = headers_of(request).get("x-forwarded-for")
    return {
        "x-amzn-trace-id": f"Root={arrival.trace_id}",
        "x-forwarded-for": f"{before}, {request.client_address}" if before else request.client_address,
        "x-forwarded-proto": "http",
    }


def _query_parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _is_text(content_type: str) -> bool:
    return _TEXT.match(content_type.partition(";")[0].strip().lower()) is not None


def _header_value(value: object) -> str:
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        msg = "a line break in a header"
        raise ValueError(msg)
    return text
