"""DreamFactory's settings of an SMTP service: D2 to D7, D15, D16, D18, D19, D21 and D22."""

import json
import time
from collections.abc import Callable
from copy import replace

import pytest
from mailer.relay.relay import NoAuth, OAuthAuth, PasswordAuth, TlsMode
from mailer.smtp.outcome import (
    Accepted,
    Attempt,
    Cause,
    Failure,
    Phase,
    ProbePassed,
    RelayError,
    RelayFault,
)
from mailer.smtp.reply import make_reply
from project_smtp_cli.importing.formats import Format, convert
from project_smtp_cli.importing.imported import NotImportable

from tests import fakes
from tests.cli.reading import activated, relay
from tests.functions.conftest import Lines
from tests.support.certificates import authority
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.projects import VALID_ENTRIES, entries
from tests.support.seed_setup import SeedSetup, mime
from tests.support.sending import CREDENTIALS, PATIENT, RELAY_NAME, make_message, send, smtp_transport

type Make = Callable[..., SeedSetup]
SEND = "send.dreamfactory"
MESSAGE: dict[str, object] = {
    "to": [{"email": "recipient@example.com", "name": "John Doe"}],
    "subject": "Test Email",
    "body_text": "This is a test email.",
}
ENV = {
    "MAIL_DRIVER": "smtp",
    "MAIL_HOST": "smtp.example.com",
    "MAIL_PORT": "587",
    "MAIL_USERNAME": "your_username",
    "MAIL_PASSWORD": "your_password",
    "MAIL_ENCRYPTION": "tls",
    "MAIL_FROM_ADDRESS": "noreply@example.com",
    "MAIL_FROM_NAME": "DreamFactory",
}


def imported(**changes: str | None) -> dict[str, str]:
    """Return the entries of an imported `.env`; a variable with None is removed from it."""
    variables = {name: value for name, value in {**ENV, **changes}.items() if value is not None}
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    return dict(convert(text, Format.DREAMFACTORY_ENV)[1].entries)


def test_D2_the_host_is_required() -> None:
    assert relay(imported()).host == "smtp.example.com"
    with pytest.raises(NotImportable, match="MAIL_HOST"):
        imported(MAIL_HOST=None)


@pytest.mark.parametrize(("given", "port"), [(None, 587), ("25", 25), ("465", 465), ("587", 587)])
def test_D3_the_port_is_587_unless_given(given: str | None, port: int) -> None:
    assert relay(imported(MAIL_PORT=given)).port == port


@pytest.mark.parametrize(
    ("encryption", "port", "tls"),
    [
        ("tls", "587", TlsMode.STARTTLS),
        ("ssl", "465", TlsMode.IMPLICIT),
        ("", "25", TlsMode.STARTTLS_IF_OFFERED),
        (None, "587", TlsMode.STARTTLS),
    ],
)
def test_D4_encryption_is_tls_ssl_or_empty(encryption: str | None, port: str, tls: TlsMode) -> None:
    assert relay(imported(MAIL_ENCRYPTION=encryption, MAIL_PORT=port)).tls is tls


def test_D4_another_encryption_is_refused() -> None:
    with pytest.raises(NotImportable, match="MAIL_ENCRYPTION"):
        imported(MAIL_ENCRYPTION="starttls")


@pytest.mark.parametrize(
    ("given", "kind"),
    [({}, PasswordAuth), ({"MAIL_USERNAME": None, "MAIL_PASSWORD": None}, NoAuth)],
)
def test_D5_the_log_in_is_optional(given: dict[str, str | None], kind: type) -> None:
    assert isinstance(relay(imported(**given)).auth, kind)


@pytest.mark.parametrize("name", ["smtpUsername", "smtpPassword"])
def test_D5_a_user_name_or_a_password_alone_is_an_error(make: Make, name: str) -> None:
    setup = make(entries(**{name: None}))

    assert setup.send(SEND, MESSAGE).status == 400
    assert setup.is_untouched


def test_D6_the_service_has_a_default_sender_and_reply_to(make: Make) -> None:
    setup = make(
        entries(smtpFromAddress="noreply@acme.example", smtpFromName="Acme", smtpReplyTo="Help <help@acme.example>")
    )

    setup.send(SEND, MESSAGE)

    assert (setup.received["From"], setup.received["Reply-To"]) == (
        "Acme <noreply@acme.example>",
        "Help <help@acme.example>",
    )


@pytest.mark.parametrize(
    ("preset", "host"),
    [
        ("gmail", "smtp.gmail.com"),
        ("microsoft365", "smtp.office365.com"),
        ("ses-us-east-1", "email-smtp.us-east-1.amazonaws.com"),
        ("yahoo", "smtp.mail.yahoo.com"),
    ],
)
def test_D7_well_known_services_are_presets(preset: str, host: str) -> None:
    found = relay(json.loads(entries(smtpService=preset, smtpHost=None, smtpPort=None)))

    assert (found.host, found.port, found.tls) == (host, 587, TlsMode.STARTTLS)


@pytest.mark.parametrize("port", [25, 465, 587])
def test_D7_another_relay_may_use_any_of_the_three_ports(port: int) -> None:
    assert relay(json.loads(entries(smtpPort=str(port)))).port == port


@pytest.mark.parametrize(("encryption", "port", "tls"), [("tls", "587", Tls.STARTTLS), ("ssl", "465", Tls.IMPLICIT)])
def test_D15_tls_means_starttls_and_ssl_means_implicit_tls(encryption: str, port: str, tls: Tls) -> None:
    configured = relay(imported(MAIL_ENCRYPTION=encryption, MAIL_PORT=port))
    script = Relay(tls=tls, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)
    auth = relay(json.loads(entries())).auth
    with HostileRelay(script) as server, smtp_transport() as transport:
        here = replace(configured, host=RELAY_NAME, port=server.port, auth=auth, ca_certificate=authority().pem)
        attempt = send(transport, here, make_message()).attempt
        assert all(isinstance(verdict, Accepted) for verdict in attempt.verdicts.values())

    assert [message.tls for message in server.messages] == [True]
    assert not server.auth_in_clear


