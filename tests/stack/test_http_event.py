"""API Gateway's payload format 2.0, as the stack implements it."""

import json
from datetime import UTC, datetime

import pytest

from local.client import find
from local.http_event import Arrival, authorizer_event, proxy_event, to_response
from local.http_server import Request
from local.template import Route

ROUTE = Route("POST", "/v1/projects/{projectId}/emails", "SendFunction", None)
ARRIVAL = Arrival(ROUTE, {"projectId": "acme"}, "request-1", "1-trace", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def request(target: str = "/v1/projects/acme/emails", *headers: tuple[str, str], body: bytes = b"") -> Request:
    return Request("POST", target, headers, body, "192.0.2.1")


class TestEvent:
    def test_the_path_is_decoded_and_the_query_is_not(self) -> None:
        event = proxy_event(request("/v1/a%20b?q=%C3%A9&q=2"), ARRIVAL, None)

        assert (event["rawPath"], event["rawQueryString"]) == ("/v1/a b", "q=%C3%A9&q=2")
        assert event["queryStringParameters"] == {"q": "é,2"}

    def test_header_names_are_lower_case_and_repeated_values_joined(self) -> None:
        event = proxy_event(request("/", ("X-One", "1"), ("x-one", "2"), ("Host", "h")), ARRIVAL, None)

        assert (find(event, "headers", "x-one"), find(event, "headers", "host")) == ("1,2", "h")

    def test_cookies_are_separate_from_headers(self) -> None:
        event = proxy_event(request("/", ("Cookie", "a=1; b=2")), ARRIVAL, None)

        assert (event["cookies"], find(event, "headers", "cookie")) == (["a=1", "b=2"], None)

    def test_the_gateway_adds_forwarding_headers(self) -> None:
        event = proxy_event(request("/", ("X-Forwarded-For", "198.51.100.1")), ARRIVAL, None)

        assert event["headers"] == {
            "x-amzn-trace-id": "Root=1-trace",
            "x-forwarded-for": "198.51.100.1, 192.0.2.1",
            "x-forwarded-proto": "http",
        }

    @pytest.mark.parametrize(
        ("content_type", "body", "expected"),
        [
            ("application/json", b'{"a": 1}', ('{"a": 1}', False)),
            ("application/json; charset=utf-8", "é".encode(), ("é", False)),
            ("text/plain", b"hello", ("hello", False)),
            ("application/octet-stream", b"hello", ("aGVsbG8=", True)),
        ],
    )
    def test_a_body_is_text_only_with_a_text_type(
        self, content_type: str, body: bytes, expected: tuple[str, bool]
    ) -> None:
        event = proxy_event(request("/", ("Content-Type", content_type), body=body), ARRIVAL, None)

        assert (event["body"], event["isBase64Encoded"]) == expected

    def test_without_a_body_the_event_has_no_body_member(self) -> None:
        event = proxy_event(request(), ARRIVAL, None)

        assert "body" not in event
        assert event["isBase64Encoded"] is False

    def test_the_request_context_names_route_caller_and_time(self) -> None:
        event = proxy_event(request("/v1", ("User-Agent", "curl")), ARRIVAL, None)

        assert find(event, "requestContext", "http") == {
            "method": "POST",
            "path": "/v1",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "curl",
        }
        assert find(event, "requestContext", "time") == "02/Jan/2026:03:04:05 +0000"
        assert find(event, "requestContext", "requestId") == "request-1"
        assert (event["routeKey"], event["version"]) == ("POST /v1/projects/{projectId}/emails", "2.0")
        assert event["pathParameters"] == {"projectId": "acme"}

    def test_the_authorizer_s_context_reaches_the_function(self) -> None:
        event = proxy_event(request(), ARRIVAL, {"project_id": "acme"})

        assert find(event, "requestContext", "authorizer", "lambda") == {"project_id": "acme"}

    def test_the_authorizer_gets_the_token_and_no_body(self) -> None:
        asked = request("/v1", ("Authorization", "Bearer x"), body=b"{}")

        event = authorizer_event(asked, ARRIVAL, region="eu-west-1", identity=("Bearer x",))

        assert (event["type"], event["identitySource"]) == ("REQUEST", ["Bearer x"])
        assert find(event, "headers", "authorization") == "Bearer x"
        assert "body" not in event


class TestResponse:
    def test_status_headers_and_body(self) -> None:
        answer = {"statusCode": 202, "headers": {"Content-Type": "application/json", "X-N": 1}, "body": "{}"}

        response = to_response(answer, "request-1")

        assert response is not None
        assert (response.status, response.body) == (202, b"{}")
        assert dict(response.headers) == {
            "content-type": "application/json",
            "x-n": "1",
            "apigw-requestid": "request-1",
        }

    def test_a_base64_body_is_decoded(self) -> None:
        response = to_response({"statusCode": 200, "body": "aGVsbG8=", "isBase64Encoded": True}, "request-1")

        assert response is not None
        assert response.body == b"hello"

    def test_each_cookie_is_a_header(self) -> None:
        response = to_response({"statusCode": 200, "cookies": ["a=1", "b=2"]}, "request-1")

        assert response is not None
        assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]

    def test_an_answer_without_a_status_becomes_the_body(self) -> None:
        response = to_response({"hello": "world"}, "request-1")

        assert response is not None
        assert (response.status, json.loads(response.body)) == (200, {"hello": "world"})

    @pytest.mark.parametrize(
        "answer",
        [
            {"statusCode": "soon"},
            {"statusCode": 99},
            {"statusCode": 200, "body": 7},
            {"statusCode": 200, "body": "%", "isBase64Encoded": True},
            {"statusCode": 200, "headers": {"x": "a\r\nb: c"}},
            {"statusCode": 200, "headers": ["x"]},
        ],
    )
    def test_a_malformed_answer_is_rejected(self, answer: dict[str, object]) -> None:
        assert to_response(answer, "request-1") is None
