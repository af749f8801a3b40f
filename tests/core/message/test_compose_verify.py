"""The verification: every mistake of a broken composer is caught before anything is sent."""

import pytest
from mailer.message.address import Mailbox, parse_mailbox
from mailer.message.compose import CompositionFault
from mailer.message.compose.headers import FieldValue
from mailer.message.compose.verify import verify
from mailer.message.draft import Attachment, Draft

from tests.support.composing import composed, make_draft

FIELDS: list[tuple[str, FieldValue]] = [
    ("From", (parse_mailbox('"Ann, A" <ann@good.example>'),)),
    ("To", (parse_mailbox("b@example.net"), parse_mailbox("Ç <c@example.net>"))),
    ("Subject", "Grüße"),
    ("Message-ID", b"<1@good.example>"),
]
FRAME = (
    b'From: "Ann, A" <ann@good.example>\r\n'
    b"To: b@example.net,\r\n =?utf-8?b?w4c=?= <c@example.net>\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
    b"Message-ID: <1@good.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative;\r\n boundary="=_alternative_t"\r\n'
    b"\r\n"
    b"--=_alternative_t\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nx\r\n"
    b"--=_alternative_t\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<p>\r\n"
    b"--=_alternative_t--\r\n"
)
BOUNDARIES = [("=_alternative_t", 2)]


def test_what_was_meant_passes() -> None:
    verify(FRAME, FIELDS, BOUNDARIES)


@pytest.mark.parametrize(
    ("original", "broken"),
    [
        pytest.param(b"\r\nx\r\n", b"\r\nx\n", id="bare LF"),
        pytest.param(b"\r\nx\r\n", b"\r\nx\ry\r\n", id="bare CR"),
        pytest.param(b"\r\nx\r\n", b"\r\n\xc3\xa9\r\n", id="8-bit"),
        pytest.param(b"\r\nx\r\n", b"\r\n\0\r\n", id="NUL"),
        pytest.param(b"\r\nx\r\n", b"\r\n" + b"x" * 999 + b"\r\n", id="line of 999"),
        pytest.param(b"_t--\r\n", b"_t--", id="no last line end"),
        pytest.param(b"Subject:", b"Bcc: e@x.example\r\nSubject:", id="a field more"),
        pytest.param(b"MIME-Version", b"X-More: 1\r\nMIME-Version", id="a field more at the end"),
        pytest.param(b"Message-ID: <1@good.example>\r\n", b"", id="a field less"),
        pytest.param(b"Subject", b"subject", id="another name"),
        pytest.param(b"To: b@", b"To: b@b.example, b@", id="a recipient more"),
        pytest.param(b"b@example.net,\r\n ", b"", id="a recipient less"),
        pytest.param(b"<c@example.net>", b"<c@example.net>, d@example.net", id="a recipient more at the end"),
        pytest.param(b"<c@example.net>", b"<c@example.net>, ", id="an open list"),
        pytest.param(b"b@example.net", b"b@example.org", id="another address"),
        pytest.param(b"b@example.net", b"b@example.net(x)", id="a comment"),
        pytest.param(b"b@example.net", b"<b@example.net>", id="brackets without a name"),
        pytest.param(b'"Ann, A"', b'"Ann"', id="another name of a person"),
        pytest.param(b'"Ann, A"', b"Ann", id="an unquoted name"),
        pytest.param(b'"Ann, A"', b'"=?utf-8?b?QQ==?="', id="an encoded-word in quotes"),
        pytest.param(b"=?utf-8?b?w4c=?=", b"=?utf-8?q?=C3=87?=", id="another encoding"),
        pytest.param(b"R3LDvMOfZQ", b"R3LDvMOfZR", id="non-canonical base64 of another text"),
        pytest.param(b"R3LDvMOfZQ==", b"w4c=", id="another subject"),
        pytest.param(b"R3LDvMOfZQ==", b"/w==", id="not UTF-8"),
        pytest.param(b"R3LDvMOfZQ==?=", b"R3LDvMOfZQ==?= x", id="half encoded"),
        pytest.param(b"<1@good.example>", b"<2@good.example>", id="another message id"),
        pytest.param(b"=\r\n", b"=\r\n \r\n", id="a blank line in the header"),
        pytest.param(b"Version: 1.0", b"Version: 1.1", id="another MIME version"),
        pytest.param(b"multipart/alternative", b"multipart/parallel", id="another multipart"),
        pytest.param(b"\r\nx\r\n", b"\r\nx\r\n--=_alternative_t\r\n\r\ny\r\n", id="a part more"),
        pytest.param(b"\r\nx\r\n", b"\r\nx\r\n--=_alternative_tail\r\n", id="a line like a delimiter"),
        pytest.param(b"--=_alternative_t--", b"--=_alternative_t", id="no closing delimiter"),
        pytest.param(b"text/html;", b"text/html; name=x;", id="another parameter"),
        pytest.param(b"7bit\r\n\r\nx", b"7bit\r\nX-Part: 1\r\n\r\nx", id="a part's field more"),
        pytest.param(b"7bit\r\n\r\nx", b"8bit\r\n\r\nx", id="another transfer encoding"),
    ],
)
def test_IN28_anything_else_is_a_fault(original: bytes, broken: bytes) -> None:
    mutated = FRAME.replace(original, broken, 1)
    fields = FIELDS
    if b"ZR==" in mutated:
        fields = [("Subject", "Grüßd") if name == "Subject" else (name, value) for name, value in FIELDS]

    assert mutated != FRAME
    with pytest.raises(CompositionFault):
        verify(mutated, fields, BOUNDARIES)


def test_a_frame_without_a_header_is_a_fault() -> None:
    with pytest.raises(CompositionFault):
        verify(b"x\r\n", [], [])


@pytest.mark.parametrize(
    "draft",
    [
        pytest.param(make_draft(headers=(("References", "<a@b>\r\nBcc: e@x.example"),)), id="protocol field"),
        pytest.param(make_draft(headers=(("X-Tag\r\nBcc", "e@x.example"),)), id="IN3 name"),
        pytest.param(make_draft(attachments=(Attachment("a", b"", "a/b\r\nX: 1"),)), id="IN13 content type"),
        pytest.param(make_draft(attachments=(Attachment("a", b"", "multipart/mixed"),)), id="IN13 multipart"),
        pytest.param(make_draft(attachments=(Attachment("a", b"", "a/b", "c>\r\nX: <1"),)), id="content id"),
        pytest.param(make_draft(attachments=(Attachment("a", b"", "a/\u00e9"),)), id="content type beyond ASCII"),
    ],
)
def test_an_unchecked_draft_is_a_fault(draft: Draft) -> None:
    with pytest.raises(CompositionFault):
        composed(draft)


@pytest.mark.parametrize("message_id", ["<1@good.example>\r\nBcc: e@x.example", "<\u00e9@good.example>"])
def test_an_unchecked_message_id_is_a_fault(message_id: str) -> None:
    with pytest.raises(CompositionFault):
        composed(make_draft(), message_id=message_id)


def test_a_control_character_in_an_unchecked_display_name_is_only_text() -> None:
    sender = Mailbox(parse_mailbox("a@good.example").address, "x\r\nBcc: e@x.example")

    assert b"Bcc" not in composed(make_draft(), sender=sender).as_bytes()
