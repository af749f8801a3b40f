"""Headers, envelope and MIME structure of composed messages."""

import pytest
from mailer.message.address import Mailbox, parse_address, parse_mailbox
from mailer.message.compose import CompositionFault
from mailer.message.draft import Attachment, Draft

from tests.support.composing import (
    SENDER,
    TOKEN,
    composed,
    header_of,
    make_draft,
    read,
    read_addresses,
    read_content,
    read_part,
    read_text,
    structure,
)

LOGO = Attachment("logo.png", b"\x89PNG", "image/png", "logo")
REPORT = Attachment("report.pdf", b"%PDF", "application/pdf")
PICTURE = '<p>Hi <img src="cid:logo"></p>'


def test_header_fields_have_a_fixed_order() -> None:
    draft = make_draft(cc=("cc@example.net",), headers=(("X-Campaign", "spring"),))

    message = composed(draft, reply_to=(parse_mailbox("help@good.example"),))

    assert header_of(message) == (
        "Date: Sun, 01 Mar 2026 09:05:07 +0000\r\n"
        'From: "Good Shop" <shop@good.example>\r\n'
        "To: ann@example.net\r\n"
        "Cc: cc@example.net\r\n"
        "Reply-To: help@good.example\r\n"
        "Subject: Hello\r\n"
        "Message-ID: <0123456789abcdef@good.example>\r\n"
        "X-Campaign: spring\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit"
    )


def test_the_same_arguments_give_the_same_octets() -> None:
    draft = make_draft(html=PICTURE, attachments=(LOGO, REPORT))

    assert composed(draft).as_bytes() == composed(draft).as_bytes()


def test_the_given_envelope_sender_is_used() -> None:
    assert composed(make_draft()).envelope_sender == parse_address("bounces@good.example")


def test_IN27_bcc_is_only_in_the_envelope() -> None:
    message = composed(make_draft(bcc=("hidden@example.org",)))

    assert parse_address("hidden@example.org") in message.recipients
    assert b"hidden" not in message.as_bytes()


def test_a_message_only_to_bcc_names_undisclosed_recipients() -> None:
    message = composed(make_draft(to=(), bcc=("hidden@example.org",)))

    assert read(message)["To"] == "undisclosed-recipients:;"


def test_a_message_only_to_cc_has_no_to_field() -> None:
    assert read(composed(make_draft(to=(), cc=("cc@example.net",))))["To"] is None


def test_DU18_a_repeated_recipient_is_one_recipient_in_its_first_spelling() -> None:
    draft = make_draft(to=("a@Example.net",), cc=("a@EXAMPLE.net",), bcc=("a@example.NET",))

    assert [str(recipient) for recipient in composed(draft).recipients] == ["a@Example.net"]


def test_local_parts_that_differ_in_case_are_two_recipients() -> None:
    draft = make_draft(to=("a@example.net", "A@example.net"))

    assert len(composed(draft).recipients) == 2


@pytest.mark.parametrize(
    "name", ["=?utf-8?b?DQpCY2M6IGVAeC55?=", "=?utf-8?q?=0d=0aBcc:_e@x.y?=", 'a" <e@x.y>, "b', "Doe, Jane (x)", "x\\"]
)
def test_IN2_encoded_words_in_a_display_name_stay_text(name: str) -> None:
    message = composed(make_draft(), sender=Mailbox(SENDER.address, name))

    parsed = read(message)
    assert read_addresses(parsed, "From") == [(name, "shop@good.example")]
    assert "Bcc" not in parsed


def test_a_name_beyond_ascii_is_folded_between_whole_words() -> None:
    name = "Käthe " * 30

    message = composed(make_draft(), sender=Mailbox(SENDER.address, name))

    assert max(map(len, header_of(message).split("\r\n"))) <= 76
    assert read_addresses(read(message), "From") == [(name, "shop@good.example")]


def test_many_recipients_are_folded_between_addresses() -> None:
    to = tuple(f"Person {number} <person{number}@example.net>" for number in range(50))

    message = composed(make_draft(to=to))

    assert max(map(len, header_of(message).split("\r\n"))) <= 76
    assert len(read_addresses(read(message), "To")) == 50


@pytest.mark.parametrize(
    "subject",
    [
        "plain",
        "two  spaces " + "and many words " * 20 + "end",
        " spaces at both ends ",
        "   ",
        "Grüße an всем 👩‍👩‍👧‍👦 " * 12,
        "=?utf-8?b?eA==?=",
        "x" * 500,
        "a" + " " * 498 + "b",
        "",
    ],
)
def test_a_subject_parses_back_unchanged(subject: str) -> None:
    message = composed(make_draft(subject=subject))

    assert read_text(read(message)["Subject"]) == subject


def test_IN16_an_unfoldable_header_fits_the_line_limit() -> None:
    message = composed(make_draft(headers=(("X-" + "n" * 62, "v" * 2000),)))

    assert max(map(len, message.as_bytes().split(b"\r\n"))) <= 998
    assert read_text(read(message)["X-" + "n" * 62]) == "v" * 2000


