"""Limits: their text, their windows, and their counters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.ledger.limits import (
    Counter,
    InvalidLimits,
    Limit,
    QuotaStatus,
    Window,
    page_of,
    parse_limits,
    parse_role_limits,
    tightest,
)

HOUR, DAY = Limit(100, Window.HOUR), Limit(1000, Window.DAY)
times = st.floats(min_value=0, max_value=4e9)


def test_a_limit_is_a_number_and_a_window() -> None:
    assert parse_limits("100/hour, 1000/day") == (HOUR, DAY)


def test_spaces_around_the_parts_are_ignored() -> None:
    assert parse_limits(" 100 / hour ,1000/day") == (HOUR, DAY)


def test_a_role_may_have_a_limit_for_each_window() -> None:
    assert parse_role_limits("marketing=100/hour, support = 1000/day,marketing=1000/day") == {
        "marketing": (HOUR, DAY),
        "support": (DAY,),
    }


@pytest.mark.parametrize(
    "text", ["", ",", "100", "0/hour", "-1/hour", "1.5/hour", "1e3/day", "100/minute", "100/Hour", "1/day,2/day",
             "100/hour,", "9999999999/day", "٣/hour"]
)  # fmt: skip
def test_a_malformed_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidLimits):
        parse_limits(text)


@pytest.mark.parametrize("text", ["marketing", "=1/day", "a b=1/day", "a=1/day,a=2/day", "a=", "ä=1/day", "a==1/day"])
def test_a_malformed_role_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidLimits):
        parse_role_limits(text)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (parse_limits, parse_role_limits):
        try:
            assert parse(text)
        except InvalidLimits:
            continue


@given(now=times, window=st.sampled_from(Window))
def test_a_window_ends_after_now_and_within_its_length(now: float, window: Window) -> None:
    left = Counter("project", Limit(1, window)).ends_at(now) - now

    assert 0 < left <= (3600 if window is Window.HOUR else 86_400)


@given(now=times, later=times, window=st.sampled_from(Window))
def test_two_times_share_a_counter_if_and_only_if_they_share_a_window(now: float, later: float, window: Window) -> None:
    counter = Counter("project", Limit(1, window))
    shares_counter = (page_of(now), counter.slot(now)) == (page_of(later), counter.slot(later))

    assert shares_counter is (counter.ends_at(now) == counter.ends_at(later))


def test_the_tightest_limit_has_the_fewest_remaining() -> None:
    roomy = QuotaStatus(Counter("project", DAY), 10, 3600)
    tight = QuotaStatus(Counter("role a", HOUR), 99, 60)

    assert tightest((roomy, tight)) == tight
    assert tightest(()) is None
