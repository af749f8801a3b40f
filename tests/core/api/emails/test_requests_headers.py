"""IN3, IN11, IN26: the header fields that a caller may set."""

import json
from itertools import chain
from pathlib import Path

import pytest
from mailer.api.emails.request import parse_email_request
from mailer.api.fields.header import COMMAND_PREFIXES
from mailer.errors import InvalidRequest

ROOT = Path(__file__).parents[4]
REQUIRED: dict[str, object] = {"to": "ann@example.net", "subject": "Hello", "text": "Hello."}


def parsed(headers: object) -> tuple[tuple[str, str], ...]:
    return parse_email_request(json.dumps({**REQUIRED, "headers": headers})).draft.headers


def problems(headers: object) -> list[tuple[str | None, str]]:
    with pytest.raises(InvalidRequest) as raised:
        parsed(headers)
    return [(problem.pointer, problem.code) for problem in raised.value.problems]


@pytest.mark.parametrize(
    "name",
    [
        "To", "Cc", "BCC", "From", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "Resent-To", "Return-Path",
        "Received", "DKIM-Signature", "ARC-Seal", "Authentication-Results", "Content-Type", "Content-ID",
        "MIME-Version", "Disposition-Notification-To", "X-SES-CONFIGURATION-SET", "x-ses-source-arn", "X-", "Other",
        "X-SMTPAPI", "X-MC-BccAddress", "X-MSYS-API", "X-Mailgun-Drop-Message", "X-PM-Message-Stream", "X-MJ-CustomID",
        "X-Mailjet-Campaign", "X-SIB-API", "X-MailerSend-Tags", "X-MT-Category", "X-MS-Exchange-Organization-SCL",
        "X-MS-Exchange-Organization-BypassClutter", "X-Forefront-Antispam-Report", "X-GreenArrow-MtaID",
        "X-Virtual-MTA", "X-AliDM-Settings", "X-ElasticEmail-Settings", "X-SG-Template", "X-xsMailingId",
    ],
)  # fmt: skip
def test_IN3_IN26_fields_of_the_service_are_refused(name: str) -> None:
    assert problems({name: "x"}) == [(f"/headers/{name}", "header-not-allowed")]


@pytest.mark.parametrize("prefix", sorted(chain.from_iterable(COMMAND_PREFIXES.values())))
def test_every_field_of_a_family_is_refused_in_any_case(prefix: str) -> None:
    names = [f"{prefix}new", prefix.upper() + "NEW", prefix.title() + "Other-Order"]

    assert problems(dict.fromkeys(names, "x")) == [(f"/headers/{name}", "header-not-allowed") for name in names]


def test_the_api_page_lists_every_family() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8").lower()

    prefixes = chain.from_iterable(COMMAND_PREFIXES.values())
    assert [prefix for prefix in prefixes if f"`{prefix}…`" not in text] == []


@pytest.mark.parametrize("name", ["X-Mailer", "X-Entity-Ref-ID", "X-Mt", "X-Message", "X-Ms-Other", "X-Series"])
def test_a_field_with_a_similar_name_is_allowed(name: str) -> None:
    assert parsed({name: "x"}) == ((name, "x"),)


@pytest.mark.parametrize("name", ["X Y", "X:Y", "X-é", "", "X-" + "a" * 63, "X-A:"])
def test_IN3_a_name_is_letters_digits_and_hyphens(name: str) -> None:
    assert [code for _, code in problems({name: "x"})] == ["header-name-malformed"]


def test_IN3_a_name_with_a_line_break_is_refused_at_its_parent() -> None:
    assert problems({"X-Tag\r\nBcc": "e@x.example"}) == [("/headers", "header-name-malformed")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("List-Unsubscribe", "<https://good.example/u?a=1,2&b=%20>, <mailto:u@good.example?subject=x>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Id", "Our news <news.good.example>"),
        ("List-Id", "<news.good.example>"),
        ("In-Reply-To", "<a.b@good.example>"),
        ("References", "<a@good.example> <b@[192.0.2.1]>"),
        ("Importance", "High"),
        ("Priority", "non-urgent"),
        ("Auto-Submitted", "auto-generated"),
        ("Feedback-ID", "a:b:c:good"),
        ("Precedence", "bulk"),
        ("Keywords", "één, två"),
        ("Comments", "Grüße"),
        ("X-Mailer", "Shop 1.0"),
        ("x-anything", "=?utf-8?q?x?= é"),
    ],
)
def test_allowed_fields_arrive_as_given(name: str, value: str) -> None:
    assert parsed({name: value}) == ((name, value),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("List-Unsubscribe", "https://good.example/u"),
        ("List-Unsubscribe", "<http://good.example/u>"),
        ("List-Unsubscribe", "<javascript:alert(1)>"),
        ("List-Unsubscribe", "<https://good.example/u> (comment)"),
        ("List-Unsubscribe", "<https://good.example/a b>"),
        ("List-Unsubscribe", "<https://good.example/>x>"),
        ("List-Unsubscribe", "<https://good.example/é>"),
        ("List-Unsubscribe", "<https://good.example/" + "u" * 900 + ">"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=Two-Clicks"),
        ("List-Id", "news.good.example"),
        ("List-Id", "<news>"),
        ("List-Id", "Grüße <news.good.example>"),
        ("In-Reply-To", "a@b.example"),
        ("References", "<a@b.example>, <c@d.example>"),
        ("References", "<a@b@c>"),
        ("Importance", "very"),
        ("Auto-Submitted", "maybe"),
        ("Feedback-ID", "a b"),
    ],
)
def test_IN11_a_header_for_programs_follows_its_grammar(name: str, value: str) -> None:
    assert problems({name: value}) == [(f"/headers/{name}", "header-value-malformed")]


@pytest.mark.parametrize(
    ("value", "code"), [("", "blank"), ("x" * 2001, "too-long"), (1, "wrong-type"), (None, "wrong-type")]
)
def test_a_value_is_one_line(value: object, code: str) -> None:
    assert problems({"X-A": value}) == [("/headers/X-A", code)]


def test_spaces_around_a_value_are_removed() -> None:
    assert parsed({"Importance": " high "}) == (("Importance", "high"),)


def test_a_repeated_field_is_refused_in_any_case() -> None:
    assert problems({"X-A": "1", "x-a": "2"}) == [("/headers/x-a", "duplicate-header")]


def test_fifty_fields_are_accepted() -> None:
    assert len(parsed({f"X-{number}": "x" for number in range(50)})) == 50


def test_fifty_one_fields_are_refused() -> None:
    assert problems({f"X-{number}": "x" for number in range(51)}) == [("/headers", "too-many-headers")]


@pytest.mark.parametrize("headers", [[], "X-A: 1", 1])
def test_headers_are_an_object(headers: object) -> None:
    assert problems(headers) == [("/headers", "wrong-type")]
