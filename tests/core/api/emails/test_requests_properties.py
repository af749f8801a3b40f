"""Every body is a draft that can be composed or an `InvalidRequest`, quickly, and no problem quotes the body."""

import base64
import json
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mailer.api.config.requests import parse_validate_request
from mailer.api.emails.request import parse_email_request
from mailer.errors import InvalidRequest
from mailer.input.inspection import MAX_PROBLEMS
from mailer.input.json_body import MAX_BODY
from mailer.message.draft import Draft

from tests.support.composing import composed, read

CANARY = "Kx82mQw1"
WORDS = st.sampled_from(
    [
        "ann@example.net",
        "Ann <ann@example.net>",
        "Ann <a@b>, b@c",
        "QQ==",
        "a.pdf",
        "text/html",
        "logo",
        "é\r\n",
        "",
        "\0",
    ]
)
NAMES = st.sampled_from(
    [
        "from", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "headers", "attachments", "email", "name",
        "filename", "content", "content_type", "content_id", "X-A", "References", "path", "\u202e", "a/b",
    ]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(NAMES, children, max_size=6),
    max_leaves=20,
)
REQUESTS = st.dictionaries(NAMES, JSON, max_size=8).map(
    lambda members: {"to": "ann@example.net", "subject": "Hello", "text": "Hello.", **members}
)


def outcome_of(body: bytes | str) -> Draft | InvalidRequest:
    try:
        return parse_email_request(body).draft
    except InvalidRequest as invalid:
        return invalid


def is_drafted(body: bytes | str) -> bool:
    """Tell whether the body is a draft, and check the rules for both cases."""
    outcome = outcome_of(body)
    if isinstance(outcome, InvalidRequest):
        assert outcome.problems
        assert all(problem.pointer is not None for problem in outcome.problems)
        return False
    return read(composed(outcome))["Subject"] is not None


@settings(max_examples=500)
@given(st.one_of(JSON, REQUESTS))
def test_every_json_value_is_a_draft_that_composes_or_an_invalid_request(value: object) -> None:
    is_drafted(json.dumps(value))


@settings(max_examples=500)
@given(st.one_of(st.text(), st.binary(), st.text('{}[]":,\\u d8"', max_size=40)))
@example('{"to":"\ud800"}')
@example(b'{"a":"\\ud800"}')
@example(b'{"a":"\xff"}')
@example(b'"\\')
def test_IN22_every_body_is_a_draft_that_composes_or_an_invalid_request(body: bytes | str) -> None:
    is_drafted(body)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=30), JSON.map(json.dumps)))
def test_every_body_is_entries_or_an_invalid_request(body: str) -> None:
    with suppress(InvalidRequest):
        parse_validate_request(body)


def plant(value: object) -> object:
    """Put the canary into every string value."""
    if isinstance(value, dict):
        return {name: plant(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plant(member) for member in value]
    return f"{value}{CANARY}"


@settings(max_examples=300)
@given(REQUESTS)
def test_no_problem_quotes_a_value(value: dict[str, object]) -> None:
    outcome = outcome_of(json.dumps(plant(value)))

    if isinstance(outcome, InvalidRequest):
        assert CANARY not in repr([outcome.args, outcome.detail, outcome.problems])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"to":"a@b.example","to":"c@d.example"}', id="top"),
        pytest.param('{"to":"a@b.example","t\\u006f":"c@d.example"}', id="escaped"),
        pytest.param('{"to":"a@b.example","to" \n:"c@d.example"}', id="spaced"),
        pytest.param('{"headers":{"X-A":"1","X-A":"2"}}', id="headers"),
        pytest.param('{"to":[{"email":"a@b.example","email":"c@d.example"}]}', id="in a list"),
    ],
)
def test_a_name_given_twice_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_email_request(body)

    assert [problem.code for problem in raised.value.problems] == ["duplicate-field"]


def test_a_string_value_that_looks_like_a_name_is_not_a_name() -> None:
    body = json.dumps({"to": "a@b.example", "subject": '"to":"x"', "text": '\\"to":', "html": '{"to": "\\\\"}'})

    assert is_drafted(body)


BOMBS = {
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep enough to decode": b"[" * 900 + b"]" * 900,
    "a million names": b"{" + b",".join(b'"%d":1' % number for number in range(1_000_000))[: MAX_BODY - 10] + b"}",
    "a million numbers": b"[" + b"1," * 1_000_000 + b"1]",
    "a huge number": b'{"subject":' + b"1" * 100_000 + b"}",
    "a huge exponent": b'{"subject":1e999999}',
    "a megabyte of address": b'{"to":"' + b"(" * 1_000_000 + b'"}',
    "an open string of quotes": b'{"text":"' + b'\\"' * 1_000_000,
    "quotes and backslashes": b'"\\' * 1_000_000,
    "over the limit": b" " * (MAX_BODY + 1),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_LI7_LI8_a_bomb_is_refused_within_100_ms(bomb: str) -> None:
    started = time.process_time()

    refused = not is_drafted(BOMBS[bomb])

    assert refused
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("bomb", BOMBS)
def test_LI7_a_bomb_is_refused_within_50_megabytes(bomb: str) -> None:
    tracemalloc.start()
    try:
        is_drafted(BOMBS[bomb])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 50_000_000


def test_at_most_a_hundred_problems_are_reported() -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_email_request(json.dumps({f"x{number}": 1 for number in range(1000)}))

    assert len(raised.value.problems) == MAX_PROBLEMS


def test_a_request_with_megabytes_of_attachment_is_a_draft() -> None:
    content = base64.b64encode(bytes(3_000_000)).decode()
    body = json.dumps(
        {
            "to": "a@b.example",
            "subject": "x",
            "text": "x",
            "attachments": [{"filename": "a.bin", "content": content}],
        }
    )

    assert parse_email_request(body).draft.attachments[0].content == bytes(3_000_000)
