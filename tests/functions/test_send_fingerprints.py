"""The fingerprint of a request under an Idempotency-Key: it is keyed, and a new platform key sends nothing twice."""

import hashlib

import msgspec
import pytest
from aws_lambda_powertools import Logger
from mailer.errors import SecretsUnavailable
from mailer.relay.secret_str import SecretStr

from tests.support.messages_api import MESSAGE, MessagesApi

NEW_KEY = SecretStr("n" * 64)


@pytest.fixture
def api(log: Logger) -> MessagesApi:
    return MessagesApi(log)


def stored_fingerprint(api: MessagesApi) -> str:
    (state,) = api.service.ledger.key_states
    return state.fingerprint.rpartition(":")[2]


def unreadable() -> SecretStr:
    raise SecretsUnavailable


def test_a_code_cannot_be_found_by_trying_every_code(log: Logger) -> None:
    """Under another key the same request has another fingerprint, and no plain digest of it is stored."""
    one, other = MessagesApi(log), MessagesApi(log)
    other.service.platform_key = lambda: NEW_KEY
    for api in (one, other):
        api.send(key="k", text="Your code is 004711.")

    body = msgspec.json.encode({**MESSAGE, "text": "Your code is 004711."}, order="deterministic")
    plain = {hashlib.sha256(namespace + body).hexdigest() for namespace in (b"", b"POST emails\0")}
    assert stored_fingerprint(one) != stored_fingerprint(other)
    assert {stored_fingerprint(one), stored_fingerprint(other)} & plain == set()


def test_a_key_from_before_a_new_platform_key_still_names_its_message(api: MessagesApi) -> None:
    first = api.send(key="k")
    api.service.platform_key = lambda: NEW_KEY

    again, other = api.send(key="k"), api.send(key="k", subject="Other")

    assert (again.status, again.body) == (other.status, other.body) == (first.status, first.body)
    assert len(api.service.relay.sends) == 1


def test_after_a_new_platform_key_a_reused_key_is_refused_again(api: MessagesApi) -> None:
    api.service.platform_key = lambda: NEW_KEY
    api.send(key="k")

    assert api.send(key="k", subject="Other").status == 422


@pytest.mark.parametrize("headers", [{}, {"prefer": "respond-async"}])
def test_a_request_with_a_key_waits_for_the_platform_key(api: MessagesApi, headers: dict[str, str]) -> None:
    api.service.platform_key = unreadable

    refused = api.ask("POST", "", MESSAGE, {"idempotency-key": "k", **headers})

    assert (refused.status, refused.body["code"], refused.body["retryable"]) == (503, "secrets-unavailable", True)
    assert (len(api.service.relay.sends), len(api.service.ledger.records)) == (0, 0)


def test_a_request_without_a_key_does_not_need_the_platform_key(api: MessagesApi) -> None:
    api.service.platform_key = unreadable

    assert api.send().status == 200
