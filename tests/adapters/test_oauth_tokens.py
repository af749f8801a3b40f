"""Where access tokens come from, how long they are kept, and what an endpoint can do about it."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Hashable, Sequence
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.adapters.elapsed import Clocks
from mailer.adapters.oauth_tokens import OAuthTokens
from mailer.adapters.smtp.access import TokenFailed
from mailer.adapters.smtp.dial import AddressInfo, Resolver
from mailer.outcome import Cause
from mailer.relay import TokenGrant
from mailer.relay_policy import RelayPolicy
from mailer.secret_str import SecretStr

from tests.support import certificates
from tests.support.certificates import authority
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import loopback_resolver
from tests.support.steps import Close, Drip, Flood, Hang, Reset, Send, Step
from tests.support.token_endpoint import (
    CLIENT_ID,
    CLIENT_SECRET,
    ENDPOINT_NAME,
    REFRESH_TOKEN,
    SCOPE,
    TokenEndpoint,
    answer,
    endpoint,
    grant_at,
    http_answer,
    token,
)

LOOPBACK = RelayPolicy(ports=((1, 65535),), networks=(IPv4Network("127.0.0.0/8"),))
PATIENT = 8.0


class Hands:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.monotonic = self.wall = 1000.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.monotonic, lambda: self.wall)


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority().pem)


def tokens(
    *,
    policy: RelayPolicy = LOOPBACK,
    resolver: Resolver = loopback_resolver,
    hands: Hands | None = None,
    fetch_seconds: float = PATIENT,
) -> OAuthTokens:
    return OAuthTokens(
        policy=policy,
        resolver=resolver,
        context=trusting(),
        clocks=(hands or Hands()).clocks,
        fetch_seconds=fetch_seconds,
    )


def ask(source: OAuthTokens, grant: TokenGrant, *, owner: Hashable | None = "acme", refused: str | None = None) -> str:
    """Return the token, asked for on the loop that runs."""

    async def asking() -> SecretStr:
        deadline = asyncio.get_running_loop().time() + PATIENT
        wrapped = SecretStr(refused) if refused is not None else None
        return await source.token(grant, owner=owner, deadline=deadline, refused=wrapped)

    return asyncio.run(asking()).reveal()


def cause_of(*answers: Step, fetch_seconds: float = PATIENT, refresh_token: str | None = None) -> Cause:
    with HostileRelay(endpoint(*answers)) as server, pytest.raises(TokenFailed) as failed:
        ask(tokens(fetch_seconds=fetch_seconds), grant_at(server, refresh_token=refresh_token))
    return failed.value.cause


def test_D16_the_clients_credentials_are_posted_as_a_form() -> None:
    behaviour = endpoint(token("t1"))

    with HostileRelay(behaviour) as server:
        assert ask(tokens(), grant_at(server)) == "t1"

    (request,) = behaviour.requests
    assert request.line == "POST /tenant/token?p=1 HTTP/1.1"
    assert request.fields["Host"] == f"{ENDPOINT_NAME}:{server.port}"
    assert request.fields["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.form == {
        "grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": SCOPE,
    }  # fmt: skip


def test_D16_a_refresh_token_is_posted_where_there_is_one() -> None:
    behaviour = endpoint(token("t1"))

    with HostileRelay(behaviour) as server:
        ask(tokens(), grant_at(server, refresh_token=REFRESH_TOKEN, scope=None))

    assert behaviour.requests[0].form == {
        "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }  # fmt: skip


def test_a_public_client_sends_no_secret() -> None:
    behaviour = endpoint(token("t1"))

    with HostileRelay(behaviour) as server:
        grant = grant_at(server, refresh_token=REFRESH_TOKEN)
        ask(tokens(), TokenGrant(grant.token_url, CLIENT_ID, None, None, grant.refresh_token))

    assert "client_secret" not in behaviour.requests[0].form


def test_a_token_is_kept_until_a_minute_before_it_expires() -> None:
    hands = Hands()
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(hands=hands), grant_at(server)
        first = ask(source, grant)
        hands.monotonic += 3539
        second = ask(source, grant)
        hands.monotonic += 1
        third = ask(source, grant)

    assert (first, second, third, len(behaviour.requests)) == ("t1", "t1", "t2", 2)


def test_a_token_ages_while_the_environment_is_frozen() -> None:
    hands = Hands()
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(hands=hands), grant_at(server)
        ask(source, grant)
        hands.wall += 3600

        assert ask(source, grant) == "t2"


@pytest.mark.parametrize(
    ("members", "seconds"),
    [
        ({"expires_in": "3600"}, 3540),
        ({"expires_in": 3600.5}, 3540.5),
        ({"expires_in": 10**9 - 1}, 24 * 3600 - 60),
        ({"expires_in": None}, 0),
        ({"expires_in": True}, 0),
        ({"expires_in": -5}, 0),
        ({"expires_in": "soon"}, 0),
        ({"expires_in": 10**30}, 0),
        ({"expires_in": 60}, 0),
        ({"expires_in": [3600]}, 0),
    ],
    ids=str,
)
def test_a_token_whose_end_cannot_be_read_is_used_once(members: dict[str, object], seconds: float) -> None:
    hands = Hands()
    behaviour = endpoint(token("t1", **members), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(hands=hands), grant_at(server)
        ask(source, grant)
        hands.monotonic += max(0, seconds - 1)

        assert ask(source, grant) == ("t1" if seconds else "t2")


def test_a_token_without_an_end_is_kept_for_five_minutes() -> None:
    hands = Hands()
    behaviour = endpoint(answer(access_token="t1", token_type="bearer"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(hands=hands), grant_at(server)
        ask(source, grant)
        hands.monotonic += 299
        second = ask(source, grant)
        hands.monotonic += 1

        assert (second, ask(source, grant)) == ("t1", "t2")


def test_SH10_a_token_is_nobody_elses() -> None:
    behaviour = endpoint(*(token(f"t{number}") for number in range(1, 5)))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(), grant_at(server)
        given = [
            ask(source, grant, owner=("acme", "v1")),
            ask(source, grant, owner=("other", "v1")),
            ask(source, grant, owner=("acme", "v2")),
            ask(source, grant_at(server, scope="other"), owner=("acme", "v1")),
            ask(source, grant, owner=("acme", "v1")),
        ]

    assert given == ["t1", "t2", "t3", "t4", "t1"]


def test_who_is_nobody_gets_a_new_one_each_time() -> None:
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(), grant_at(server)

        assert [ask(source, grant, owner=None) for _ in range(2)] == ["t1", "t2"]


def test_a_refused_token_is_replaced_once_for_all_who_were_refused() -> None:
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(), grant_at(server)
        ask(source, grant)
        given = [ask(source, grant, refused="t1") for _ in range(3)]

    assert given == ["t2"] * 3
    assert len(behaviour.requests) == 2


def together(source: OAuthTokens, grant: TokenGrant, count: int) -> Sequence[SecretStr | BaseException]:
    async def asking() -> Sequence[SecretStr | BaseException]:
        deadline = asyncio.get_running_loop().time() + PATIENT
        return await asyncio.gather(
            *(source.token(grant, owner="acme", deadline=deadline) for _ in range(count)), return_exceptions=True
        )

    return asyncio.run(asking())


def test_however_many_wait_one_request_is_made() -> None:
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        given = together(tokens(), grant_at(server), 20)

    assert given == [SecretStr("t1")] * 20
    assert len(behaviour.requests) == 1


def test_however_many_wait_one_refusal_is_told_to_all() -> None:
    behaviour = endpoint(answer(400, error="invalid_client"))

    with HostileRelay(behaviour) as server:
        given = together(tokens(), grant_at(server), 20)

    assert all(isinstance(each, TokenFailed) for each in given)
    assert len(behaviour.requests) == 1


def test_one_who_gives_up_takes_nobody_along() -> None:
    behaviour = endpoint(token("t1"))

    async def asking(source: OAuthTokens, grant: TokenGrant) -> SecretStr:
        deadline = asyncio.get_running_loop().time() + PATIENT
        first = asyncio.create_task(source.token(grant, owner="acme", deadline=deadline))
        second = asyncio.create_task(source.token(grant, owner="acme", deadline=deadline))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    with HostileRelay(behaviour) as server:
        assert asyncio.run(asking(tokens(), grant_at(server))) == SecretStr("t1")


def test_an_exchanged_refresh_token_is_used_and_told_of_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    behaviour = endpoint(
        token("t1", refresh_token="n3w-refresh-1"), token("t2", refresh_token="n3w-refresh-2"), token("t3")
    )

    with HostileRelay(behaviour) as server, caplog.at_level(logging.DEBUG):
        source, grant = tokens(), grant_at(server, refresh_token=REFRESH_TOKEN)
        for refused in (None, "t1", "t2"):
            ask(source, grant, refused=refused)

    assert [request.form["refresh_token"] for request in behaviour.requests] == [
        REFRESH_TOKEN, "n3w-refresh-1", "n3w-refresh-2",
    ]  # fmt: skip
    assert len([record for record in caplog.records if "exchanges refresh tokens" in record.message]) == 1
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert not any(secret in logged for secret in ("n3w-", REFRESH_TOKEN, CLIENT_SECRET, "t1", "t2"))


def test_where_the_exchanged_one_is_refused_the_stored_one_is_tried() -> None:
    behaviour = endpoint(token("t1", refresh_token="new"), answer(400, error="invalid_grant"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = tokens(), grant_at(server, refresh_token=REFRESH_TOKEN)
        ask(source, grant)

        assert ask(source, grant, refused="t1") == "t2"

    assert [request.form["refresh_token"] for request in behaviour.requests] == [REFRESH_TOKEN, "new", REFRESH_TOKEN]


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
def test_what_an_endpoint_refuses_has_a_cause(status: int, error: object, cause: Cause) -> None:
    assert cause_of(answer(status, error=error, error_description="x")) is cause


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_SH1_a_redirect_is_never_followed(status: int) -> None:
    behaviour = endpoint(http_answer(status, b"", f"Location: https://{ENDPOINT_NAME}/elsewhere"), token("t1"))

    with HostileRelay(behaviour) as server, pytest.raises(TokenFailed) as failed:
        ask(tokens(), grant_at(server))

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
def test_what_is_no_answer_gives_no_token(said: Step) -> None:
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
def test_a_body_has_its_length_said_or_comes_in_chunks_or_ends_with_the_connection(said: Step) -> None:
    with HostileRelay(endpoint(said)) as server:
        assert ask(tokens(), grant_at(server)) == "t1"


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda octets: b"HTTP/1.1 200 OK\r\n\r\n" + octets))
@settings(max_examples=50, deadline=None)
def test_whatever_octets_an_endpoint_sends_there_is_a_token_or_a_cause(octets: bytes) -> None:
    assert isinstance(cause_of(Send(octets)), Cause)


@pytest.mark.parametrize("said", [Hang(), Drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, 0.01)])
def test_a_slow_endpoint_costs_a_bounded_time(said: Step) -> None:
    began = time.monotonic()

    assert cause_of(said, fetch_seconds=0.2) is Cause.OAUTH_UNAVAILABLE
    assert time.monotonic() - began < PATIENT / 2


def test_the_deadline_of_the_attempt_bounds_an_endpoint_too() -> None:
    async def asking(source: OAuthTokens, grant: TokenGrant) -> None:
        await source.token(grant, owner="acme", deadline=asyncio.get_running_loop().time() + 0.2)

    with HostileRelay(endpoint(Hang())) as server, pytest.raises(TokenFailed) as failed:
        asyncio.run(asking(tokens(), grant_at(server)))

    assert failed.value.cause is Cause.OAUTH_UNAVAILABLE


def test_an_endpoint_that_breaks_off_may_be_asked_later() -> None:
    assert cause_of(Reset()) is Cause.OAUTH_UNAVAILABLE


def test_an_endpoint_that_is_not_there_may_be_asked_later() -> None:
    with HostileRelay(endpoint()) as server:
        grant = grant_at(server)
    with pytest.raises(TokenFailed) as failed:
        ask(tokens(), grant)

    assert failed.value.cause is Cause.OAUTH_UNAVAILABLE


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        (lambda: certificates.unknown_authority().valid(ENDPOINT_NAME), Cause.CERTIFICATE_UNTRUSTED),
        (lambda: authority().valid("other.example.com"), Cause.CERTIFICATE_HOST_MISMATCH),
        (lambda: authority().expired(ENDPOINT_NAME), Cause.CERTIFICATE_EXPIRED),
    ],
)
def test_nothing_is_said_to_an_endpoint_that_proves_nothing(
    context: Callable[[], ssl.SSLContext], cause: Cause
) -> None:
    behaviour = TokenEndpoint([token("t1")], context())

    with HostileRelay(behaviour) as server, pytest.raises(TokenFailed) as failed:
        ask(tokens(), grant_at(server))

    assert failed.value.cause is cause
    assert behaviour.requests == []


def test_nothing_is_said_in_clear() -> None:
    with HostileRelay([Send(b"HTTP/1.1 200 OK\r\n\r\n"), Hang()]) as server, pytest.raises(TokenFailed) as failed:
        ask(tokens(), grant_at(server))

    assert failed.value.cause is Cause.TLS_MISMATCH
    assert CLIENT_SECRET.encode() not in server.connections[0].clear


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::ffff:10.0.0.1"])
def test_SH1_an_endpoint_inside_is_not_connected_to(address: str) -> None:
    def resolver(host: str, port: int) -> Sequence[AddressInfo]:
        return [(*loopback_resolver(host, port)[0][:4], (address, port))]

    with HostileRelay(endpoint(token("t1"))) as server, pytest.raises(TokenFailed) as failed:
        ask(tokens(policy=RelayPolicy(ports=((1, 65535),)), resolver=resolver), grant_at(server))

    assert failed.value.cause is Cause.HOST_BLOCKED
    assert server.connections == ()


def test_SH1_a_port_that_is_not_allowed_is_not_connected_to() -> None:
    policy = RelayPolicy(networks=LOOPBACK.networks)

    with HostileRelay(endpoint(token("t1"))) as server, pytest.raises(TokenFailed) as failed:
        ask(tokens(policy=policy), grant_at(server))

    assert failed.value.cause is Cause.HOST_BLOCKED
    assert server.connections == ()


def test_a_failure_is_not_kept() -> None:
    with HostileRelay(endpoint(answer(503), token("t1"))) as server:
        source, grant = tokens(), grant_at(server)
        with pytest.raises(TokenFailed):
            ask(source, grant)

        assert ask(source, grant) == "t1"


def test_what_is_known_of_many_projects_is_bounded() -> None:
    with HostileRelay(endpoint(token("t1"))) as server:
        source, grant = tokens(), grant_at(server)

        assert [ask(source, grant, owner=number) for number in range(140)] == ["t1"] * 140
        asked = len(server.connections)
        ask(source, grant, owner=139)
        ask(source, grant, owner=0)

    assert len(server.connections) - asked == 1