@pytest.mark.parametrize(("has_login", "arrives"), [(False, True), (True, False)])
def test_D15_none_sends_in_clear_text_but_never_a_password(*, has_login: bool, arrives: bool) -> None:
    login = {} if has_login else {"MAIL_USERNAME": None, "MAIL_PASSWORD": None}
    configured = relay(imported(MAIL_ENCRYPTION="", MAIL_PORT="25", **login))
    with HostileRelay(Relay(tls=Tls.NONE)) as server, smtp_transport() as transport:
        send(transport, replace(configured, host=RELAY_NAME, port=server.port), make_message())

    assert [message.tls for message in server.messages] == ([False] if arrives else [])
    assert not server.auth_in_clear


def test_D16_oauth_logs_in_to_microsoft_365() -> None:
    given = {
        "smtpService": "office365",
        "smtpAuth": "oauth2",
        "smtpUsername": "someone@acme.example",
        "smtpOauthTokenUrl": "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
        "smtpOauthClientId": "client",
        "smtpOauthClientSecret": "secret-value",
        "smtpOauthScope": "https://outlook.office365.com/.default",
    }

    auth = relay(given).auth

    assert isinstance(auth, OAuthAuth)
    assert auth.username == "someone@acme.example"


def test_D16_an_iam_key_instead_of_an_smtp_password_of_ses_causes_a_warning() -> None:
    given = json.loads(entries(smtpHost="email-smtp.us-east-1.amazonaws.com", smtpPassword="k" * 40))

    assert "password-not-for-smtp" in {warning.code for warning in activated(given).warnings}


@pytest.mark.parametrize(
    ("preset", "limit"), [("gmail", 500), ("workspace", 2_000), ("microsoft365", 10_000), ("ses-us-east-1", None)]
)
def test_D18_a_preset_has_the_daily_limit_of_its_service(preset: str, limit: int | None) -> None:
    found = relay(json.loads(entries(smtpService=preset, smtpHost=None, smtpPort=None)))

    assert found.daily_limit == limit


def test_D18_a_message_over_the_daily_limit_is_429_with_retry_after(make: Make) -> None:
    setup = make(entries(smtpDailyLimit="1"))
    first = setup.send(SEND, MESSAGE)

    second = setup.send(SEND, MESSAGE)

    assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == ("1", "0")
    assert (second.status, int(second.headers["Retry-After"]) > 0) == (429, True)
    assert len(setup.relayed) == 1


def test_D19_a_password_is_stored_and_never_shown(setup: SeedSetup, lines: Lines) -> None:
    answers = [setup.configure("get"), setup.configure("put", {"entries": VALID_ENTRIES}), setup.send(SEND, MESSAGE)]

    shown = json.dumps([answer.body for answer in answers]) + lines.stream.getvalue()
    assert answers[0].body["entries"]["smtpPassword"] == {"set": True}
    assert VALID_ENTRIES["smtpPassword"] not in shown


def test_D19_a_rotated_password_is_used_at_once_if_the_old_one_is_refused(setup: SeedSetup) -> None:
    rejected = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "no")))
    setup.send(SEND, MESSAGE)
    setup.service.relay.attempts = [Attempt.uniform(setup.relayed[0].message.recipients, rejected)]
    setup.service.secrets.refreshed = {
        setup.relayed[0].project_id: fakes.secret(entries(smtpPassword="rotated"), "version-2")
    }

    assert setup.send(SEND, MESSAGE).status == 200
    assert [sent.version_id for sent in setup.relayed] == ["version-1", "version-1", "version-2"]


def test_D21_the_installations_variables_are_imported(make: Make) -> None:
    setup = make(json.dumps(imported()))

    setup.send(SEND, MESSAGE)

    used = setup.relayed[0].relay
    assert (used.host, used.port, used.tls) == ("smtp.example.com", 587, TlsMode.STARTTLS)
    assert isinstance(used.auth, PasswordAuth)
    assert (used.auth.username, used.auth.password.reveal()) == ("your_username", "your_password")
    assert mime(setup.relayed[0].message)["From"] == "DreamFactory <noreply@example.com>"


@pytest.mark.parametrize(("mode", "tls"), [(TlsMode.STARTTLS, Tls.STARTTLS), (TlsMode.IMPLICIT, Tls.IMPLICIT)])
def test_D22_a_validation_connects_to_the_relay_as_openssl_s_client_does(mode: TlsMode, tls: Tls) -> None:
    script = Relay(tls=tls, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)
    auth = relay(json.loads(entries())).auth
    with HostileRelay(script) as server, smtp_transport() as transport:
        here = replace(
            relay(imported()), host=RELAY_NAME, port=server.port, tls=mode, auth=auth, ca_certificate=authority().pem
        )
        walked = transport.probe(
            here,
            envelope_sender="noreply@example.com",
            recipient="noreply@example.com",
            deadline=time.monotonic() + PATIENT,
        )

    assert walked == ProbePassed(is_protected=True)
    assert server.messages == ()


def test_D22_a_validation_over_the_api_names_each_check(setup: SeedSetup) -> None:
    setup.probe.failure = Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED)

    checks = {check["name"]: check for check in setup.configure("validate_stored").body["checks"]}

    assert (checks["connects"]["status"], checks["certificate"]["status"]) == ("passed", "failed")
    assert checks["certificate"]["remedy"]
