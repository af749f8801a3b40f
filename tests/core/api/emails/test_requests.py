"""Request bodies: the draft, or the place and code of each problem."""

import json

import pytest
from mailer.api.config.requests import parse_validate_request
from mailer.api.emails.request import parse_email_request
from mailer.errors import InvalidRequest
from mailer.ledger.record import OnUnknown
from mailer.message.address import parse_mailbox
from mailer.message.draft import Attachment, Draft

REQUIRED: dict[str, object] = {"to": "ann@example.net", "subject": "Hello", "text": "Hello."}
FILE: dict[str, object] = {"filename": "a.pdf", "content": "JVBERg=="}


def body(**members: object) -> str:
    return json.dumps({**REQUIRED, **members})


def parsed(**members: object) -> Draft:
    return parse_email_request(body(**members)).draft


def problems_in(text: bytes | str) -> list[tuple[str | None, str]]:
    with pytest.raises(InvalidRequest) as raised:
        parse_email_request(text)
    return [(problem.pointer, problem.code) for problem in raised.value.problems]


def problems(**members: object) -> list[tuple[str | None, str]]:
    return problems_in(body(**members))


def test_a_minimal_request_is_a_draft() -> None:
    assert parsed() == Draft(to=(parse_mailbox("ann@example.net"),), subject="Hello", text="Hello.")


def test_every_field_arrives_in_the_draft() -> None:
    draft = parsed(
        **{"from": "Shop <shop@good.example>"},
        to=["Ann <ann@example.net>", {"email": "bob@example.net", "name": "Bob, B"}],
        cc={"email": "cc@example.net"},
        bcc=["bcc@example.net"],
        reply_to="help@good.example",
        html="<p>Hello</p>",
        headers={"X-Campaign": "spring"},
        attachments=[{**FILE, "content_type": "Application/PDF", "content_id": "report"}],
    )

    assert draft == Draft(
        to=(parse_mailbox("Ann <ann@example.net>"), parse_mailbox('"Bob, B" <bob@example.net>')),
        subject="Hello",
        sender=parse_mailbox("Shop <shop@good.example>"),
        cc=(parse_mailbox("cc@example.net"),),
        bcc=(parse_mailbox("bcc@example.net"),),
        reply_to=(parse_mailbox("help@good.example"),),
        text="Hello.",
        html="<p>Hello</p>",
        headers=(("X-Campaign", "spring"),),
        attachments=(Attachment("a.pdf", b"%PDF", "application/pdf", "report"),),
    )


def test_octets_and_text_are_read_the_same() -> None:
    assert parse_email_request(body().encode()) == parse_email_request(body())


@pytest.mark.parametrize("name", ["from", "cc", "bcc", "reply_to", "html", "headers", "attachments"])
def test_null_means_absent(name: str) -> None:
    assert parsed(**{name: None}) == parsed()


@pytest.mark.parametrize("name", ["to", "subject", "text"])
def test_required_members_must_be_present(name: str) -> None:
    assert problems(**{name: None}) == [(f"/{name}", "required")]


def test_all_problems_are_found_at_once() -> None:
    found = problems(
        to=["a@x.com, b@evil.com", {"name": "x", "mail": "a@b.example"}],
        subject="a\r\nb",
        metadata={},
        headers={"Bcc": "e@x.example"},
        attachments=[{"filename": "../x", "content": "QQ", "path": "/etc/passwd"}],
    )

    assert found == [
        ("/metadata", "unknown-field"),
        ("/to/0", "address-malformed"),
        ("/to/1/mail", "unknown-field"),
        ("/to/1/email", "required"),
        ("/subject", "control-character"),
        ("/headers/Bcc", "header-not-allowed"),
        ("/attachments/0/path", "unknown-field"),
        ("/attachments/0/filename", "filename-unsafe"),
        ("/attachments/0/content", "base64-malformed"),
    ]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"metadata": {}}, "/metadata"),
        ({"To": "a@b.example"}, "/To"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"x" * 65: 1}, ""),
        ({"to": [{"email": "a@b.example", "type": "to"}]}, "/to/0/type"),
        ({"attachments": [{**FILE, "href": "https://x.example"}]}, "/attachments/0/href"),
        ({"attachments": [{**FILE, "url": None}]}, "/attachments/0/url"),
    ],
)
def test_SS13_unknown_fields_are_refused_at_every_level(members: dict[str, object], pointer: str) -> None:
    assert problems(**members) == [(pointer, "unknown-field")]


@pytest.mark.parametrize("wish", list(OnUnknown))
def test_a_caller_can_choose_on_unknown(wish: OnUnknown) -> None:
    assert parse_email_request(body(on_unknown=wish.value)).on_unknown is wish


