"""Replies: their grammar in any segmentation, and their printable text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.smtp.reply import MAX_REPLY, MAX_TEXT, Reply, ReplyParser, make_reply

from tests.support.segmentation import cut

WELL_FORMED = st.lists(
    st.builds(
        lambda code, lines: (
            b"".join(b"%d-%b\r\n" % (code, line) for line in lines[:-1]) + b"%d %b\r\n" % (code, lines[-1])
        ),
        st.integers(200, 599),
        st.lists(
            st.binary(max_size=20).map(lambda octets: octets.replace(b"\r", b"").replace(b"\n", b"")),
            min_size=1,
            max_size=4,
        ),
    ),
    min_size=1,
    max_size=4,
).map(b"".join)


def parse(segments: list[bytes]) -> tuple[list[Reply], bool]:
    parser = ReplyParser()
    replies: list[Reply] = []
    violated = False
    for segment in segments:
        violated = parser.feed_into(segment, replies) is not None or violated
    return replies, violated


@given(WELL_FORMED | st.binary(max_size=200), st.lists(st.integers(0, 10_000), max_size=12))
def test_the_segmentation_changes_nothing(octets: bytes, places: list[int]) -> None:
    assert parse(cut(octets, places)) == parse([octets])


@given(st.binary(max_size=4000))
def test_any_octets_are_replies_or_a_violation(octets: bytes) -> None:
    replies, _ = parse([octets])

    assert all(200 <= reply.code <= 599 and reply.text.isascii() and reply.text.isprintable() for reply in replies)


@given(WELL_FORMED)
def test_every_well_formed_reply_is_read(octets: bytes) -> None:
    replies, violated = parse([octets])

    assert not violated
    assert [reply.code for reply in replies] == [int(line[:3]) for line in octets.split(b"\r\n") if line[3:4] == b" "]


@pytest.mark.parametrize(
    "line",
    [
        b"000 x",
        b"099 x",
        b"600 x",
        b"999 x",
        b"25",
        b"2_5 x",
        b"+25 x",
        b"250\tx",
        b"250x",
        b" 250 x",
        b"",
        b"\xd9\xa2\xd9\xa5\xd9\xa0 x",
    ],
    ids=repr,
)
def test_HR6_only_three_ascii_digits_from_200_to_599_are_a_code(line: bytes) -> None:
    assert parse([line + b"\r\n"]) == ([], True)


@pytest.mark.parametrize("octets", [b"250-a\r\n550 b\r\n", b"550-a\r\n250 b\r\n"])
def test_HR5_a_reply_with_two_codes_is_a_violation(octets: bytes) -> None:
    assert parse([octets]) == ([], True)


@pytest.mark.parametrize("octets", [b"250 a\n250 b\r\n", b"250 a\rb\r\n"])
def test_a_bare_line_end_is_a_violation(octets: bytes) -> None:
    assert parse([octets])[1]


def test_HR1_an_endless_reply_ends_at_the_limit() -> None:
    parser = ReplyParser()
    lines = (b"250-" + b"x" * 1000 + b"\r\n") * (MAX_REPLY // 1000 + 1)

    assert parser.feed_into(lines, []) is not None


def test_HR1_an_endless_line_ends_at_the_limit() -> None:
    assert ReplyParser().feed_into(b"250 " + b"x" * 4096, []) is not None


def test_no_reply_is_read_after_a_violation() -> None:
    parser = ReplyParser()
    replies: list[Reply] = []

    assert parser.feed_into(b"nonsense\r\n", replies) is not None
    assert parser.feed_into(b"250 ok\r\n", replies) is not None
    assert replies == []


def test_replies_before_a_violation_count() -> None:
    replies, violated = parse([b"550 no\r\nnonsense\r\n250 ok\r\n"])

    assert ([reply.code for reply in replies], violated) == ([550], True)


@pytest.mark.parametrize(
    ("code", "text", "enhanced_code"),
    [
        (250, "2.1.5 Ok", "2.1.5"),
        (550, "5.1.1 unknown", "5.1.1"),
        (250, "5.1.1 out of step", None),
        (451, "5.7.1 out of step", None),
        (550, "no code", None),
        (250, "2.1.5", "2.1.5"),
    ],
)
def test_HR8_an_enhanced_code_of_another_class_is_ignored(code: int, text: str, enhanced_code: str | None) -> None:
    assert make_reply(code, text).enhanced_code == enhanced_code


@given(st.integers(200, 599), st.text(max_size=9000))
def test_HR24_IN22_reply_text_is_printable_and_short(code: int, text: str) -> None:
    shown = make_reply(code, text).text

    assert len(shown) <= MAX_TEXT
    assert all(" " <= character <= "~" for character in shown)
