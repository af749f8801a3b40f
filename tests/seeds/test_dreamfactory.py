"""DreamFactory's SMTP service, row by row: D1 to D22."""

import base64
import json
import time
from collections.abc import Callable
from copy import replace

import pytest
from mailer.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Verdict,
    Walked,
)
from mailer.relay import NoAuth, OAuthAuth, PasswordAuth, TlsMode
from mailer.reply import make_reply
from mailer.stored_template import Template
from mailer.token import Principal
from project_smtp_cli.importing.formats import Format, convert
from project_smtp_cli.importing.imported import NotImportable

from functions.authorize.app import create_handler as create_authorizer
from tests import fakes
from tests.cli.reading import activated, relay
from tests.functions.conftest import Lines
from tests.support.certificates import authority
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.projects import ACME, VALID_ENTRIES, entries
from tests.support.seed_stage import SeedStage, mime
from tests.support.sending import CREDENTIALS, PATIENT, RELAY_NAME, make_message, send, smtp_transport

type Make = Callable[..., SeedStage]
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
    """The entries that an installation's `.env` becomes; these variables changed, or absent where None."""
    variables = {name: value for name, value in {**ENV, **changes}.items() if value is not None}
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    return dict(convert(text, Format.DREAMFACTORY_ENV)[1].entries)


class NoLog:
    """Keeps nothing."""

    def info(self, msg: str, *, reason: str) -> None:
        pass


def authorized(headers: dict[str, str]) -> bool:
    """Whether the gateway's authorizer lets this request in."""
    principal = Principal(ACME, frozenset({"email:send"}), "client")
    handler = create_authorizer(verifier=fakes.FakeTokenVerifier({"key": principal}), log=NoLog())
    return handler({"routeKey": "POST /api/v2/{service}", "headers": headers}, None)["isAuthorized"]


def with_(**fields: object) -> dict[str, object]:
    return {**MESSAGE, **fields}


def test_D1_a_project_is_one_service_of_the_documented_name(stage: SeedStage) -> None:
    assert stage.send(SEND, MESSAGE, service="email").status == 200
    assert stage.send(SEND, MESSAGE, service="marketing").status == 404


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
def test_D5_there_is_a_log_in_or_none(given: dict[str, str | None], kind: type) -> None:
    assert isinstance(relay(imported(**given)).auth, kind)


@pytest.mark.parametrize("name", ["smtpUsername", "smtpPassword"])
def test_D5_half_a_log_in_is_an_error_and_never_none(make: Make, name: str) -> None:
    stage = make(entries(**{name: None}))

    assert stage.send(SEND, MESSAGE).status == 400
    assert stage.is_untouched


