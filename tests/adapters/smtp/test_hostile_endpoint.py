"""Hostile token endpoints: they refuse, redirect, answer wrongly, stall, or have an internal address."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.adapters.net.dial import AddressInfo
from mailer.adapters.smtp.oauth_tokens import OAuthTokens
from mailer.adapters.smtp.session import TokenFailed
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import TokenGrant
from mailer.smtp.outcome import Cause

from tests.support import certificates
from tests.support.certificates import authority
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import loopback_resolver
from tests.support.steps import Close, Drip, Flood, Hang, Reset, Send, Step
from tests.support.token_endpoint import (
    CLIENT_SECRET,
    ENDPOINT_NAME,
    LOOPBACK,
    PATIENT,
    TokenEndpoint,
    answer,
    ask,
    endpoint,
    grant_at,
    http_answer,
    token,
    token_source,
)


def cause_of(*answers: Step, fetch_seconds: float = PATIENT, refresh_token: str | None = None) -> Cause:
    with HostileRelay(endpoint(*answers)) as server, pytest.raises(TokenFailed) as failed:
        ask(token_source(fetch_seconds=fetch_seconds), grant_at(server, refresh_token=refresh_token))
    return failed.value.cause


@pytest.mark.parametrize(
    ("status", "error", "cause"),
    [
        (400, "invalid_client", Cause.OAUTH_CLIENT_REJECTED),
        (401, "invalid_client", Cause.OAUTH_CLIENT_REJECTED),
        (401, None, Cause.OAUTH_CLIENT_REJECTED),
        (400, "unauthorized_client", Cause.OAUTH_CLIENT_UNAUTHORIZED),
        (403, "access_denied", Cause.OAUTH_CLIENT_UNAUTHORIZED),
        (400, "invalid_grant", Cause.OAUTH_GRANT_REJECTED),
        (400, "invalid_scope", Cause.OAUTH_SCOPE_REJECTED),
        (400, "invalid_resource", Cause.OAUTH_SCOPE_REJECTED),
        (400, "invalid_request", Cause.OAUTH_REQUEST_REJECTED),
        (400, "unsupported_grant_type", Cause.OAUTH_REQUEST_REJECTED),
        (400, ["invalid_client"], Cause.OAUTH_REQUEST_REJECTED),
        (404, None, Cause.OAUTH_REQUEST_REJECTED),
        (400, "temporarily_unavailable", Cause.OAUTH_UNAVAILABLE),
        (429, "invalid_client", Cause.OAUTH_UNAVAILABLE),
        (408, None, Cause.OAUTH_UNAVAILABLE),
        (500, "invalid_client", Cause.OAUTH_UNAVAILABLE),
        (503, None, Cause.OAUTH_UNAVAILABLE),
    ],
)
def test_a_refusal_by_the_endpoint_has_its_cause(status: int, error: object, cause: Cause) -> None:
    assert cause_of(answer(status, error=error, error_description="x")) is cause


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_SH1_a_redirect_is_never_followed(status: int) -> None:
    behaviour = endpoint(http_answer(status, b"", f"Location: https://{ENDPOINT_NAME}/elsewhere"), token("t1"))

    with HostileRelay(behaviour) as server, pytest.raises(TokenFailed) as failed:
        ask(token_source(), grant_at(server))

    assert failed.value.cause is Cause.OAUTH_REQUEST_REJECTED
    assert len(server.connections) == 1


MALFORMED = {
    "not-json": http_answer(200, b"<html>sign in</html>"),
    "not-utf-8": http_answer(200, b'{"access_token": "\xff"}'),
    "a-list": http_answer(200, b"[]"),
    "deep": http_answer(200, b"[" * 60_000),
    "endless-number": http_answer(200, b'{"expires_in": ' + b"9" * 20_000 + b"}"),
    "no-content": Send(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "empty-object": answer(),
    "no-type": answer(access_token="t1"),
    "another-type": answer(access_token="t1", token_type="mac"),
    "a-type-that-is-none": answer(access_token="t1", token_type=7),
    "a-number": token("t1", access_token=7),
    "empty": token(""),
    "a-space": token("a b"),
    "a-line-break": token("a\r\nMAIL FROM:<x@example.com>"),
    "a-control-a": token("a\x01auth=Bearer b"),
    "not-ascii": token("t\u00f6ken"),
    "too-long": token("x" * 8193),
    "too-large": http_answer(200, b"x" * (64 * 1024 + 1)),
    "too-large-and-unsaid": http_answer(200, b"x" * (64 * 1024 + 1), length=False),
    "two-lengths": http_answer(200, b"{}", "Content-Length: 2"),
    "length-and-chunks": http_answer(200, b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    "another-coding": http_answer(200, b"{}", "Transfer-Encoding: gzip, chunked", length=False),
    "a-bad-length": http_answer(200, b"{}", "Content-Length: +2", length=False),
    "a-bad-chunk": http_answer(200, b"-2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked", length=False),
    "a-chunk-without-end": http_answer(200, b"2\r\n{}}}", "Transfer-Encoding: chunked", length=False),
    "too-many-chunks": http_answer(
        200, (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 17, "Transfer-Encoding: chunked", length=False
    ),
    "cut-off": Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "an-interim-answer": Send(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "another-protocol": Send(b"220 smtp.example.com ESMTP\r\n\r\n"),
    "another-version": Send(b"HTTP/2 200\r\n\r\n"),
    "a-bare-line-feed": Send(b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}\r\n\r\n"),
    "a-folded-field": http_answer(200, b"{}", "X: a", " b"),
    "a-field-without-name": http_answer(200, b"{}", ": a"),
    "an-endless-head": Flood(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 100),
    "nothing": Close(),
}  # fmt: skip


@pytest.mark.parametrize("said", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_answer_gives_no_token(said: Step) -> None:
    assert cause_of(said) is Cause.OAUTH_ANSWER_MALFORMED


CHUNKED = b'10\r\n{"access_token":\r\n1C;x=y\r\n"t1","token_type":"Bearer"}\n\r\n0\r\n\r\n'


@pytest.mark.parametrize(
    "said",
    [
        http_answer(200, CHUNKED, "Transfer-Encoding: Chunked", length=False),
        http_answer(200, b'{"access_token":"t1","token_type":"Bearer"}', length=False),
        Send(b'HTTP/1.0 200\r\ncontent-length:43\r\n\r\n{"access_token":"t1","token_type":"bearer"}'),
        http_answer(200, b'{"access_token":"t1","token_type":"BEARER"}', "X-Empty:", "Set-Cookie: a=\xe4"),
    ],
)
def test_a_body_may_have_a_length_or_chunks_or_end_with_the_connection(said: Step) -> None:
    with HostileRelay(endpoint(said)) as server:
        assert ask(token_source(), grant_at(server)) == "t1"


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda octets: b"HTTP/1.1 200 OK\r\n\r\n" + octets))
@settings(max_examples=50, deadline=None)
def test_any_octets_of_an_endpoint_give_a_token_or_a_cause(octets: bytes) -> None:
    assert isinstance(cause_of(Send(octets)), Cause)


@pytest.mark.parametrize("said", [Hang(), Drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, 0.01)])
def test_a_slow_endpoint_costs_a_bounded_time(said: Step) -> None:
    began = time.monotonic()

    assert cause_of(said, fetch_seconds=0.2) is Cause.OAUTH_UNAVAILABLE
    assert time.monotonic() - began < PATIENT / 2


def test_an_endpoint_without_a_handshake_costs_a_bounded_time() -> None:
    with HostileRelay([Hang()]) as server, pytest.raises(TokenFailed) as failed:
        ask(token_source(fetch_seconds=0.2), grant_at(server))

    assert failed.value.cause is Cause.OAUTH_UNAVAILABLE


def test_the_deadline_of_the_attempt_bounds_an_endpoint_too() -> None:
    async def asking(source: OAuthTokens, grant: TokenGrant) -> None:
        await source.token(grant, owner="acme", deadline=asyncio.get_running_loop().time() + 0.2)

    with HostileRelay(endpoint(Hang())) as server, pytest.raises(TokenFailed) as failed:
        asyncio.run(asking(token_source(), grant_at(server)))

    assert failed.value.cause is Cause.OAUTH_UNAVAILABLE


def test_a_broken_connection_to_the_endpoint_is_temporary() -> None:
    assert cause_of(Reset()) is Cause.OAUTH_UNAVAILABLE


def test_an_unreachable_endpoint_is_temporary() -> None:
    with HostileRelay(endpoint()) as server:
        grant = grant_at(server)
    with pytest.raises(TokenFailed) as failed:
        ask(token_source(), grant)

    assert failed.value.cause is Cause.OAUTH_UNAVAILABLE


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        (lambda: certificates.unknown_authority().valid(ENDPOINT_NAME), Cause.CERTIFICATE_UNTRUSTED),
        (lambda: authority().valid("other.example.com"), Cause.CERTIFICATE_HOST_MISMATCH),
        (lambda: authority().expired(ENDPOINT_NAME), Cause.CERTIFICATE_EXPIRED),
    ],
)
def test_no_request_is_sent_under_an_invalid_certificate(context: Callable[[], ssl.SSLContext], cause: Cause) -> None:
    behaviour = TokenEndpoint([token("t1")], context())

    with HostileRelay(behaviour) as server, pytest.raises(TokenFailed) as failed:
        ask(token_source(), grant_at(server))

    assert failed.value.cause is cause
    assert behaviour.requests == []


def test_no_request_is_sent_in_clear() -> None:
    with HostileRelay([Send(b"HTTP/1.1 200 OK\r\n\r\n"), Hang()]) as server, pytest.raises(TokenFailed) as failed:
        ask(token_source(), grant_at(server))

    assert failed.value.cause is Cause.TLS_MISMATCH
    assert CLIENT_SECRET.encode() not in server.connections[0].clear


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::ffff:10.0.0.1"])
def test_SH1_an_endpoint_with_an_internal_address_is_not_connected_to(address: str) -> None:
    def resolver(host: str, port: int) -> Sequence[AddressInfo]:
        return [(*loopback_resolver(host, port)[0][:4], (address, port))]

    relays_anywhere = RelayPolicy(ports=((1, 65535),), networks=(ip_network("0.0.0.0/0"),))

    with HostileRelay(endpoint(token("t1"))) as server, pytest.raises(TokenFailed) as failed:
        ask(token_source(policy=relays_anywhere, resolver=resolver), grant_at(server))

    assert failed.value.cause is Cause.HOST_BLOCKED
    assert server.connections == ()


def test_SH1_a_port_that_is_not_allowed_is_not_connected_to() -> None:
    policy = RelayPolicy(https_networks=LOOPBACK.https_networks)

    with HostileRelay(endpoint(token("t1"))) as server, pytest.raises(TokenFailed) as failed:
        ask(token_source(policy=policy), grant_at(server))

    assert failed.value.cause is Cause.HOST_BLOCKED
    assert server.connections == ()
