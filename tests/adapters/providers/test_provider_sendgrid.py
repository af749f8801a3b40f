"""SendGrid: the request, its recipients, and the reference in the answer."""

import base64
from copy import replace

from mailer.message.address import parse_mailbox
from mailer.message.draft import Attachment, Draft
from mailer.ports import ApiMessage
from mailer.smtp.outcome import Accepted

from tests.support.fake_sendgrid import MESSAGE_ID, FakeSendgrid
from tests.support.provider_setup import (
    ADA,
    BOB,
    DRAFT,
    EVE,
    api_message,
    provider_apis,
    send,
    sendgrid_account,
    verdict,
)


def received(what: ApiMessage) -> dict[str, object]:
    """Send this message and return what SendGrid accepted."""
    with FakeSendgrid() as fake, provider_apis() as apis:
        assert isinstance(verdict(send(apis, sendgrid_account(fake), what)), Accepted)
        assert len(fake.requests) == 1
        return fake.messages[0]


def test_a_message_is_one_request_with_sender_recipient_subject_and_text() -> None:
    assert received(api_message()) == {
        "personalizations": [{"to": [{"email": "ada@example.net"}]}],
        "from": {"email": "hello@acme.example", "name": "Acme"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hi\n"}],
        "headers": {"Message-ID": "<1@acme.example>"},
    }


def test_the_text_comes_before_the_html() -> None:
    message = received(api_message(replace(DRAFT, html="<p>Hi</p>")))

    assert message["content"] == [
        {"type": "text/plain", "value": "Hi\n"},
        {"type": "text/html", "value": "<p>Hi</p>"},
    ]


def test_an_empty_text_beside_html_is_left_out() -> None:
    message = received(api_message(replace(DRAFT, text="", html="<p>Hi</p>")))

    assert message["content"] == [{"type": "text/html", "value": "<p>Hi</p>"}]


def test_an_empty_message_is_sent_as_a_space() -> None:
    assert received(api_message(replace(DRAFT, text="")))["content"] == [{"type": "text/plain", "value": " "}]


def test_recipients_keep_their_places() -> None:
    message = received(api_message(replace(DRAFT, cc=(BOB,), bcc=(EVE,))))

    assert message["personalizations"] == [
        {
            "to": [{"email": "ada@example.net"}],
            "cc": [{"email": "bob@example.net"}],
            "bcc": [{"email": "eve@example.net"}],
        }
    ]


def test_only_the_recipients_to_serve_now_are_named() -> None:
    message = received(api_message(replace(DRAFT, cc=(BOB,), bcc=(EVE,)), recipients=(BOB.address, EVE.address)))

    assert message["personalizations"] == [
        {"to": [{"email": "bob@example.net"}], "bcc": [{"email": "eve@example.net"}]}
    ]


def test_recipients_only_in_bcc_do_not_see_each_other() -> None:
    message = received(api_message(replace(DRAFT, bcc=(BOB, EVE)), recipients=(BOB.address, EVE.address)))

    assert message["personalizations"] == [
        {"to": [{"email": "bob@example.net"}]},
        {"to": [{"email": "eve@example.net"}]},
    ]


def test_DU18_an_address_in_two_places_is_named_once() -> None:
    draft = replace(DRAFT, cc=(parse_mailbox("ada@EXAMPLE.net"),), bcc=(ADA,))

    assert received(api_message(draft))["personalizations"] == [{"to": [{"email": "ada@example.net"}]}]


def test_a_recipient_s_name_with_a_comma_is_quoted() -> None:
    draft = replace(DRAFT, to=(parse_mailbox('"Lovelace, \\"Ada\\"" <ada@example.net>'),))

    assert received(api_message(draft))["personalizations"] == [
        {"to": [{"email": "ada@example.net", "name": '"Lovelace, \\"Ada\\""'}]}
    ]


def test_one_reply_to_is_reply_to_and_several_are_its_list() -> None:
    one, two = received(api_message(reply_to=(BOB,))), received(api_message(reply_to=(BOB, EVE)))

    assert (one["reply_to"], "reply_to_list" in one) == ({"email": "bob@example.net"}, False)
    assert two["reply_to_list"] == [{"email": "bob@example.net"}, {"email": "eve@example.net"}]


def test_attachments_are_base64_and_only_those_that_the_html_shows_are_inline() -> None:
    logo = Attachment("logo.png", bytes(range(256)), "image/png", content_id="logo")
    unseen = Attachment("other.png", b"x", "image/png", content_id="other")
    terms = Attachment("terms.pdf", b"%PDF", "application/pdf")
    draft = replace(DRAFT, html='<img src="cid:logo">', attachments=(logo, unseen, terms))

    first, second, third = (each for each in _attachments(received(api_message(draft))))

    assert first == {
        "content": base64.b64encode(bytes(range(256))).decode(),
        "filename": "logo.png",
        "type": "image/png",
        "disposition": "inline",
        "content_id": "logo",
    }
    assert (second["disposition"], second["content_id"]) == ("attachment", "other")
    assert (third["disposition"], "content_id" in third) == ("attachment", False)


def test_the_caller_s_headers_are_encoded_and_in_one_line() -> None:
    headers = (("X-Note", "grüße " * 30), ("List-Unsubscribe", "<https://acme.example/u>"))

    message = received(api_message(replace(DRAFT, headers=headers)))

    fields = message["headers"]
    assert isinstance(fields, dict)
    assert fields["List-Unsubscribe"] == "<https://acme.example/u>"
    assert fields["X-Note"].startswith("=?utf-8?b?")


def test_tags_are_custom_arguments_and_categories() -> None:
    what = api_message()
    tagged = replace(what, message=replace(what.message, tags=(("campaign", "spring"), ("beta", ""))))

    message = received(tagged)

    assert message["custom_args"] == {"campaign": "spring", "beta": ""}
    assert message["categories"] == ["campaign", "beta"]


def test_a_large_attachment_arrives_unchanged() -> None:
    content = bytes(range(256)) * 12_000
    draft = replace(DRAFT, attachments=(Attachment("a.bin", content, "application/octet-stream"),))

    assert base64.b64decode(_attachments(received(api_message(draft)))[0]["content"]) == content


def test_the_reference_is_sendgrid_s_own_id() -> None:
    with FakeSendgrid() as fake, provider_apis() as apis:
        assert send(apis, sendgrid_account(fake)).reference == MESSAGE_ID


def _attachments(message: dict[str, object]) -> list[dict[str, str]]:
    attachments = message["attachments"]
    assert isinstance(attachments, list)
    return attachments


def test_a_draft_with_an_empty_to_names_its_cc() -> None:
    draft = Draft(to=(), cc=(BOB,), bcc=(EVE,), subject="Hello", text="Hi\n")

    assert received(api_message(draft))["personalizations"] == [
        {"to": [{"email": "bob@example.net"}], "bcc": [{"email": "eve@example.net"}]}
    ]
