"""Mailgun: the message's octets, the envelope, and the reference in the answer."""

from copy import replace

from mailer.message.draft import Attachment
from mailer.ports import ApiMessage
from mailer.smtp.outcome import Accepted

from tests.support.fake_mailgun import MESSAGE_ID, FakeMailgun, Form
from tests.support.provider_setup import BOB, DRAFT, EVE, api_message, mailgun_account, provider_apis, send, verdict


def received(what: ApiMessage) -> Form:
    """Send this message and return what Mailgun accepted."""
    with FakeMailgun() as fake, provider_apis() as apis:
        assert isinstance(verdict(send(apis, mailgun_account(fake), what)), Accepted)
        assert len(fake.requests) == 1
        return fake.forms[0]


def test_DU16_the_octets_are_those_of_every_other_transport() -> None:
    file = Attachment("a.bin", bytes(range(256)), "application/octet-stream")
    what = api_message(replace(DRAFT, html="<p>grüße</p>", attachments=(file,)))

    assert received(what).message == what.message.as_bytes()


def test_a_large_message_arrives_unchanged() -> None:
    file = Attachment("a.bin", bytes(range(256)) * 12_000, "application/octet-stream")
    what = api_message(replace(DRAFT, attachments=(file,)))

    assert received(what).message == what.message.as_bytes()


def test_the_envelope_is_a_field_for_each_recipient_to_serve_now() -> None:
    what = api_message(replace(DRAFT, cc=(BOB,), bcc=(EVE,)), recipients=(BOB.address, EVE.address))

    assert received(what).fields == [("to", "bob@example.net"), ("to", "eve@example.net")]


def test_a_bcc_recipient_is_only_in_the_envelope() -> None:
    form = received(api_message(replace(DRAFT, bcc=(EVE,))))

    assert form.values("to") == ["ada@example.net", "eve@example.net"]
    assert form.message is not None
    assert b"eve@example.net" not in form.message


def test_tags_are_variables_and_the_first_three_are_tags() -> None:
    what = api_message()
    tags = (("campaign", "spring"), ("beta", ""), ("a", "1"), ("b", "2"))

    form = received(replace(what, message=replace(what.message, tags=tags)))

    assert form.values("o:tag") == ["campaign", "beta", "a"]
    assert form.values("v:campaign") == ["spring"]
    assert form.values("v:b") == ["2"]


def test_the_reference_is_mailgun_s_own_id() -> None:
    with FakeMailgun() as fake, provider_apis() as apis:
        assert send(apis, mailgun_account(fake)).reference == MESSAGE_ID
