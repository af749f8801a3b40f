# ruff: noqa: E501 -- tables read by row
"""Medplum's send API: message options in, OperationOutcomes out."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.api.dialects.medplum import DIALECT, refuse, show
from mailer.api.dialects.nodemailer import REFUSED
from mailer.api.emails.history import UsedFrom
from mailer.api.problems import InternalError
from mailer.api.verdicts import RefusedRecipient
from mailer.errors import (
    AcceptanceUnknown,
    Forbidden,
    InvalidRequest,
    MailerError,
    MessageRejected,
    ProjectSmtpInvalid,
    RelayMisconfigured,
    SecretsUnavailable,
)
from mailer.problem import Problem
from mailer.smtp.outcome import Cause, Failure, Phase, RelayFault

from tests.support.dialects import body_of, draft_of, problems_of, sent

MESSAGE: dict[str, object] = {"to": "ada@example.net", "subject": "Results", "text": "They are in."}
FAILURE = Failure(Phase.FINAL, Cause.REPLY)


def with_(**options: object) -> dict[str, object]:
    return {name: value for name, value in {**MESSAGE, **options}.items() if value is not None}


@pytest.mark.parametrize(
    ("given_to", "names"),
    [
        ("ada@example.net", ["ada@example.net"]),
        ("Ada <ada@example.net>, bob@example.net", ["Ada <ada@example.net>", "bob@example.net"]),
        ('"Lovelace, Ada" <ada@example.net>,bob@example.net,', ['"Lovelace, Ada" <ada@example.net>', "bob@example.net"]),
        ({"name": "Ada", "address": "ada@example.net"}, ["Ada <ada@example.net>"]),
        ({"name": "", "address": "ada@example.net"}, ["ada@example.net"]),
        (["ada@example.net, bob@example.net", {"name": "C", "address": "c@example.net"}], ["ada@example.net", "bob@example.net", "C <c@example.net>"]),
        ([None, "ada@example.net"], ["ada@example.net"]),
    ],
)  # fmt: skip
def test_addresses_are_strings_with_commas_objects_or_lists_of_both(given_to: object, names: list[str]) -> None:
    assert list(map(str, draft_of(DIALECT, with_(to=given_to)).to)) == names


@pytest.mark.parametrize("to", ["a@b.example," * 60, ["a@b.example"] * 51, " ," * 2_000_000 + "a@b.example"])
def test_a_list_is_read_up_to_its_maximum(to: object) -> None:
    assert list(problems_of(DIALECT, with_(to=to))) == ["/to"]


def test_cc_bcc_and_reply_to_work_as_in_our_api() -> None:
    draft = draft_of(DIALECT, with_(cc="c@example.net", bcc=["b@example.net"], replyTo="R <r@example.net>"))

    assert [str(*addresses) for addresses in (draft.cc, draft.bcc, draft.reply_to)] == [
        "c@example.net",
        "b@example.net",
        "R <r@example.net>",
    ]


@pytest.mark.parametrize("sender", ["Lab <lab@acme.example>", {"name": "Lab", "address": "lab@acme.example"}])
def test_from_is_one_mailbox(sender: object) -> None:
    assert str(draft_of(DIALECT, with_(**{"from": sender})).sender) == "Lab <lab@acme.example>"


@pytest.mark.parametrize(
    ("content", "encoding", "octets"),
    [
        ("Grüße", None, "Grüße".encode()),
        ("Grüße", "utf-8", "Grüße".encode()),
        ("aGVsbG8=", "base64", b"hello"),
        ("68656c6c6f", "hex", b"hello"),
        ("h\xe9", "latin1", b"h\xe9"),
    ],
)
def test_an_attachment_is_text_unless_its_encoding_says_otherwise(
    content: str, encoding: str | None, octets: bytes
) -> None:
    attachment = {"filename": "note.txt", "content": content, "encoding": encoding}

    assert draft_of(DIALECT, with_(attachments=[attachment])).attachments[0].content == octets


def test_an_attachment_without_a_name_gets_one() -> None:
    attachments = [{"content": "x", "filename": False}, {"content": "y"}]

    assert [each.filename for each in draft_of(DIALECT, with_(attachments=attachments)).attachments] == [
        "attachment-1",
        "attachment-2",
    ]


def test_an_attachment_with_a_cid_is_an_inline_image() -> None:
    image = {
        "filename": "logo.png",
        "content": "AA==",
        "encoding": "base64",
        "cid": "logo",
        "contentDisposition": "inline",
    }

    draft = draft_of(DIALECT, with_(html='<img src="cid:logo">', attachments=[image]))

    assert (draft.attachments[0].content_id, draft.attachments[0].content_type) == ("logo", "image/png")


@pytest.mark.parametrize(
    ("option", "value", "headers"),
    [
        ("headers", {"X-Ward": "7"}, {"X-Ward": "7"}),
        ("headers", [{"key": "X-Ward", "value": "7"}], {"X-Ward": "7"}),
        ("inReplyTo", "<a@b.example>", {"In-Reply-To": "<a@b.example>"}),
        ("references", ["<a@b.example>", "<c@b.example>"], {"References": "<a@b.example> <c@b.example>"}),
        ("priority", "normal", {}),
        ("priority", "high", {"X-Priority": "1 (Highest)", "X-MSMail-Priority": "High", "Importance": "High"}),
        ("list", {"unsubscribe": "https://acme.example/u", "id": "news.acme.example"}, {"List-Unsubscribe": "<https://acme.example/u>", "List-Id": "<news.acme.example>"}),
        ("list", {"unsubscribe": {"url": "leave@acme.example"}}, {"List-Unsubscribe": "<mailto:leave@acme.example>"}),
        ("disableUrlAccess", True, {}),
    ],
)  # fmt: skip
def test_some_options_become_header_fields(option: str, value: object, headers: dict[str, str]) -> None:
    assert dict(draft_of(DIALECT, with_(**{option: value})).headers) == headers


@pytest.mark.parametrize("option", sorted(REFUSED))
def test_options_that_bypass_the_rules_are_refused_by_name(option: str) -> None:
    assert problems_of(DIALECT, with_(**{option: {"path": "/etc/passwd"}})) == {f"/{option}": "option-not-supported"}


@pytest.mark.parametrize(
    ("options", "pointer", "code"),
    [
        ({"to": None}, "/to", "required"),
        ({"to": ""}, "/to", "required"),
        ({"to": []}, "/to", "required"),
        ({"to": "a@b.example,no-at-sign"}, "/to", "address-malformed"),
        ({"to": ["a@b.example", "no-at-sign"]}, "/to/1", "address-malformed"),
        ({"to": [{"name": "A", "address": "no-at-sign"}]}, "/to/0/address", "address-malformed"),
        ({"to": {"address": "a@b.example", "group": []}}, "/to/group", "unknown-field"),
        ({"to": 7}, "/to", "wrong-type"),
        ({"from": "a@b.example, c@d.example"}, "/from", "address-malformed"),
        ({"from": {"address": "a@b.example\r\nBcc: x@y.example"}}, "/from/address", "address-malformed"),
        ({"replyTo": "x"}, "/replyTo", "address-malformed"),
        ({"subject": ""}, "/subject", "blank"),
        ({"subject": "a\r\nBcc: x@y.example"}, "/subject", "control-character"),
        ({"subject": 10**30}, "/subject", "wrong-type"),
        ({"html": {"path": "https://metadata.example/"}}, "/html", "option-not-supported"),
        ({"text": {"href": "http://127.0.0.1/"}}, "/text", "option-not-supported"),
        ({"colour": "red"}, "/colour", "unknown-field"),
        ({"attachments": {}}, "/attachments", "wrong-type"),
        ({"attachments": ["x"]}, "/attachments/0", "wrong-type"),
        ({"attachments": [{"filename": "a", "path": "Binary/1"}]}, "/attachments/0/path", "option-not-supported"),
        ({"attachments": [{"filename": "a", "href": "http://169.254.169.254/"}]}, "/attachments/0/href", "option-not-supported"),
        ({"attachments": [{"filename": "a", "content": {"path": "/etc/passwd"}}]}, "/attachments/0/content", "wrong-type"),
        ({"attachments": [{"filename": "../a", "content": ""}]}, "/attachments/0/filename", "filename-unsafe"),
        ({"attachments": [{"filename": "a", "content": "xx", "encoding": "hex"}]}, "/attachments/0/content", "encoding-mismatch"),
        ({"attachments": [{"filename": "a", "content": "ö", "encoding": "base64"}]}, "/attachments/0/content", "base64-malformed"),
        ({"attachments": [{"filename": "a", "content": "x", "encoding": "rot13"}]}, "/attachments/0/encoding", "unknown-value"),
        ({"attachments": [{"filename": "a", "content": "x", "contentType": "a;b"}]}, "/attachments/0/contentType", "content-type-malformed"),
        ({"attachments": [{"filename": "a", "content": "x", "contentDisposition": "inline"}]}, "/attachments/0/contentDisposition", "option-not-supported"),
        ({"headers": {"Bcc": "x@y.example"}}, "/headers/Bcc", "header-not-allowed"),
        ({"headers": [{"key": "Bcc", "value": "x@y.example"}]}, "/headers/0/value", "header-not-allowed"),
        ({"headers": [{"key": "X-A", "value": "1"}, {"key": "X-A", "value": "2"}]}, "/headers/1/key", "duplicate-header"),
        ({"headers": "X-A: 1"}, "/headers", "wrong-type"),
        ({"inReplyTo": "x\r\nBcc: y@z.example"}, "/inReplyTo", "control-character"),
        ({"priority": "urgent"}, "/priority", "unknown-value"),
        ({"list": {"unsubscribe": ["https://a.example", "https://b.example"]}}, "/list/unsubscribe", "wrong-type"),
        ({"list": {"post": "https://a.example"}}, "/list/post", "unknown-field"),
        ({"disableUrlAccess": False}, "/disableUrlAccess", "option-not-supported"),
    ],
)  # fmt: skip
def test_each_problem_points_into_the_caller_s_request(options: dict[str, object], pointer: str, code: str) -> None:
    message = {**MESSAGE, **options}

    assert problems_of(DIALECT, message) == {pointer: code}


@pytest.mark.parametrize("body", [None, [], "x", 7, [MESSAGE]])
def test_a_body_that_is_not_an_object_has_one_problem(body: object) -> None:
    assert problems_of(DIALECT, body) == {"": "wrong-type"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=12), each, max_size=3),
    max_leaves=8,
)
_OPTIONS = st.sampled_from(
    ("to", "from", "replyTo", "text", "html", "attachments", "headers", "list", "references", "raw")
)


@given(st.dictionaries(_OPTIONS | st.text(max_size=8), _JSON, max_size=5))
def test_every_set_of_options_is_a_message_or_has_problems(options: dict[str, object]) -> None:
    problems_of(DIALECT, options)


@given(st.binary(max_size=50))
def test_base64_contents_keep_every_octet(octets: bytes) -> None:
    attachment = {"filename": "a", "content": base64.b64encode(octets).decode(), "encoding": "base64"}

    assert draft_of(DIALECT, with_(attachments=[attachment])).attachments[0].content == octets


SENT = sent(
    "m1",
    "partially_sent",
    1,
    transport="project-smtp",
    sender=UsedFrom(requested=None, used="Acme <hello@acme.example>", reason="not-approved"),
    rejected=(RefusedRecipient(recipient="bob@example.net", code=550, enhanced_code=None, detail="no"),),
)


def test_a_success_is_answered_all_ok() -> None:
    answer = show(SENT)

    assert (answer.status, body_of(answer)["id"]) == (200, "ok")
    assert body_of(answer)["issue"][0] == {
        "severity": "information",
        "code": "informational",
        "details": {"text": "All OK"},
    }


def test_members_of_our_api_are_in_extensions() -> None:
    assert {each["url"]: each["valueString"] for each in body_of(show(SENT))["extension"]} == {
        "urn:project-smtp:id": "m1",
        "urn:project-smtp:status": "partially_sent",
        "urn:project-smtp:transport": "project-smtp",
        "urn:project-smtp:from": "Acme <hello@acme.example>",
        "urn:project-smtp:from-reason": "not-approved",
    }


def test_a_rejected_recipient_is_a_warning() -> None:
    [warning] = body_of(show(SENT))["issue"][1:]

    assert (warning["severity"], warning["details"]["text"]) == ("warning", "Not accepted: bob@example.net")


def test_a_queued_message_is_accepted() -> None:
    answer = show(sent("m1", "queued", 0))

    assert (answer.status, body_of(answer)["id"]) == (202, "accepted")


def refused(error: MailerError) -> tuple[int, str, str]:
    answer = refuse(error)
    issue = body_of(answer)["issue"][0]
    return answer.status, issue["code"], issue["details"]["text"]


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (InvalidRequest(Problem("required", "-", pointer="/to")), (400, "invalid", "To is required")),
        (InvalidRequest(Problem("blank", "-", pointer="/subject")), (400, "invalid", "Subject is required")),
        (ProjectSmtpInvalid((Problem("entry-missing", "Add it.", entry="smtpPort"),)), (400, "invalid", "Project SMTP configuration is incomplete or invalid")),
        (Forbidden("-"), (403, "forbidden", "Only project administrators can send emails")),
        (MessageRejected(FAILURE, "The relay says no."), (400, "invalid", "Error sending email: The relay says no.")),
        (RelayMisconfigured(RelayFault.AUTH_REJECTED, FAILURE, "Log-in refused."), (400, "invalid", "Error sending email: Log-in refused.")),
        (SecretsUnavailable(), (503, "transient", SecretsUnavailable().detail)),
    ],
)  # fmt: skip
def test_errors_have_the_texts_of_medplum(error: MailerError, answer: tuple[int, str, str]) -> None:
    assert refused(error) == answer


def test_a_problem_s_place_is_an_expression() -> None:
    error = InvalidRequest(Problem("address-malformed", "Mend it.", pointer="/to/1/address"))

    assert body_of(refuse(error))["issue"][0]["expression"] == ["to[1].address"]


def test_the_client_repeats_only_if_nothing_was_accepted() -> None:
    assert refuse(SecretsUnavailable()).headers["Retry-After"] == "30"
    assert refuse(InternalError(), "request-1").status == 400
    assert refuse(AcceptanceUnknown("1")).status == 400