def test_D6_the_service_has_a_default_sender_and_reply_to(make: Make) -> None:
    stage = make(
        entries(smtpFromAddress="noreply@acme.example", smtpFromName="Acme", smtpReplyTo="Help <help@acme.example>")
    )

    stage.send(SEND, MESSAGE)

    assert (stage.received["From"], stage.received["Reply-To"]) == (
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
def test_D7_a_relay_of_one_s_own_has_any_of_the_three_ports(port: int) -> None:
    assert relay(json.loads(entries(smtpPort=str(port)))).port == port


def test_D8_the_route_takes_json_by_the_key_in_its_own_header(stage: SeedStage) -> None:
    assert authorized({"x-dreamfactory-api-key": "key"})
    assert stage.send(SEND, MESSAGE).status == 200


def test_D8_xml_is_refused(stage: SeedStage) -> None:
    answer = stage.send(SEND, "<to>a@b.example</to>", headers={"content-type": "application/xml"})

    assert 400 <= answer.status < 500
    assert stage.is_untouched


@pytest.mark.parametrize(
    "address",
    [
        [{"email": "ada@example.net", "name": "Ada"}, {"email": "bob@example.net"}],
        ["Ada <ada@example.net>", "bob@example.net"],
        {"email": "ada@example.net"},
        "ada@example.net",
    ],
)
@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
def test_D9_recipients_have_each_shape_in_each_field(stage: SeedStage, field: str, address: object) -> None:
    answer = stage.send(SEND, with_(**{field: address}))

    count = (len(address) if isinstance(address, list) else 1) + (field != "to")
    assert (answer.status, answer.body) == (200, {"count": count})
    assert len(stage.relayed[0].message.recipients) == count
    assert stage.received["Bcc"] is None


def test_D9_to_is_required(stage: SeedStage) -> None:
    assert stage.send(SEND, {"subject": "x", "body_text": "y", "cc": "a@b.example"}).status == 400


@pytest.mark.parametrize(
    ("bodies", "kinds"),
    [
        ({"body_text": "Plain"}, {"text/plain"}),
        ({"body_html": "<p>Rich</p>"}, {"text/html"}),
        ({"body_text": "Plain", "body_html": "<p>Rich</p>"}, {"text/plain", "text/html"}),
    ],
)
def test_D10_the_body_is_text_html_or_both(stage: SeedStage, bodies: dict[str, object], kinds: set[str]) -> None:
    stage.send(SEND, {"to": "ada@example.net", "subject": "Ünïcode", **bodies})

    leaves = {part.get_content_type() for part in stage.received.walk() if not part.is_multipart()}
    assert (stage.received["Subject"], kinds <= leaves) == ("Ünïcode", True)


def test_D11_a_request_s_sender_and_reply_to_come_before_the_defaults(make: Make) -> None:
    stage = make(entries(smtpReplyTo="help@acme.example"))
    fields = {
        "from_name": "Support Team",
        "from_email": "support@acme.example",
        "reply_to_email": "desk@acme.example",
        "reply_to_name": "Desk",
    }

    stage.send(SEND, with_(**fields))

    assert (stage.received["From"], stage.received["Reply-To"]) == (
        "Support Team <support@acme.example>",
        "Desk <desk@acme.example>",
    )


def test_D12_the_content_of_an_attachment_arrives(stage: SeedStage) -> None:
    octets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    attachment = {
        "name": "invoice-2026-001.pdf",
        "content": base64.b64encode(octets).decode(),
        "content_type": "application/pdf",
    }

    stage.send(SEND, with_(attachments=[attachment]))

    [attached] = stage.received.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type(), attached.get_content()) == (
        "invoice-2026-001.pdf",
        "application/pdf",
        octets,
    )


@pytest.mark.parametrize(
    "reference", [{"import_url": "http://127.0.0.1/"}, {"service": "files", "path": "/etc/passwd"}]
)
def test_D12_an_attachment_is_never_fetched(stage: SeedStage, reference: dict[str, object]) -> None:
    answer = stage.send(SEND, with_(attachments=[{"name": "a", **reference}]))

    codes = {problem["code"] for problem in answer.body["error"]["context"]["problems"]}
    assert answer.status == 400
    assert "option-not-supported" in codes
    assert stage.is_untouched


WELCOME = {
    "to": "user@example.com",
    "subject": "Welcome, {first_name}!",
    "body_html": "<h1>Welcome to {company_name}</h1><p>Hello {first_name},</p>",
    "body_text": "Welcome to {company_name}\n\nHello {first_name},",
}


