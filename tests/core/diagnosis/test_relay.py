# ruff: noqa: E501 -- tables read by row
"""The diagnosis of a failure at a relay."""

from copy import replace

import pytest
from mailer.diagnosis.relay import diagnose
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply


def relay(host: str = "mail.example.com", port: int = 587, tls: TlsMode = TlsMode.STARTTLS) -> Relay:
    return Relay(host, port, tls, NoAuth())


@pytest.mark.parametrize(
    ("host", "phase", "code", "text", "entry", "remedy"),
    [
        ("smtp.gmail.com", Phase.AUTH, 535, "5.7.8 Username and Password not accepted. BadCredentials", "smtpPassword", "app password"),
        ("smtp.gmail.com", Phase.AUTH, 534, "5.7.9 Application-specific password required. InvalidSecondFactor", "smtpPassword", "app password"),
        (
            "smtp.office365.com", Phase.AUTH, 535,
            "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            "smtpUsername", "Authenticated SMTP",
        ),
        ("smtp.office365.com", Phase.AUTH, 535, "5.7.3 Authentication unsuccessful", "smtpPassword", "app password"),
        ("smtp.office365.com", Phase.FINAL, 554, "5.2.252 SendAsDenied; hello not allowed to send as", "smtpFromAddress", "Send As"),
        ("smtp.office365.com", Phase.MAIL, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", "smtpFromAddress", "Send As"),
        ("email-smtp.eu-west-1.amazonaws.com", Phase.AUTH, 535, "Authentication Credentials Invalid", "smtpPassword", "SMTP credentials"),
        (
            "email-smtp.eu-west-1.amazonaws.com", Phase.FINAL, 554,
            "Message rejected: Email address is not verified.", "smtpFromAddress", "Verify",
        ),
        ("smtp.sendgrid.net", Phase.AUTH, 535, "Authentication failed: Bad username / password", "smtpPassword", "apikey"),
        ("smtp.sendgrid.net", Phase.FINAL, 550, "The from address does not match a verified Sender Identity.", "smtpFromAddress", "Sender Authentication"),
        ("smtp.eu.mailgun.org", Phase.AUTH, 535, "5.7.0 Mailgun is not loving your login or password", "smtpPassword", "SMTP credentials"),
        ("smtp.mail.yahoo.com", Phase.AUTH, 535, "5.7.0 (#AUTH005) Too many bad auth attempts.", "smtpPassword", "app password"),
        ("mail.example.com", Phase.AUTH, 535, "5.7.8 Error: authentication failed", "smtpPassword", "smtpUsername"),
        ("mail.example.com", Phase.MAIL, 530, "5.7.0 Authentication required", "smtpAuth", "smtpPassword"),
        ("mail.example.com", Phase.MAIL, 553, "5.7.1 Sender address rejected: not owned by user", "smtpFromAddress", "may send as"),
        ("mail.example.com", Phase.RCPT, 554, "5.7.1 Relay access denied", "smtpAuth", "credentials"),
        ("mail.example.com", Phase.MAIL, 530, "Must issue a STARTTLS command first", "smtpSecure", "STARTTLS"),
        ("mail.example.com", Phase.RCPT, 454, "4.7.1 <ada@example.net>: Relay access denied", "smtpAuth", "credentials"),
        ("mail.example.com", Phase.RCPT, 550, "relay not permitted", "smtpAuth", "credentials"),
        ("mail.example.com", Phase.RCPT, 550, "5.7.1 Relaying denied. Proper authentication required.", "smtpAuth", "credentials"),
        ("mail.example.com", Phase.RCPT, 513, "Relaying denied.", "smtpAuth", "credentials"),
        ("mail.example.com", Phase.RCPT, 550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "smtpAuth", "credentials"),
        ("mail.example.com", Phase.RCPT, 554, "5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied", "smtpAuth", "platform's addresses"),
        ("mail.example.com", Phase.MAIL, 550, "5.7.9 must be authenticated", "smtpAuth", "smtpPassword"),
        ("mail.example.com", Phase.MAIL, 535, "Authentication required.", "smtpAuth", "smtpPassword"),
        ("mail.example.com", Phase.RCPT, 503, "This mail server requires authentication when sending", "smtpAuth", "smtpPassword"),
        ("mail.example.com", Phase.RCPT, 553, "5.7.1 <me@acme.example>: Sender address rejected: not logged in", "smtpFromAddress", "may send as"),
        ("mail.example.com", Phase.RCPT, 550, "5.1.8 <me@acme.example>: Sender address rejected: Domain not found", "smtpFromAddress", "may send as"),
        ("mail.example.com", Phase.RCPT, 550, "Verification failed for <me@acme.example> Sender verify failed", "smtpFromAddress", "may send as"),
        ("mail.example.com", Phase.MAIL, 517, "Domain does not exist: acme.example.", "smtpFromAddress", "may send as"),
    ],
)  # fmt: skip
def test_a_known_reply_names_the_entry(host: str, phase: Phase, code: int, text: str, entry: str, remedy: str) -> None:
    diagnosis = diagnose(Failure(phase, Cause.REPLY, make_reply(code, text)), relay(host))

    assert diagnosis.entry == entry
    assert remedy in diagnosis.remedy


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT])
def test_a_refused_return_path_is_named(phase: Phase) -> None:
    failure = Failure(phase, Cause.REPLY, make_reply(553, "5.7.1 Sender address rejected: not owned by user"))

    assert diagnose(failure, relay(), has_return_path=True).entry == "smtpReturnPath"
    assert diagnose(failure, relay(), has_return_path=False).entry == "smtpFromAddress"


