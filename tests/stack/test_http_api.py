"""The HTTP API answers like API Gateway: routes, authorizer, limits."""

import http.client
import urllib.parse

import pytest

from local.client import Caller, call
from tests.support import embedded
from tests.support.embedded import Running

MESSAGE = {"to": "ada@example.com", "subject": "Hello", "text": "It works."}


def url(running: Running, path: str) -> str:
    return f"{running.stack.api_url}{path}"


def test_without_a_token_the_gateway_answers_401(embedded_stack: Running) -> None:
    answer = call("POST", url(embedded_stack, "/v1/projects/acme/emails"), body=MESSAGE)

    assert (answer.status, answer.body) == (401, {"message": "Unauthorized"})


def test_with_an_invalid_token_the_gateway_answers_403(embedded_stack: Running) -> None:
    answer = call("POST", url(embedded_stack, "/v1/projects/acme/emails"), token="nonsense", body=MESSAGE)

    assert (answer.status, answer.body) == (403, {"message": "Forbidden"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("PUT", "/v1/projects/acme/emails"),
        ("PATCH", "/v1/projects/acme/email-config"),
        ("POST", "/v1/projects/acme/emails/"),
        ("POST", "/v1/projects/acme/emails/explain/more"),
        ("POST", "/v1/projects//emails"),
    ],
)
def test_a_path_without_a_route_is_404(embedded_stack: Running, method: str, path: str) -> None:
    answer = call(method, url(embedded_stack, path), token=embedded_stack.stack.tokens["operator"])

    assert (answer.status, answer.body) == (404, {"message": "Not Found"})


def test_a_token_of_another_project_is_refused_by_the_function(embedded_stack: Running) -> None:
    answer = embedded_stack.caller("acme", token_of="plain").post("emails", MESSAGE)

    assert (answer.status, answer.text("code")) == (403, "forbidden")


def test_the_operator_may_act_for_any_project(embedded_stack: Running) -> None:
    answer = embedded_stack.caller("acme", token_of="operator").post("emails/explain", MESSAGE)

    assert answer.status == 200


def test_the_path_parameter_is_decoded(embedded_stack: Running) -> None:
    caller = Caller(embedded_stack.stack, "%61cme", embedded_stack.stack.tokens["acme"])

    assert caller.post("emails/explain", MESSAGE).text("transport") == "project-smtp"


def test_a_body_over_10_megabytes_is_413(embedded_stack: Running) -> None:
    answer = call(
        "POST",
        url(embedded_stack, "/v1/projects/acme/emails"),
        token=embedded_stack.stack.tokens["acme"],
        body=b"{" + b" " * (10 * 1024 * 1024),
    )

    assert (answer.status, answer.body) == (413, {"message": "Request Entity Too Large"})


def test_an_event_over_the_limit_of_lambda_is_413(embedded_stack: Running) -> None:
    answer = embedded_stack.caller("acme").post("emails", {**MESSAGE, "text": "x" * (7 * 1024 * 1024)})

    assert (answer.status, answer.body) == (413, {"message": "Request Entity Too Large"})


def test_a_chunked_body_is_read_whole(embedded_stack: Running) -> None:
    place = urllib.parse.urlsplit(embedded_stack.stack.api_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    connection.request(
        "POST",
        "/v1/projects/acme/emails/explain",
        body=iter([b'{"to": "ada@example.com", ', b'"subject": "Hello", "text": "It works."}']),
        headers={
            "Authorization": f"Bearer {embedded_stack.stack.tokens['acme']}",
            "Content-Type": "application/json",
        },
        encode_chunked=True,
    )
    response = connection.getresponse()
    response.read()
    connection.close()

    assert response.status == 200


def test_a_token_with_too_little_scope_is_refused(embedded_stack: Running) -> None:
    issued = embedded.run_command(
        "token", "--project", "acme", "--scope", "email:read", variables=embedded.environment(embedded_stack.directory)
    )

    answer = Caller(embedded_stack.stack, "acme", issued.stdout.splitlines()[-1]).post("emails", MESSAGE)

    assert (answer.status, answer.text("code")) == (403, "forbidden")