def test_D13_placeholders_are_filled_in_everywhere_and_escaped_in_html(stage: SeedStage) -> None:
    stage.send(SEND, {**WELCOME, "template_data": {"first_name": "John", "company_name": "Fish & <Chips>"}})

    text, html = (stage.received.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert stage.received["Subject"] == "Welcome, John!"
    assert text.get_content().splitlines() == ["Welcome to Fish & <Chips>", "", "Hello John,"]
    assert html.get_content().startswith("<h1>Welcome to Fish &amp; &lt;Chips&gt;</h1><p>Hello John,</p>")


def test_D13_a_placeholder_without_a_value_is_an_error(stage: SeedStage) -> None:
    answer = stage.send(SEND, {**WELCOME, "template_data": {"first_name": "John"}})

    assert answer.status == 400
    assert answer.body["error"]["context"]["problems"][0]["pointer"] == "/template_data/company_name"


@pytest.mark.parametrize("how", ["body", "query"])
def test_D13_a_stored_template_is_named_in_the_body_or_the_query(stage: SeedStage, how: str) -> None:
    stage.keep_template("welcome", Template(subject="Hi {name}", text="From {shop}", defaults={"shop": "Acme"}))
    body: dict[str, object] = {"to": "ada@example.net", "template_data": {"name": "Ada"}}

    if how == "body":
        stage.send(SEND, {**body, "template": "welcome"})
    else:
        stage.send(SEND, body, query={"template": "welcome"})

    assert (stage.received["Subject"], stage.received.get_content().strip()) == ("Hi Ada", "From Acme")


def test_D13_a_template_that_there_is_not_is_404(stage: SeedStage) -> None:
    assert stage.send(SEND, {"to": "ada@example.net", "template": "missing"}).status == 404


def test_D14_the_answer_counts_the_copies_that_were_accepted(stage: SeedStage) -> None:
    body = with_(to=["ada@example.net", "bob@example.net", "eve@example.net"])
    refused = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 unknown")))
    stage.send(SEND, body)
    ada, bob, eve = stage.relayed[0].message.recipients
    stage.office.relay.attempts = [Attempt({ada: fakes.ACCEPTED, bob: refused, eve: fakes.ACCEPTED})]

    answer = stage.send(SEND, body)

    assert (answer.status, answer.body) == (200, {"count": 2})


@pytest.mark.parametrize(("encryption", "port", "tls"), [("tls", "587", Tls.STARTTLS), ("ssl", "465", Tls.IMPLICIT)])
def test_D15_tls_is_starttls_and_ssl_is_implicit_and_nothing_is_said_in_clear(
    encryption: str, port: str, tls: Tls
) -> None:
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
def test_D15_none_sends_in_clear_and_never_a_password(*, has_login: bool, arrives: bool) -> None:
    login = {} if has_login else {"MAIL_USERNAME": None, "MAIL_PASSWORD": None}
    configured = relay(imported(MAIL_ENCRYPTION="", MAIL_PORT="25", **login))
    with HostileRelay(Relay(tls=Tls.NONE)) as server, smtp_transport() as transport:
        send(transport, replace(configured, host=RELAY_NAME, port=server.port), make_message())

    assert [message.tls for message in server.messages] == ([False] if arrives else [])
    assert not server.auth_in_clear


def test_D16_oauth_is_a_way_to_log_in_to_microsoft_365() -> None:
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


def test_D16_an_iam_key_in_place_of_ses_s_smtp_password_is_warned_of() -> None:
    given = json.loads(entries(smtpHost="email-smtp.us-east-1.amazonaws.com", smtpPassword="k" * 40))

    assert "password-not-for-smtp" in {warning.code for warning in activated(given).warnings}


TABLE: list[tuple[str, Verdict]] = [
    (
        "Authentication failed",
        RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))),
    ),
    ("Connection refused", Deferred(Failure(Phase.CONNECT, Cause.REFUSED))),
    ("Connection timed out", Deferred(Failure(Phase.CONNECT, Cause.TIMEOUT))),
    ("Certificate error", RelayError(RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_UNTRUSTED))),
]


def test_D17_each_failure_of_the_table_has_its_message_its_cause_and_its_remedy(stage: SeedStage) -> None:
    told = []
    for message, verdict in TABLE:
        stage.office.relay.verdict = verdict
        answer = stage.send(SEND, MESSAGE)
        context = answer.body["error"]["context"]
        assert (answer.status, answer.body["error"]["message"]) == (500, message)
        told.append((context["cause"], context["remedy"]))

    assert len({cause for cause, _ in told}) == len({remedy for _, remedy in told}) == len(TABLE)


def test_D17_an_invalid_address_is_400_and_a_missing_key_lets_nobody_in(stage: SeedStage) -> None:
    answer = stage.send(SEND, with_(to=[{"email": "nobody"}]))

    assert (answer.status, answer.body["error"]["message"]) == (400, "Bad Request: invalid email format.")
    assert not authorized({})


@pytest.mark.parametrize(
    ("preset", "limit"), [("gmail", 500), ("workspace", 2_000), ("microsoft365", 10_000), ("ses-us-east-1", None)]
)
def test_D18_a_preset_has_its_service_s_daily_limit(preset: str, limit: int | None) -> None:
    found = relay(json.loads(entries(smtpService=preset, smtpHost=None, smtpPort=None)))

    assert found.daily_limit == limit


