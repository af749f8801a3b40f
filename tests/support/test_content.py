import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.content import (
    LENIENT,
    LENIENT_CR,
    LENIENT_LF,
    RECEIVERS,
    STRICT,
    Receiver,
    smuggling_bodies,
    split_messages,
)


def smtp_wire(body: bytes) -> bytes:
    lines = [b"." + line if line.startswith(b".") else line for line in body.split(b"\r\n")]
    return b"\r\n".join(lines) + b"\r\n.\r\n"


@pytest.mark.parametrize(
    ("end", "receivers"),
    [
        (b"\r\n.\r\n", {STRICT, LENIENT_LF, LENIENT_CR, LENIENT}),
        (b"\n.\n", {LENIENT_LF, LENIENT}),
        (b"\n.\r\n", {LENIENT_LF, LENIENT}),
        (b"\r\n.\n", {LENIENT_LF, LENIENT}),
        (b"\r.\r", {LENIENT_CR, LENIENT}),
        (b"\r.\r\n", {LENIENT_CR, LENIENT}),
        (b"\r\n.\r", {LENIENT_CR, LENIENT}),
        (b"\n.\r", {LENIENT}),
        (b"\r\n.\x00\r\n", set()),
    ],
    ids=lambda value: repr(value) if isinstance(value, bytes) else "+".join(sorted(one.name for one in value)),
)
def test_each_receiver_ends_the_message_by_its_own_line_ends(end: bytes, receivers: set[Receiver]) -> None:
    content = b"one" + end + b"two"

    assert {receiver for receiver in RECEIVERS if receiver.find_end(content)} == receivers


def test_an_empty_message_ends_at_once() -> None:
    assert STRICT.find_end(b".\r\nQUIT\r\n") == (0, 3)


def test_a_dot_at_the_start_of_the_search_does_not_end_the_content() -> None:
    assert STRICT.find_end(b"0123456789.\r\n", 15) is None


@settings(deadline=None)
@given(st.lists(st.sampled_from([b"\r\n", b".", b"x", b"\r\n.\r\n"]), max_size=30).map(b"".join))
def test_a_strict_receiver_reads_stuffed_content_unchanged(body: bytes) -> None:
    assert split_messages(smtp_wire(body), STRICT) == ([body + b"\r\n"], b"")


@settings(deadline=None)
@given(st.binary(max_size=60).map(lambda octets: bytes(b"\r\n.x"[octet % 4] for octet in octets)), st.data())
def test_the_segmentation_does_not_move_the_end(stream: bytes, data: st.DataObject) -> None:
    receiver = data.draw(st.sampled_from([STRICT, LENIENT_LF]))
    searched = 0
    found = None
    for length in range(len(stream) + 1):
        found = receiver.find_end(stream[:length], searched)
        if found is not None:
            break
        searched = length

    assert found == receiver.find_end(stream)


def test_the_smuggling_bodies_cover_every_short_string_and_look_alike() -> None:
    bodies = list(smuggling_bodies())

    assert len(bodies) == len(set(bodies)) == sum(4**length for length in range(7)) + 9 + 3


def test_a_naive_sender_is_caught_by_every_lenient_receiver() -> None:
    def is_fooled(receiver: Receiver) -> bool:
        return any(split_messages(smtp_wire(body), receiver)[1] for body in smuggling_bodies())

    assert [is_fooled(receiver) for receiver in RECEIVERS] == [False, True, True, True]
