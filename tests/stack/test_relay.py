"""The stack's relay: message submission as a provider offers it."""

import base64
import smtplib
import ssl
from collections.abc import Iterator

import pytest

from local.certificate import issue_certificate
from local.inbox import Inbox
from local.relay import USERNAME, Relay

PASSWORD = "correct horse battery"
MESSAGE = b"From: a@b.example\r\nSubject: Hello\r\n\r\n.dotted\r\n"


@pytest.fixture(scope="module")
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture(scope="module")
def authority() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def relay(inbox: Inbox, authority: dict[str, str]) -> Iterator[Relay]:
    certificate = issue_certificate("localhost", "127.0.0.1")
    authority["pem"] = certificate.ca_pem
    relay = Relay(bind_address="127.0.0.1", context=certificate.server_context, password=PASSWORD, inbox=inbox)
    yield relay
    relay.stop()


@pytest.fixture
def context(relay: Relay, authority: dict[str, str]) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority["pem"])


@pytest.fixture
def starttls(relay: Relay) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("localhost", relay.starttls_port, timeout=10) as client:
        yield client


def test_starttls_then_auth_delivers(starttls: smtplib.SMTP, context: ssl.SSLContext, inbox: Inbox) -> None:
    starttls.starttls(context=context)
    starttls.login(USERNAME, PASSWORD)
    starttls.sendmail("a@b.example", ["c@d.example", "e@f.example"], MESSAGE)

    (_, arrival) = inbox.arrivals()[-1]
    assert arrival.content == MESSAGE
    assert (arrival.envelope_sender, arrival.recipients) == ("a@b.example", ("c@d.example", "e@f.example"))
    assert (arrival.user, arrival.tls and arrival.tls.mode) == (USERNAME, "starttls")


def test_implicit_tls_delivers(relay: Relay, context: ssl.SSLContext, inbox: Inbox) -> None:
    with smtplib.SMTP_SSL("localhost", relay.tls_port, context=context, timeout=10) as client:
        client.login(USERNAME, PASSWORD)
        client.sendmail("a@b.example", ["c@d.example"], MESSAGE)

    (_, arrival) = inbox.arrivals()[-1]
    assert (arrival.user, arrival.tls and arrival.tls.mode) == (USERNAME, "implicit")


def test_auth_login_is_accepted_too(starttls: smtplib.SMTP, context: ssl.SSLContext) -> None:
    starttls.starttls(context=context)
    starttls.ehlo()
    starttls.user, starttls.password = USERNAME, PASSWORD

    assert starttls.auth("LOGIN", starttls.auth_login)[0] == 235


def test_auth_is_neither_offered_nor_accepted_in_clear(starttls: smtplib.SMTP) -> None:
    starttls.ehlo()
    plain = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()

    assert not starttls.has_extn("auth")
    assert starttls.docmd("AUTH", f"PLAIN {plain}")[0] >= 500


def test_no_mail_is_accepted_in_clear(starttls: smtplib.SMTP) -> None:
    starttls.ehlo()

    assert starttls.mail("a@b.example")[0] == 530


def test_no_mail_is_accepted_without_auth(relay: Relay, context: ssl.SSLContext) -> None:
    with smtplib.SMTP_SSL("localhost", relay.tls_port, context=context, timeout=10) as client:
        client.ehlo()

        assert client.mail("a@b.example")[0] == 530


def test_a_wrong_password_is_refused(starttls: smtplib.SMTP, context: ssl.SSLContext) -> None:
    starttls.starttls(context=context)

    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        starttls.login(USERNAME, "wrong")

    assert refused.value.smtp_code == 535


def test_a_client_without_the_authority_does_not_trust_the_certificate(starttls: smtplib.SMTP) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        starttls.starttls(context=ssl.create_default_context())


@pytest.mark.parametrize(
    ("recipient", "code"), [("ada@deferred.example", 451), ("ada@REFUSED.example", 550), ("ada@other.example", 250)]
)
def test_the_recipient_s_domain_decides_the_relay_s_answer(
    relay: Relay, context: ssl.SSLContext, recipient: str, code: int
) -> None:
    with smtplib.SMTP_SSL("localhost", relay.tls_port, context=context, timeout=10) as client:
        client.login(USERNAME, PASSWORD)
        client.mail("a@b.example")

        assert client.rcpt(recipient)[0] == code