def test_D18_a_limit_is_watched_and_what_is_over_it_is_told_when_to_come_back(make: Make) -> None:
    stage = make(entries(smtpDailyLimit="1"))
    first = stage.send(SEND, MESSAGE)

    second = stage.send(SEND, MESSAGE)

    assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == ("1", "0")
    assert (second.status, int(second.headers["Retry-After"]) > 0) == (429, True)
    assert len(stage.relayed) == 1


def test_D19_a_password_is_stored_and_never_shown(stage: SeedStage, lines: Lines) -> None:
    answers = [stage.configure("get"), stage.configure("put", {"entries": VALID_ENTRIES}), stage.send(SEND, MESSAGE)]

    shown = json.dumps([answer.body for answer in answers]) + lines.stream.getvalue()
    assert answers[0].body["entries"]["smtpPassword"] == {"set": True}
    assert VALID_ENTRIES["smtpPassword"] not in shown


def test_D19_a_rotated_password_is_used_at_once_where_the_old_one_is_refused(stage: SeedStage) -> None:
    rejected = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "no")))
    stage.send(SEND, MESSAGE)
    stage.office.relay.attempts = [Attempt.uniform(stage.relayed[0].message.recipients, rejected)]
    stage.office.secrets.refreshed = {
        stage.relayed[0].project_id: fakes.secret(entries(smtpPassword="rotated"), "version-2")
    }

    assert stage.send(SEND, MESSAGE).status == 200
    assert [sent.version_id for sent in stage.relayed] == ["version-1", "version-1", "version-2"]


def test_D20_who_may_send_as_whom_and_how_often_is_restricted(make: Make) -> None:
    stage = make(entries(smtpFromPolicy="reject"), ROLE_LIMITS="marketing=1/day")
    marketing = {"role": "marketing"}

    assert stage.send(SEND, MESSAGE, claims={"scope": "email:read"}).status == 403
    assert stage.send(SEND, with_(from_email="boss@elsewhere.example")).status == 403
    assert [stage.send(SEND, MESSAGE, claims=marketing).status for _ in range(2)] == [200, 429]
    assert stage.send(SEND, MESSAGE, claims={"role": "support"}).status == 200


def test_D21_the_installation_s_variables_are_imported(make: Make) -> None:
    stage = make(json.dumps(imported()))

    stage.send(SEND, MESSAGE)

    used = stage.relayed[0].relay
    assert (used.host, used.port, used.tls) == ("smtp.example.com", 587, TlsMode.STARTTLS)
    assert isinstance(used.auth, PasswordAuth)
    assert (used.auth.username, used.auth.password.reveal()) == ("your_username", "your_password")
    assert mime(stage.relayed[0].message)["From"] == "DreamFactory <noreply@example.com>"


@pytest.mark.parametrize(("mode", "tls"), [(TlsMode.STARTTLS, Tls.STARTTLS), (TlsMode.IMPLICIT, Tls.IMPLICIT)])
def test_D22_a_probe_walks_to_the_relay_as_openssl_s_client_would(mode: TlsMode, tls: Tls) -> None:
    script = Relay(tls=tls, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)
    auth = relay(json.loads(entries())).auth
    with HostileRelay(script) as server, smtp_transport() as transport:
        here = replace(
            relay(imported()), host=RELAY_NAME, port=server.port, tls=mode, auth=auth, ca_certificate=authority().pem
        )
        walked = transport.probe(here, envelope_sender="noreply@example.com", deadline=time.monotonic() + PATIENT)

    assert walked == Walked(is_protected=True)
    assert server.messages == ()


def test_D22_the_probe_is_a_call_of_the_api_and_names_each_step(stage: SeedStage) -> None:
    stage.probe.failure = Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED)

    checks = {check["name"]: check for check in stage.configure("validate_stored").body["checks"]}

    assert (checks["connects"]["status"], checks["certificate"]["status"]) == ("passed", "failed")
    assert checks["certificate"]["remedy"]
