"""Access tokens: how they are fetched, how long they are cached, and for which owner."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from mailer.adapters.smtp.oauth_tokens import OAuthTokens
from mailer.adapters.smtp.session import TokenFailed
from mailer.relay.relay import TokenGrant
from mailer.relay.secret_str import SecretStr

from tests.support.hostile_relay import HostileRelay
from tests.support.token_endpoint import (
    CLIENT_ID,
    CLIENT_SECRET,
    ENDPOINT_NAME,
    PATIENT,
    REFRESH_TOKEN,
    SCOPE,
    ManualClocks,
    answer,
    ask,
    endpoint,
    grant_at,
    token,
    token_source,
)


def test_D16_the_clients_credentials_are_posted_as_a_form() -> None:
    behaviour = endpoint(token("t1"))

    with HostileRelay(behaviour) as server:
        assert ask(token_source(), grant_at(server)) == "t1"

    (request,) = behaviour.requests
    assert request.line == "POST /tenant/token?p=1 HTTP/1.1"
    assert request.fields["Host"] == f"{ENDPOINT_NAME}:{server.port}"
    assert request.fields["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.form == {
        "grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scope": SCOPE,
    }  # fmt: skip


def test_D16_a_refresh_token_is_posted_if_there_is_one() -> None:
    behaviour = endpoint(token("t1"))

    with HostileRelay(behaviour) as server:
        ask(token_source(), grant_at(server, refresh_token=REFRESH_TOKEN, scope=None))

    assert behaviour.requests[0].form == {
        "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN, "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }  # fmt: skip


def test_a_public_client_sends_no_secret() -> None:
    behaviour = endpoint(token("t1"))

    with HostileRelay(behaviour) as server:
        grant = grant_at(server, refresh_token=REFRESH_TOKEN)
        ask(token_source(), TokenGrant(grant.token_url, CLIENT_ID, None, None, grant.refresh_token))

    assert "client_secret" not in behaviour.requests[0].form


def test_a_token_is_kept_until_a_minute_before_it_expires() -> None:
    clocks = ManualClocks()
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(clocks=clocks), grant_at(server)
        first = ask(source, grant)
        clocks.monotonic += 3539
        second = ask(source, grant)
        clocks.monotonic += 1
        third = ask(source, grant)

    assert (first, second, third, len(behaviour.requests)) == ("t1", "t1", "t2", 2)


def test_a_token_ages_while_the_environment_is_frozen() -> None:
    clocks = ManualClocks()
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(clocks=clocks), grant_at(server)
        ask(source, grant)
        clocks.wall += 3600

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
def test_a_token_is_reused_only_within_its_readable_lifetime(members: dict[str, object], seconds: float) -> None:
    clocks = ManualClocks()
    behaviour = endpoint(token("t1", **members), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(clocks=clocks), grant_at(server)
        ask(source, grant)
        clocks.monotonic += max(0, seconds - 1)

        assert ask(source, grant) == ("t1" if seconds else "t2")


def test_a_token_without_a_lifetime_is_kept_for_five_minutes() -> None:
    clocks = ManualClocks()
    behaviour = endpoint(answer(access_token="t1", token_type="bearer"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(clocks=clocks), grant_at(server)
        ask(source, grant)
        clocks.monotonic += 299
        second = ask(source, grant)
        clocks.monotonic += 1

        assert (second, ask(source, grant)) == ("t1", "t2")


def test_SH10_a_token_belongs_to_one_owner_and_grant() -> None:
    behaviour = endpoint(*(token(f"t{number}") for number in range(1, 5)))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(), grant_at(server)
        given = [
            ask(source, grant, owner=("acme", "v1")),
            ask(source, grant, owner=("other", "v1")),
            ask(source, grant, owner=("acme", "v2")),
            ask(source, grant_at(server, scope="other"), owner=("acme", "v1")),
            ask(source, grant, owner=("acme", "v1")),
        ]

    assert given == ["t1", "t2", "t3", "t4", "t1"]


def test_without_an_owner_each_call_fetches_a_new_token() -> None:
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(), grant_at(server)

        assert [ask(source, grant, owner=None) for _ in range(2)] == ["t1", "t2"]


def test_a_refused_token_is_replaced_once_for_all_callers() -> None:
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(), grant_at(server)
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


def test_concurrent_callers_share_one_request() -> None:
    behaviour = endpoint(token("t1"), token("t2"))

    with HostileRelay(behaviour) as server:
        given = together(token_source(), grant_at(server), 20)

    assert given == [SecretStr("t1")] * 20
    assert len(behaviour.requests) == 1


def test_concurrent_callers_share_one_refusal() -> None:
    behaviour = endpoint(answer(400, error="invalid_client"))

    with HostileRelay(behaviour) as server:
        given = together(token_source(), grant_at(server), 20)

    assert all(isinstance(each, TokenFailed) for each in given)
    assert len(behaviour.requests) == 1


def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    behaviour = endpoint(token("t1"))

    async def asking(source: OAuthTokens, grant: TokenGrant) -> SecretStr:
        deadline = asyncio.get_running_loop().time() + PATIENT
        first = asyncio.create_task(source.token(grant, owner="acme", deadline=deadline))
        second = asyncio.create_task(source.token(grant, owner="acme", deadline=deadline))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    with HostileRelay(behaviour) as server:
        assert asyncio.run(asking(token_source(), grant_at(server))) == SecretStr("t1")


def test_a_new_refresh_token_is_used_and_logged_once_without_its_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    behaviour = endpoint(
        token("t1", refresh_token="n3w-refresh-1"), token("t2", refresh_token="n3w-refresh-2"), token("t3")
    )

    with HostileRelay(behaviour) as server, caplog.at_level(logging.DEBUG):
        source, grant = token_source(), grant_at(server, refresh_token=REFRESH_TOKEN)
        for refused in (None, "t1", "t2"):
            ask(source, grant, refused=refused)

    assert [request.form["refresh_token"] for request in behaviour.requests] == [
        REFRESH_TOKEN, "n3w-refresh-1", "n3w-refresh-2",
    ]  # fmt: skip
    assert len([record for record in caplog.records if "exchanges refresh tokens" in record.message]) == 1
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert not any(secret in logged for secret in ("n3w-", REFRESH_TOKEN, CLIENT_SECRET, "t1", "t2"))


def test_if_the_new_refresh_token_is_refused_the_stored_one_is_tried() -> None:
    behaviour = endpoint(token("t1", refresh_token="new"), answer(400, error="invalid_grant"), token("t2"))

    with HostileRelay(behaviour) as server:
        source, grant = token_source(), grant_at(server, refresh_token=REFRESH_TOKEN)
        ask(source, grant)

        assert ask(source, grant, refused="t1") == "t2"

    assert [request.form["refresh_token"] for request in behaviour.requests] == [REFRESH_TOKEN, "new", REFRESH_TOKEN]


def test_a_failure_is_not_kept() -> None:
    with HostileRelay(endpoint(answer(503), token("t1"))) as server:
        source, grant = token_source(), grant_at(server)
        with pytest.raises(TokenFailed):
            ask(source, grant)

        assert ask(source, grant) == "t1"


def test_the_cache_of_tokens_is_bounded() -> None:
    with HostileRelay(endpoint(token("t1"))) as server:
        source, grant = token_source(), grant_at(server)

        assert [ask(source, grant, owner=number) for number in range(140)] == ["t1"] * 140
        asked = len(server.connections)
        ask(source, grant, owner=139)
        ask(source, grant, owner=0)

    assert len(server.connections) - asked == 1
