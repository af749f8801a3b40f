"""Requests for several messages, and their idempotency keys."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.api.emails.batch import BATCH_BOUNDS, MAX_BATCH, parse_batch_request
from mailer.api.emails.request import parse_email_request
from mailer.api.idempotency_keys import BATCH_ROUTE, SEND_ROUTE, key_use, request_fingerprint
from mailer.errors import InvalidRequest
from mailer.ledger.record import OnUnknown
from mailer.relay.secret_str import SecretStr
from mailer.service.sending.accept_emails import EmailRequest

from tests.support.projects import PLATFORM_KEY

MESSAGE: dict[str, object] = {"to": "ann@example.net", "subject": "Hello", "text": "Hello."}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "ann@example.net", "emails"]),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.sampled_from(["emails", "to"]), children),
    max_leaves=12,
)


def parsed(value: object) -> tuple[EmailRequest, ...]:
    return parse_batch_request(json.dumps(value))


def problems(value: object) -> list[tuple[str | None, str]]:
    with pytest.raises(InvalidRequest) as raised:
        parsed(value)
    return [(problem.pointer, problem.code) for problem in raised.value.problems]


def test_each_message_is_read_as_a_single_one() -> None:
    other = {**MESSAGE, "to": "bob@example.net", "on_unknown": "retry"}

    assert [each.draft for each in parsed([MESSAGE, other])] == [
        parse_email_request(json.dumps(each)).draft for each in (MESSAGE, other)
    ]
    assert [each.on_unknown for each in parsed([MESSAGE, other])] == [OnUnknown.HOLD, OnUnknown.RETRY]


def test_a_batch_may_be_an_object_with_emails() -> None:
    (listed,), (named,) = parsed([MESSAGE]), parsed({"emails": [MESSAGE]})

    assert named.draft == listed.draft
    assert (listed.place, named.place) == ("/0", "/emails/0")


def test_every_problem_of_every_message_is_reported_with_its_pointer() -> None:
    broken = [
        MESSAGE,
        {**MESSAGE, "to": None},
        {**MESSAGE, "cc": ["a@b.example", "x"]},
        "text",
        {**MESSAGE, "metadata": []},
    ]
    found = [
        ("/1/to", "required"),
        ("/2/cc/1", "address-malformed"),
        ("/3", "wrong-type"),
        ("/4/metadata", "unknown-field"),
    ]

    assert problems(broken) == found
    assert problems({"emails": broken}) == [(f"/emails{pointer}", code) for pointer, code in found]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([], ("", "required")),
        ({}, ("/emails", "wrong-type")),
        ({"emails": []}, ("/emails", "required")),
        ([MESSAGE] * (MAX_BATCH + 1), ("", "too-many-emails")),
        ("text", ("", "wrong-type")),
        (None, ("", "wrong-type")),
        ({"emails": [MESSAGE], "tags": []}, ("/tags", "unknown-field")),
    ],
)
def test_a_batch_is_a_list_of_one_to_a_hundred_messages(value: object, found: tuple[str, str]) -> None:
    assert problems(value) == [found]


def test_a_hundred_messages_are_a_batch() -> None:
    assert len(parsed([MESSAGE] * MAX_BATCH)) == MAX_BATCH


def test_LI9_a_body_larger_than_an_event_is_refused() -> None:
    body = b" " * (BATCH_BOUNDS.octets + 1)

    with pytest.raises(InvalidRequest) as raised:
        parse_batch_request(body)

    assert [problem.code for problem in raised.value.problems] == ["body-too-large"]


@pytest.mark.parametrize(
    "bomb", [b"[" * 100_000, b"[" + b'"",' * 1_000_000 + b'""]', b"[" + b"{}," * 1_000_000 + b"0]"]
)
def test_LI7_a_bomb_is_refused_within_100_ms(bomb: bytes) -> None:
    seconds = []
    for _ in range(3):
        started = time.process_time()
        with pytest.raises(InvalidRequest):
            parse_batch_request(bomb)
        seconds.append(time.process_time() - started)

    assert min(seconds) < 0.1


@given(JSON)
def test_every_json_value_is_messages_or_an_invalid_request(value: object) -> None:
    with suppress(InvalidRequest):
        assert parsed(value)


def shuffled(value: object) -> object:
    """Return the same JSON value with the fields of its objects in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def fingerprint_of(route: str, body: bytes | str, platform_key: SecretStr = PLATFORM_KEY) -> str:
    return request_fingerprint(route, body, platform_key=platform_key)


@given(JSON)
def test_the_order_of_fields_and_the_layout_do_not_matter(value: object) -> None:
    assert fingerprint_of(SEND_ROUTE, json.dumps(shuffled(value), indent=1)) == fingerprint_of(
        SEND_ROUTE, json.dumps(value)
    )


@given(JSON, JSON)
def test_another_value_is_another_request(one: object, other: object) -> None:
    # `==` would treat True as 1.
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (fingerprint_of(SEND_ROUTE, json.dumps(one)) == fingerprint_of(SEND_ROUTE, json.dumps(other))) == is_same


def test_another_route_is_another_request() -> None:
    assert fingerprint_of(SEND_ROUTE, "[]") != fingerprint_of(BATCH_ROUTE, "[]")


def test_another_platform_key_gives_another_fingerprint() -> None:
    one, other = (fingerprint_of(SEND_ROUTE, "[]", key).split(":") for key in (PLATFORM_KEY, SecretStr("k" * 64)))

    assert one[0] != other[0]
    assert one[1] != other[1]


def test_octets_and_text_are_the_same_request() -> None:
    assert fingerprint_of(SEND_ROUTE, '{"a": "é"}') == fingerprint_of(SEND_ROUTE, b'{"a": "\\u00e9"}')


def test_every_message_of_a_batch_has_its_own_key() -> None:
    uses = [key_use("k", index=index, request="f", now=0.0) for index in range(MAX_BATCH)]

    assert len({use.digest for use in uses}) == MAX_BATCH
    assert uses[0] == key_use("k", request="f", now=0.0)


def test_two_messages_never_have_the_same_key() -> None:
    assert key_use("1 k", request="f", now=0.0).digest != key_use("k", index=1, request="f", now=0.0).digest
