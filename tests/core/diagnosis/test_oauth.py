"""The diagnosis of a failed log-in with OAuth 2.0."""

from collections.abc import Mapping

import pytest
from mailer.diagnosis.relay import diagnose
from mailer.relay.https_url import HttpsUrl
from mailer.relay.relay import OAuthAuth, Relay, TlsMode, TokenGrant
from mailer.relay.secret_str import SecretStr
from mailer.service.configuring.check_configuration import check_entries
from mailer.service.configuring.validation_report import CheckName, CheckStatus
from mailer.smtp.outcome import Cause, Failure, Phase, RelayError
from mailer.smtp.reply import make_reply
from mailer.smtp.verdict import judge_session

from tests import fakes
from tests.support.ports import configuration_ports
from tests.support.projects import ACME

CREDENTIALS = TokenGrant(HttpsUrl("login.example.com"), "client", SecretStr("s3cret-canary"))
REFRESHED = TokenGrant(HttpsUrl("login.example.com"), "client", SecretStr("s3cret-canary"), None, SecretStr("r-canary"))
PUBLIC = TokenGrant(HttpsUrl("login.example.com"), "client", None, None, SecretStr("r-canary"))
OAUTH: Mapping[str, object] = {
    "smtpHost": "mail.acme.example",
    "smtpPort": 587,
    "smtpAuth": "oauth2",
    "smtpUsername": "hello@acme.example",
    "smtpFromAddress": "hello@acme.example",
    "smtpOauthTokenUrl": "https://login.example.com/token",
    "smtpOauthClientId": "client",
    "smtpOauthClientSecret": "s3cret-canary",
}


def relay(host: str = "mail.acme.example", grant: TokenGrant = CREDENTIALS) -> Relay:
    return Relay(host, 587, TlsMode.STARTTLS, OAuthAuth("hello@acme.example", grant))


@pytest.mark.parametrize(
    ("host", "grant", "text", "entry", "remedy"),
    [
        ("smtp.office365.com", CREDENTIALS, "5.7.3 Authentication unsuccessful", "smtpUsername", "SMTP.SendAsApp"),
        ("smtp.office365.com", REFRESHED, "5.7.3 Authentication unsuccessful", "smtpUsername", "SMTP.Send "),
        (
            "smtp.office365.com", CREDENTIALS,
            "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            "smtpUsername", "Authenticated SMTP",
        ),
        ("smtp.gmail.com", REFRESHED, "5.7.8 Username and Password not accepted.", "smtpUsername", "mail.google.com"),
        ("mail.acme.example", CREDENTIALS, "5.7.8 Error: authentication failed", "smtpUsername", "smtpOauthScope"),
    ],
)  # fmt: skip
def test_a_refused_token_names_the_entry(host: str, grant: TokenGrant, text: str, entry: str, remedy: str) -> None:
    diagnosis = diagnose(Failure(Phase.AUTH, Cause.REPLY, make_reply(535, text)), relay(host, grant))

    assert diagnosis.entry == entry
    assert remedy in diagnosis.remedy
    assert "app password" not in diagnosis.text


def test_too_many_log_ins_mean_the_same_with_a_token() -> None:
    failure = Failure(Phase.AUTH, Cause.REPLY, make_reply(454, "4.7.0 Too many login attempts"))

    assert "too many" in diagnose(failure, relay()).reason