@pytest.mark.parametrize("value", ["drop", "HOLD", "", True, 1, [], {}])
def test_another_on_unknown_is_refused(value: object) -> None:
    assert problems(on_unknown=value) == [("/on_unknown", "unknown-value")]


def test_the_default_of_on_unknown_is_hold() -> None:
    assert parse_email_request(body(on_unknown=None)).on_unknown is OnUnknown.HOLD


@pytest.mark.parametrize(
    "controls", ["\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\u0085", "\u202e", "\u2066", "\x1b"]
)
@pytest.mark.parametrize(
    ("pointer", "members"),
    [
        ("/subject", {"subject": "a{}b"}),
        ("/to/name", {"to": {"email": "a@b.example", "name": "a{}b"}}),
        ("/reply_to", {"reply_to": "a{}b <a@b.example>"}),
        ("/headers/X-A", {"headers": {"X-A": "a{}b"}}),
        ("/attachments/0/filename", {"attachments": [{"filename": "a{}b", "content": ""}]}),
    ],
)
def test_IN1_IN12_controls_are_refused_and_not_stripped(
    pointer: str, members: dict[str, object], controls: str
) -> None:
    text = body(**members).replace("{}", json.dumps(controls)[1:-1])

    assert problems_in(text) == [(pointer, "control-character")]


@pytest.mark.parametrize(
    "recipient",
    [
        pytest.param("a@b.com>\r\nRCPT TO:<e@x.y", id="IN4"),
        pytest.param("a@b.com> SIZE=1", id="IN4 parameter"),
        pytest.param('"foo@psres.net> ORCPT=admin@admin.com"@test.com', id="IN5"),
        pytest.param("a@good.com(x)evil.com", id="IN6"),
        pytest.param("a@x.com, b@evil.com", id="IN7 list"),
        pytest.param("f: a@x.com, b@evil.com;", id="IN7 group"),
        pytest.param("", id="empty"),
        pytest.param({"email": "Ann <a@b.example>"}, id="a name in email"),
        pytest.param({"email": 1}, id="a number"),
        pytest.param({"email": "a@b.example", "name": 1}, id="a name that is a number"),
        pytest.param({}, id="nothing"),
        pytest.param(1, id="a number alone"),
        pytest.param([["a@b.example"]], id="a list in a list"),
    ],
)
def test_one_entry_is_one_address(recipient: object) -> None:
    assert len(problems(to=recipient)) == 1


def test_a_blank_name_counts_as_absent() -> None:
    assert parsed(to={"email": "a@b.example", "name": " "}).to == (parse_mailbox("a@b.example"),)


@pytest.mark.parametrize("to", [[], None])
def test_a_recipient_is_required_in_to(to: object) -> None:
    assert problems(to=to, bcc="a@b.example") == [("/to", "required")]


def test_LI3_fifty_recipients_are_accepted() -> None:
    draft = parsed(to=["a@b.example"] * 20, cc=["a@b.example"] * 20, bcc=["a@b.example"] * 10)

    assert len(draft.to + draft.cc + draft.bcc) == 50


def test_LI3_fifty_one_recipients_are_refused() -> None:
    asked = {"to": ["a@b.example"] * 20, "cc": ["a@b.example"] * 20, "bcc": ["a@b.example"] * 11}

    assert problems(**asked) == [("/bcc", "too-many-recipients")]


def test_a_message_has_one_sender() -> None:
    assert problems(**{"from": ["a@b.example", "c@d.example"]}) == [("/from", "too-many-addresses")]


@pytest.mark.parametrize(
    ("subject", "code"), [("", "blank"), ("  ", "blank"), ("x" * 501, "too-long"), (1, "wrong-type")]
)
def test_a_subject_is_one_line(subject: object, code: str) -> None:
    assert problems(subject=subject) == [("/subject", code)]


@pytest.mark.parametrize("members", [{"text": ""}, {"text": None}, {"text": "", "html": ""}])
def test_a_message_needs_a_text_or_html(members: dict[str, object]) -> None:
    assert problems(**members) == [("/text", "required")]


def test_an_empty_text_together_with_html_counts_as_absent() -> None:
    assert parsed(text="", html="<p>").text is None


def test_a_body_may_hold_tabs_line_ends_and_right_to_left_marks() -> None:
    assert parsed(text="a\tb\r\nc\rd\n\u200f\u05e9").text == "a\tb\r\nc\rd\n\u200f\u05e9"


@pytest.mark.parametrize("control", ["\0", "\x1b", "\x08", "\x7f"])
def test_a_body_may_not_hold_other_control_characters(control: str) -> None:
    assert problems(html=f"a{control}b") == [("/html", "control-character")]


