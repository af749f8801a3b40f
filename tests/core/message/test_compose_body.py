"""Texts and files as octets: transfer encodings, line ends and lengths."""

import binascii
import quopri
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.message.compose.body import Base64Body, encode_text

from tests.support.composing import composed, make_draft, read, read_content

TEXTS = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\r\n. \t=x")), max_size=300)


def decode(encoding: str, content: bytes) -> str:
    match encoding:
        case "base64":
            return binascii.a2b_base64(content).decode()
        case "quoted-printable":
            return quopri.decodestring(content).decode()
        case _:
            return content.decode("ascii")


def normalised(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def is_clean(octets: bytes) -> bool:
    """Tell whether all line ends are CRLF, all octets are 7-bit, and all lines have at most 998 octets."""
    bare = octets.replace(b"\r\n", b"")
    return b"\r" not in bare and b"\n" not in bare and octets.isascii() and max(map(len, octets.split(b"\r\n"))) <= 998


@settings(max_examples=500)
@given(TEXTS)
def test_a_text_decodes_to_itself_with_crlf_line_ends(text: str) -> None:
    assert decode(*encode_text(text)) == normalised(text)


@settings(max_examples=500)
@given(TEXTS)
def test_an_encoded_text_is_clean(text: str) -> None:
    assert is_clean(encode_text(text)[1])


@settings(max_examples=200)
@given(st.text("ab=é \t.\n", max_size=60), st.integers(1, 60))
def test_lines_of_quoted_printable_and_base64_have_at_most_76_characters(text: str, times: int) -> None:
    encoding, content = encode_text(text * times)

    assert encoding == "7bit" or max(map(len, content.split(b"\r\n"))) <= 76


@settings(max_examples=200)
@given(st.text("ab é\t\n", max_size=80))
def test_no_encoded_line_ends_in_white_space(text: str) -> None:
    encoding, content = encode_text(text)

    assert encoding == "7bit" or not any(line.endswith((b" ", b"\t")) for line in content.split(b"\r\n"))


def test_IN15_no_body_composes_to_a_bare_cr_or_lf() -> None:
    dirty = [
        body
        for length in range(1, 7)
        for characters in product("\r\n.x", repeat=length)
        if not is_clean(composed(make_draft(text=(body := "".join(characters)))).as_bytes())
    ]

    assert dirty == []


def test_IN15_a_smuggled_end_of_data_stays_text() -> None:
    text = "x\r\n.\r\nMAIL FROM:<e@x.y>\r\n"

    assert read_content(read(composed(make_draft(text=text)))).decode() == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain ASCII\n", "7bit"),
        ("x" * 900, "7bit"),
        ("x" * 901, "quoted-printable"),
        ("x" * 998, "quoted-printable"),
        ("mostly ASCII, one é\n", "quoted-printable"),
        ("по-русски\n", "base64"),
        ("form\ffeed and plenty of other text", "quoted-printable"),
    ],
)
def test_text_beyond_7bit_gets_the_smaller_encoding(text: str, encoding: str) -> None:
    assert encode_text(text)[0] == encoding


@pytest.mark.parametrize("length", [899, 900, 901, 990, 991, 998, 999, 5000])
def test_no_line_of_a_text_is_so_long_that_a_relay_breaks_it(length: int) -> None:
    message = composed(make_draft(text=f"before\n{'x' * length}\nafter\n"))

    assert max(map(len, message.as_bytes().split(b"\r\n"))) <= 900
    assert read_content(read(message)).decode() == f"before\r\n{'x' * length}\r\nafter\r\n"


@pytest.mark.parametrize("text", ["", "no line end", "one line end\n", "two\n\n"])
def test_a_message_ends_in_a_line_end(text: str) -> None:
    assert composed(make_draft(text=text)).as_bytes().endswith(b"\r\n")


LINE, BLOCK, CHUNK = 57, 57 * 64, 57 * 64 * 64
SIZES = sorted({max(0, edge + step) for edge in (0, LINE, BLOCK, CHUNK, 2 * CHUNK) for step in (-1, 0, 1, 2, 3)})


@pytest.mark.parametrize("size", SIZES)
def test_LI2_the_size_of_an_encoded_file_is_computed_without_encoding(size: int) -> None:
    body = Base64Body(b"\xa5" * size)

    assert body.size == len(b"".join(body.chunks()))


@pytest.mark.parametrize("size", SIZES)
def test_an_encoded_file_decodes_to_itself(size: int) -> None:
    content = bytes(range(251)) * (size // 251) + bytes(range(size % 251))

    assert binascii.a2b_base64(b"".join(Base64Body(content).chunks())) == content


def test_a_file_is_encoded_in_lines_of_76_and_chunks_of_320_kilobytes() -> None:
    chunks = list(Base64Body(bytes(3 * CHUNK)).chunks())

    assert max(map(len, chunks)) <= 320 * 1024
    assert {len(line) for line in b"".join(chunks).split(b"\r\n")} == {76}


def test_encoding_a_file_twice_gives_the_same_octets() -> None:
    body = Base64Body(bytes(range(256)) * 2000)

    assert list(body.chunks()) == list(body.chunks())
