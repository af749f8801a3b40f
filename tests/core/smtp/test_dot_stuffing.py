"""Dot-stuffing: a server gets the same octets, and no stuffed line ends the message."""

from hypothesis import given
from hypothesis import strategies as st
from mailer.smtp.dot_stuffing import stuff

from tests.support.segmentation import cut

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x.", b"x"]), max_size=8).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)
ANY = st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n"]), max_size=12).map(b"".join)


def unstuff(octets: bytes) -> bytes:
    """Remove the dots as a receiver does (RFC 5321 section 4.5.2)."""
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in octets.split(b"\r\n"))


@given(LINES | ANY, st.lists(st.integers(0, 1000), max_size=8))
def test_the_receiver_gets_the_same_octets(octets: bytes, places: list[int]) -> None:
    assert unstuff(b"".join(stuff(cut(octets, places)))) == octets


@given(LINES, st.lists(st.integers(0, 1000), max_size=8))
def test_no_stuffed_line_is_a_single_dot(octets: bytes, places: list[int]) -> None:
    assert b"." not in b"".join(stuff(cut(octets, places))).split(b"\r\n")


@given(LINES | ANY, st.lists(st.integers(0, 1000), max_size=8))
def test_the_segmentation_changes_nothing(octets: bytes, places: list[int]) -> None:
    assert b"".join(stuff(cut(octets, places))) == b"".join(stuff([octets]))