@pytest.mark.parametrize("length", range(40, 70))
def test_a_line_with_an_encoded_word_has_at_most_76_characters(length: int) -> None:
    message = composed(make_draft(subject="é" + "x" * length, to=(f"{'ü' * 9} <{'a' * (length - 20)}@b.example>",)))

    assert max(map(len, header_of(message).split("\r\n"))) <= 76


def test_encoded_words_after_a_long_field_name_have_at_most_76_characters() -> None:
    message = composed(make_draft(headers=(("X-" + "n" * 62, "é" * 200),)))

    assert max(map(len, header_of(message).split("\r\n"))) <= 76


def test_protocol_fields_are_never_encoded() -> None:
    value = "<https://good.example/u?a=?b?q?c?=>"

    assert f"List-Unsubscribe: {value}\r\n" in header_of(composed(make_draft(headers=(("List-Unsubscribe", value),))))


def test_references_are_folded_between_ids() -> None:
    value = " ".join(f"<{number}@good.example>" for number in range(60))

    message = composed(make_draft(headers=(("References", value),)))

    assert max(map(len, header_of(message).split("\r\n"))) <= 76
    assert read(message)["References"].replace("\r\n", "") == value


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        (make_draft(), ["text/plain"]),
        (make_draft(text=None, html="<p>"), ["text/html"]),
        (make_draft(text="", html="<p>"), ["text/html"]),
        (make_draft(html="<p>"), ["multipart/alternative", ["text/plain"], ["text/html"]]),
        (make_draft(attachments=(REPORT,)), ["multipart/mixed", ["text/plain"], ["application/pdf"]]),
        (
            make_draft(text=None, html=PICTURE, attachments=(LOGO,)),
            ["multipart/related", ["text/html"], ["image/png"]],
        ),
        (
            make_draft(html=PICTURE, attachments=(REPORT, LOGO)),
            [
                "multipart/mixed",
                ["multipart/alternative", ["text/plain"], ["multipart/related", ["text/html"], ["image/png"]]],
                ["application/pdf"],
            ],
        ),
    ],
)
def test_the_draft_decides_the_mime_structure(draft: Draft, expected: list[object]) -> None:
    assert structure(read(composed(draft))) == expected


def test_an_inline_image_carries_its_content_id() -> None:
    message = composed(make_draft(text=None, html=PICTURE, attachments=(LOGO,)))

    image = read_part(message, 1)
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"


def test_an_image_that_is_not_in_the_html_is_attached() -> None:
    message = composed(make_draft(html="<p>no picture</p>", attachments=(LOGO,)))

    assert read_part(message, 1).get_content_disposition() == "attachment"


@pytest.mark.parametrize("url", ["CID:Logo", "cid:logo%40good.example", "cid:logo@good.example"])
def test_a_content_id_is_found_in_every_spelling_of_its_url(url: str) -> None:
    content_id = "Logo" if "@" not in url and "%" not in url else "logo@good.example"
    logo = Attachment("logo.png", b"x", "image/png", content_id)

    message = composed(make_draft(text=None, html=f'<img src="{url}">', attachments=(logo,)))

    assert structure(read(message)) == ["multipart/related", ["text/html"], ["image/png"]]


@pytest.mark.parametrize(
    "name", ["report.pdf", "résumé.pdf", 'a"b.pdf', "=?utf-8?b?Li4v?=.pdf", "100% 'sure'.pdf", "é" * 127]
)
def test_IN12_a_filename_parses_back_and_has_one_disposition(name: str) -> None:
    message = composed(make_draft(attachments=(Attachment(name, b"x", "application/pdf"),)))

    part = read_part(message, 1)
    assert part.get_filename() == name
    assert message.as_bytes().count(b"Content-Disposition") == 1


def test_attachments_parse_back_unchanged() -> None:
    content = bytes(range(256)) * 5000

    message = composed(
        make_draft(attachments=(Attachment("a", content, "application/pdf"), Attachment("b", b"", "a/b")))
    )

    assert [read_content(read_part(message, index)) for index in (1, 2)] == [content, b""]


def test_equal_attachments_are_both_sent() -> None:
    message = composed(make_draft(attachments=(REPORT, REPORT)))

    assert len(read(message).get_payload()) == 3


@pytest.mark.parametrize("encoded", [False, True])
def test_IN14_a_boundary_in_the_body_is_replaced(encoded: bool) -> None:
    text = f"--=_alternative_{TOKEN}\r\n" + ("é" if encoded else "") + f"\r\n--=_alternative_{TOKEN}--\r\n"

    message = composed(make_draft(text=text, html="<p>"), tokens=(TOKEN, "another0token"))

    assert structure(read(message)) == ["multipart/alternative", ["text/plain"], ["text/html"]]
    assert read_content(read_part(message, 0)).decode() == text


def test_IN14_a_boundary_in_a_filename_is_replaced() -> None:
    message = composed(make_draft(attachments=(Attachment(TOKEN, b"x", "a/b"),)), tokens=(TOKEN, "another0token"))

    assert read(message).get_boundary() == "=_mixed_another0token"


def test_IN14_a_constant_boundary_source_is_a_fault() -> None:
    with pytest.raises(CompositionFault):
        composed(make_draft(text=TOKEN, html="<p>"))


def test_a_message_without_attachments_is_one_chunk() -> None:
    assert len(composed(make_draft(html="<p>é</p>")).segments) == 1
