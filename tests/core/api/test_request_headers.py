"""Idempotency-Key and Prefer: valid, refused and ignored values."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.api.request_headers import MAX_KEY, idempotency_key, prefers_async
from mailer.errors import InvalidRequest


@pytest.mark.parametrize("key", ["k", "8a1f c3", '"quoted"', "~" * MAX_KEY])
def test_a_key_is_used_as_it_is(key: str) -> None:
    assert idempotency_key({"Idempotency-Key": key}) == key


def test_space_around_a_key_is_removed() -> None:
    assert idempotency_key({"idempotency-key": " k\t"}) == "k"


def test_a_request_without_the_header_has_no_key() -> None:
    assert idempotency_key({"content-type": "application/json"}) is None


@pytest.mark.parametrize("key", ["", "  ", "k" * (MAX_KEY + 1), "k\n", "k\x7f", "ké", "k\tk"])
def test_DU7_an_empty_a_long_or_an_unprintable_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        idempotency_key({"idempotency-key": key})

    assert [problem.code for problem in raised.value.problems] == ["idempotency-key-malformed"]


@pytest.mark.parametrize(
    "value",
    [
        "respond-async",
        "Respond-Async",
        " respond-async , wait=10",
        "wait=10,respond-async",
        "return=minimal; foo=bar, respond-async",
        'handling="a, b", respond-async',
        'x="\\", a", respond-async',
        'respond-async=""',
        "respond-async; a=b",
    ],
)
def test_respond_async_is_found_among_preferences(value: str) -> None:
    assert prefers_async({"Prefer": value})


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        "wait=10",
        "respond-asynchronously",
        "x-respond-async",
        'x="respond-async"',
        'x="a, respond-async',
        "respond-async=no",
    ],
)
def test_a_preference_that_only_resembles_respond_async_is_ignored(value: str) -> None:
    assert not prefers_async({"prefer": value})


@given(st.text(max_size=40), st.text(alphabet='respond-async,;= "\\', max_size=40))
def test_every_header_is_read_or_refused(key: str, prefer: str) -> None:
    with suppress(InvalidRequest):
        assert idempotency_key({"idempotency-key": key}) == key.strip(" \t")
    prefers_async({"prefer": prefer})
    prefers_async({"prefer": key})


@given(st.lists(st.sampled_from(["wait=10", 'a="b,c"', "return=minimal;x=y", "respond-asyn"]), max_size=4))
def test_a_preference_counts_at_any_place_among_others(others: list[str]) -> None:
    assert not prefers_async({"prefer": ", ".join(others)})
    for position in range(len(others) + 1):
        listed = [*others[:position], "respond-async", *others[position:]]
        assert prefers_async({"prefer": ",".join(listed)})