def test_a_return_path_is_not_blamed_for_a_refused_login_or_recipient() -> None:
    login = Failure(Phase.RCPT, Cause.REPLY, make_reply(554, "5.7.1 Relay access denied"))
    recipient = Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 User unknown"))

    assert diagnose(login, relay(), has_return_path=True).entry == "smtpAuth"
    assert diagnose(recipient, relay(), has_return_path=True).entry is None


def test_relaying_that_a_logged_in_account_may_not_do_names_the_account() -> None:
    with_password = replace(relay(), auth=PasswordAuth("mailer", SecretStr("kanarie")))
    failure = Failure(Phase.RCPT, Cause.REPLY, make_reply(554, "5.7.1 Relay access denied"))

    assert diagnose(failure, with_password).entry == "smtpUsername"


@pytest.mark.parametrize(
    ("failure", "of", "entry", "remedy"),
    [
        (Failure(Phase.TLS, Cause.TLS_MISMATCH), relay(port=587, tls=TlsMode.IMPLICIT), "smtpSecure", "`smtpSecure` to false"),
        (Failure(Phase.GREETING, Cause.TIMEOUT), relay(port=465), "smtpSecure", "`smtpSecure` to true"),
        (Failure(Phase.GREETING, Cause.TIMEOUT), relay(port=587), "smtpPort", "smtpPort"),
        (Failure(Phase.CONNECT, Cause.TIMEOUT), relay(port=25), "smtpPort", "587"),
        (Failure(Phase.CONNECT, Cause.REFUSED), relay(), "smtpPort", "firewall"),
        (Failure(Phase.RESOLVE, Cause.NAME_NOT_FOUND), relay(), "smtpHost", "spelling"),
        (Failure(Phase.RESOLVE, Cause.HOST_BLOCKED), relay(), "smtpHost", "operator"),
        (Failure(Phase.STARTTLS, Cause.STARTTLS_NOT_OFFERED), relay(), "smtpPort", "465"),
        (Failure(Phase.TLS, Cause.CERTIFICATE_HOST_MISMATCH), relay(), "smtpHost", "name"),
        (Failure(Phase.TLS, Cause.CERTIFICATE_UNTRUSTED), relay(), "smtpCaCertificate", "PEM"),
        (Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED), relay(), None, "renew"),
        (Failure(Phase.AUTH, Cause.AUTH_MECHANISM_UNSUPPORTED), relay(), "smtpAuth", "none"),
    ],
)  # fmt: skip
def test_without_a_reply_the_cause_names_the_entry(failure: Failure, of: Relay, entry: str | None, remedy: str) -> None:
    diagnosis = diagnose(failure, of)

    assert diagnosis.entry == entry
    assert remedy in diagnosis.remedy


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.MAIL, Phase.RCPT, Phase.FINAL])
def test_a_temporary_reply_says_to_try_again(phase: Phase) -> None:
    diagnosis = diagnose(Failure(phase, Cause.REPLY, make_reply(451, "4.2.1 greylisted")), relay())

    assert "Try again" in diagnosis.remedy


def test_a_554_greeting_says_to_try_again_and_what_to_check() -> None:
    diagnosis = diagnose(Failure(Phase.GREETING, Cause.REPLY, make_reply(554, "5.7.1 your IP is listed")), relay())

    assert (diagnosis.entry, "Try again" in diagnosis.remedy) == ("smtpHost", True)


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("phase", list(Phase))
def test_every_failure_has_a_reason_and_a_remedy(cause: Cause, phase: Phase) -> None:
    for code in (None, 421, 550):
        reply = None if code is None else make_reply(code, "kanarie")
        diagnosis = diagnose(Failure(phase, cause, reply), relay())

        assert diagnosis.reason.endswith(".")
        assert diagnosis.remedy.endswith(".")
        assert "kanarie" not in diagnosis.text