@pytest.mark.parametrize(
    ("cause", "grant", "entry"),
    [
        (Cause.OAUTH_CLIENT_REJECTED, CREDENTIALS, "smtpOauthClientSecret"),
        (Cause.OAUTH_CLIENT_REJECTED, PUBLIC, "smtpOauthClientSecret"),
        (Cause.OAUTH_CLIENT_UNAUTHORIZED, CREDENTIALS, "smtpOauthClientId"),
        (Cause.OAUTH_GRANT_REJECTED, REFRESHED, "smtpOauthRefreshToken"),
        (Cause.OAUTH_GRANT_REJECTED, CREDENTIALS, "smtpOauthClientId"),
        (Cause.OAUTH_SCOPE_REJECTED, CREDENTIALS, "smtpOauthScope"),
        (Cause.OAUTH_REQUEST_REJECTED, CREDENTIALS, "smtpOauthTokenUrl"),
        (Cause.OAUTH_ANSWER_MALFORMED, CREDENTIALS, "smtpOauthTokenUrl"),
        (Cause.OAUTH_UNAVAILABLE, CREDENTIALS, "smtpOauthTokenUrl"),
        (Cause.NAME_NOT_FOUND, CREDENTIALS, "smtpOauthTokenUrl"),
        (Cause.HOST_BLOCKED, CREDENTIALS, "smtpOauthTokenUrl"),
        (Cause.CERTIFICATE_UNTRUSTED, CREDENTIALS, "smtpOauthTokenUrl"),
        (Cause.TLS_MISMATCH, CREDENTIALS, "smtpOauthTokenUrl"),
        (Cause.AUTH_MECHANISM_UNSUPPORTED, CREDENTIALS, "smtpAuth"),
    ],
)
def test_a_failed_token_request_names_the_entry(cause: Cause, grant: TokenGrant, entry: str) -> None:
    diagnosis = diagnose(Failure(Phase.AUTH, cause), relay(grant=grant))

    assert diagnosis.entry == entry
    assert f"`{entry}`" in diagnosis.text


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("grant", [CREDENTIALS, REFRESHED, PUBLIC])
@pytest.mark.parametrize("host", ["smtp.gmail.com", "smtp.office365.com", "mail.acme.example"])
def test_every_failed_log_in_has_a_reason_and_a_remedy_without_values(
    cause: Cause, grant: TokenGrant, host: str
) -> None:
    for reply in (None, make_reply(421, "kanarie"), make_reply(535, "kanarie")):
        text = diagnose(Failure(Phase.AUTH, cause, reply), relay(host, grant)).text

        assert text.endswith(".")
        assert not any(value in text for value in ("canary", "kanarie", "hello@"))


@pytest.mark.parametrize(
    "cause",
    [
        Cause.OAUTH_CLIENT_REJECTED,
        Cause.OAUTH_CLIENT_UNAUTHORIZED,
        Cause.OAUTH_GRANT_REJECTED,
        Cause.OAUTH_SCOPE_REJECTED,
        Cause.OAUTH_REQUEST_REJECTED,
        Cause.HOST_BLOCKED,
        Cause.CERTIFICATE_UNTRUSTED,
    ],
)
def test_a_failure_that_an_admin_must_fix_is_not_retried(cause: Cause) -> None:
    assert isinstance(judge_session(Failure(Phase.AUTH, cause)), RelayError)


@pytest.mark.parametrize("cause", [Cause.OAUTH_UNAVAILABLE, Cause.OAUTH_ANSWER_MALFORMED, Cause.NAME_UNAVAILABLE])
def test_a_temporary_failure_is_retried(cause: Cause) -> None:
    assert not isinstance(judge_session(Failure(Phase.AUTH, cause)), RelayError)


def test_a_validation_reports_the_failure_at_the_log_in() -> None:
    failure = Failure(Phase.AUTH, Cause.OAUTH_CLIENT_REJECTED)
    ports = configuration_ports(probe=fakes.FakeProbe(failure))

    checks = {check.name: check for check in check_entries(ACME, OAUTH, ports=ports, deadline=24.0).checks}

    assert checks[CheckName.CERTIFICATE].status is CheckStatus.PASSED
    assert checks[CheckName.AUTHENTICATES].status is CheckStatus.FAILED
    assert checks[CheckName.AUTHENTICATES].entry == "smtpOauthClientSecret"
    assert checks[CheckName.SENDER_ACCEPTED].status is CheckStatus.SKIPPED
    assert "canary" not in repr(checks)


def test_a_validation_with_a_token_passes() -> None:
    ports = configuration_ports(probe=fakes.FakeProbe(None))

    report = check_entries(ACME, OAUTH, ports=ports, deadline=24.0)

    assert {check.name: check.status for check in report.checks}[CheckName.AUTHENTICATES] is CheckStatus.PASSED