@pytest.mark.parametrize(
    "content_type",
    [
        "pdf\r\nX: 1", "multipart/mixed", "MESSAGE/rfc822", "text/html; charset=utf-7", "text", "a/b/c", "",
        "a/" + "b" * 300, 1,
    ],
)  # fmt: skip
def test_IN13_a_content_type_with_parameters_or_parts_is_refused(content_type: object) -> None:
    found = problems(attachments=[{**FILE, "content_type": content_type}])

    assert found == [("/attachments/0/content_type", "content-type-malformed")]


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [("a.PDF", "application/pdf"), ("a.tar.gz", "application/gzip"), ("a.xyz", "application/octet-stream"),
     ("noextension", "application/octet-stream")],
)  # fmt: skip
def test_a_content_type_left_out_follows_from_the_extension(filename: str, content_type: str) -> None:
    draft = parsed(attachments=[{"filename": filename, "content": ""}])

    assert draft.attachments[0].content_type == content_type


@pytest.mark.parametrize(
    ("filename", "code"),
    [
        ("../x", "filename-unsafe"), ("a/b", "filename-unsafe"), ("a\\b", "filename-unsafe"), ("..", "filename-unsafe"),
        (" a", "filename-unsafe"), ("", "blank"), ("x" * 4096, "too-long"), ("é" * 128, "too-long"), (1, "wrong-type"),
        (None, "required"),
    ],
)  # fmt: skip
def test_IN12_a_filename_is_a_plain_base_name(filename: object, code: str) -> None:
    assert problems(attachments=[{"filename": filename, "content": ""}]) == [("/attachments/0/filename", code)]


@pytest.mark.parametrize("content", ["QQ", "QQ=", "QQ==\n", "Q Q==", "-_-_", "QQ==QQ==", "é===", "=", 1, None])
def test_LI5_content_is_strict_base64(content: object) -> None:
    (found,) = problems(attachments=[{"filename": "a", "content": content}])

    assert found[0] == "/attachments/0/content"


def test_LI6_a_compressed_attachment_stays_as_it_is() -> None:
    draft = parsed(attachments=[{"filename": "bomb.gz", "content": "H4sIAAAAAAAAAw=="}])

    assert draft.attachments[0].content == b"\x1f\x8b\x08\0\0\0\0\0\0\x03"


def test_LI4_a_hundred_attachments_are_accepted() -> None:
    assert len(parsed(attachments=[FILE] * 100).attachments) == 100


def test_LI4_a_hundred_and_one_attachments_are_refused() -> None:
    assert problems(attachments=[FILE] * 101) == [("/attachments", "too-many-attachments")]


@pytest.mark.parametrize("content_id", ["<logo>", "lo go", "a@b@c", "é", "", "x" * 201, 1])
def test_a_content_id_is_plain(content_id: object) -> None:
    found = problems(html="<p>", attachments=[{**FILE, "content_id": content_id}])

    assert found == [("/attachments/0/content_id", "content-id-malformed")]


def test_a_content_id_names_one_attachment() -> None:
    found = problems(html="<p>", attachments=[{**FILE, "content_id": "a"}, {**FILE, "content_id": "a"}])

    assert found == [("/attachments/1/content_id", "duplicate-content-id")]


@pytest.mark.parametrize("members", [{}, {"html": ""}])
def test_a_content_id_needs_html_to_show_it(members: dict[str, object]) -> None:
    found = problems(**members, attachments=[{**FILE, "content_id": "a"}])

    assert found == [("/attachments/0/content_id", "html-required")]


@pytest.mark.parametrize("attachments", [{}, "a", [1], [[]]])
def test_attachments_are_a_list_of_objects(attachments: object) -> None:
    assert [code for _, code in problems(attachments=attachments)] == ["wrong-type"]


@pytest.mark.parametrize("text", [None, "", b"", " \n", "{}", '{"entries": null}'])
def test_a_validation_without_entries_uses_the_stored_entries(text: bytes | str | None) -> None:
    assert parse_validate_request(text) is None


def test_entries_to_validate_arrive_as_given() -> None:
    assert parse_validate_request('{"entries": {"smtpPort": 587, "other": [1]}}') == {"smtpPort": 587, "other": [1]}


@pytest.mark.parametrize(
    ("text", "pointer"), [("[]", ""), ('{"entries": []}', "/entries"), ('{"smtpHost": "x"}', "/smtpHost"), ("{", "")]
)
def test_a_request_to_validate_is_an_object_of_entries(text: str, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_validate_request(text)

    assert [problem.pointer for problem in raised.value.problems] == [pointer]
