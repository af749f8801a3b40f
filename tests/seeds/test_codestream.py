"""CodeStream's outbound e-mail, row by row: S1 to S8."""

import json
from collections.abc import Callable
from copy import replace
from pathlib import Path

import pytest
from mailer.ledger.record import State
from mailer.relay.relay import NoAuth, PasswordAuth, TlsMode
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.smtp.outcome import Accepted, Verdict
from mailer.system_email.event import EventType
from project_smtp_cli.importing.formats import Format, convert
from project_smtp_cli.importing.imported import NotImportable

from tests.cli.reading import activated, relay
from tests.support import canaries, fake_api
from tests.support.certificates import authority
from tests.support.command_line import CommandLine
from tests.support.fake_api import Reply
from tests.support.fake_sendgrid import FakeSendgrid
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.lifecycle import LINK
from tests.support.projects import entries
from tests.support.provider_stage import provider_apis, verdict
from tests.support.provider_stage import send as send_by_api
from tests.support.seed_stage import SeedStage, mime
from tests.support.sending import RELAY_NAME, make_message, send, smtp_transport

type Make = Callable[..., SeedStage]
GMAIL = """{
	// ~/.codestream/codestream-services-config.json
	"emailDeliveryService": {
		"NodeMailer": {
			"host": "smtp.gmail.com",
			"password": "<my-password>",        // Your GMail or G-Suite password (in plain text!!)
			"port": "587",
			"secure": true,
			"service": "gmail",
			"username": "my-user@gmail.com",  // Your GMail or G-Suite email address
		}
	}
}"""
SECURE = {"host": "your.relay.server.com", "port": "587", "secure": True}
INSECURE = {"host": "your.relay.server.com", "port": "25", "secure": False}


def imported(service: dict[str, object]) -> dict[str, str]:
    text = json.dumps({"emailDeliveryService": service})
    return dict(convert(text, Format.CODESTREAM)[1].entries)


def delivered(server: HostileRelay, found: dict[str, str], *, ca: str | None = None) -> list[Verdict]:
    """Send a message by the imported relay, with this server in place of its host, and return the verdicts."""
    with smtp_transport() as transport:
        here = replace(relay(found), host=RELAY_NAME, port=server.port, ca_certificate=ca)
        return list(send(transport, here, make_message()).attempt.verdicts.values())


def test_S1_a_request_becomes_a_message_with_content_and_headers(stage: SeedStage) -> None:
    record = stage.announce(EventType.EMAIL_VERIFICATION_REQUESTED)

    text = stage.received.get_body(("plain",))
    assert record.state is State.SENT
    assert text is not None
    assert LINK in text.get_content()
    assert [stage.received[name] is not None for name in ("From", "To", "Subject", "Date", "Message-ID")] == [True] * 5


def test_S1_without_a_configuration_confirmations_are_sent_and_not_dropped(make: Make) -> None:
    stage = make(None)

    assert stage.announce(EventType.EMAIL_VERIFICATION_REQUESTED).state is State.SENT
    assert mime(stage.office.server.requests[0])["To"] == "Ada Lovelace <ada@example.net>"


@pytest.mark.parametrize("header", ["x-cs-test-email-sends", "x-cs-block-email-sends"])
def test_S1_a_callers_header_never_drops_or_diverts_a_message(stage: SeedStage, header: str) -> None:
    body = {"to": "ada@example.net", "subject": "Hello", "text": "Hi"}

    answer = stage.send("send.project_relay", body, headers={header: "true"})

    assert (answer.body["status"], stage.received["To"]) == ("sent", "ada@example.net")


@pytest.mark.parametrize(
    ("environment", "status", "recipients"),
    [
        ({"SUPPRESS_EMAILS": "true"}, "suppressed", []),
        ({"DIVERT_ALL_TO": "qa@stage.example"}, "sent", ["qa@stage.example"]),
    ],
)
def test_S1_the_operators_stage_diverts_or_suppresses_and_the_answer_says_so(
    make: Make, environment: dict[str, str], status: str, recipients: list[str]
) -> None:
    stage = make(**environment)

    answer = stage.send("send.project_relay", {"to": "ada@example.net", "subject": "Hello", "text": "Hi"})

    assert answer.body["status"] == status
    assert answer.body.get("diverted_to") == environment.get("DIVERT_ALL_TO")
    assert [str(each) for sent in stage.relayed for each in sent.message.recipients] == recipients
    assert [mime(sent.message)["Subject"] for sent in stage.relayed] == ["{{{ada@example.net}}} Hello"] * len(
        recipients
    )


def test_S2_one_of_two_engines_is_configured_and_sendgrid_comes_first() -> None:
    both = imported({"sendgrid": {"apiKey": "SG.key"}, "NodeMailer": SECURE})

    assert relay(imported({"NodeMailer": SECURE})).host == "your.relay.server.com"
    [provider] = activated(both).configuration.chain
    assert isinstance(provider.config, SendgridAccount)


@pytest.mark.parametrize("service", [{}, {"NodeMailer": {}}, {"mandrill": {"apiKey": "k"}}])
def test_S2_a_file_without_an_engine_is_refused(service: dict[str, object]) -> None:
    with pytest.raises(NotImportable):
        imported(service)


def test_S3_key_and_url_post_to_sendgrid() -> None:
    found = imported({"sendgrid": {"apiKey": canaries.API_KEY, "url": "/v3/mail/send"}})
    [provider] = activated(found).configuration.chain
    assert isinstance(provider.config, SendgridAccount)
    assert provider.config.base_url == "https://api.sendgrid.com"

    with FakeSendgrid() as fake, provider_apis() as apis:
        here = replace(provider.config, base_url=fake.base_url, ca_certificate=authority().pem)
        taken = verdict(send_by_api(apis, here))

    assert isinstance(taken, Accepted)
    assert [request.target for request in fake.requests] == ["/v3/mail/send"]
    assert len(fake.messages) == 1


def test_S4_each_setting_of_nodemailer_is_imported_with_the_port_as_text() -> None:
    found = relay(
        imported(
            {
                "NodeMailer": {
                    "host": "mail.acme.example",
                    "port": "465",
                    "secure": True,
                    "username": "u",
                    "password": "p",
                }
            }
        )
    )

    assert (found.host, found.port, found.tls) == ("mail.acme.example", 465, TlsMode.IMPLICIT)
    assert isinstance(found.auth, PasswordAuth)
    assert (found.auth.username, found.auth.password.reveal()) == ("u", "p")


def test_S4_a_service_becomes_a_preset_with_its_host_and_port() -> None:
    found = relay(imported({"NodeMailer": {"service": "gmail", "username": "u@gmail.com", "password": "p" * 16}}))

    assert (found.host, found.port, found.tls) == ("smtp.gmail.com", 587, TlsMode.STARTTLS)


def test_S5_a_gmail_account_sends_with_starttls(make: Make) -> None:
    format_, found = convert(GMAIL, None)
    stage = make(json.dumps({**found.entries, "smtpFromAddress": "my-user@gmail.com"}))

    stage.send("send.project_relay", {"to": "ada@example.net", "subject": "Hello", "text": "Hi"})

    used = stage.relayed[0].relay
    assert (format_, used.host, used.port, used.tls) == (Format.CODESTREAM, "smtp.gmail.com", 587, TlsMode.STARTTLS)
    assert isinstance(used.auth, PasswordAuth)
    assert (used.auth.username, used.auth.password.reveal()) == ("my-user@gmail.com", "<my-password>")


def test_S6_a_relay_without_a_log_in_gets_mail_over_starttls() -> None:
    found = imported({"NodeMailer": SECURE})
    with HostileRelay(Relay(tls=Tls.STARTTLS, context=authority().valid(RELAY_NAME))) as server:
        verdicts = delivered(server, found, ca=authority().pem)

    assert isinstance(relay(found).auth, NoAuth)
    assert [type(each) for each in verdicts] == [Accepted]
    assert [message.tls for message in server.messages] == [True]
    assert server.auth_attempts == 0


def test_S6_without_starttls_at_such_a_relay_nothing_is_sent() -> None:
    with HostileRelay(Relay(tls=Tls.NONE)) as server:
        delivered(server, imported({"NodeMailer": SECURE}))

    assert server.messages == ()


def test_S7_an_insecure_relay_gets_mail_in_clear_text_without_a_log_in() -> None:
    found = imported({"NodeMailer": INSECURE})
    with HostileRelay(Relay(tls=Tls.NONE)) as server:
        verdicts = delivered(server, found)

    assert (relay(found).port, [type(each) for each in verdicts]) == (25, [Accepted])
    assert [message.tls for message in server.messages] == [False]
    assert server.auth_attempts == 0


def test_S7_a_user_name_without_a_password_is_refused_and_not_ignored(make: Make) -> None:
    found = imported({"NodeMailer": {**SECURE, "username": "u"}})
    stage = make(json.dumps({**found, "smtpFromAddress": "hello@acme.example"}))

    answer = stage.send("send.project_relay", {"to": "ada@example.net", "subject": "Hello", "text": "Hi"})

    assert (answer.status, answer.body["problems"][0]["entry"]) == (400, "smtpPassword")
    assert stage.is_untouched


def test_S8_the_file_is_imported_with_its_comments_and_trailing_commas(tmp_path: Path) -> None:
    file = tmp_path / "codestream-services-config.json"
    file.write_text(GMAIL, encoding="utf-8")
    with fake_api.running() as api:
        api.answers("GET", "email-config", Reply(200, {"state": "server", "entries": {}}))
        api.answers("POST", "email-config/validate", Reply(200, {"valid": True, "checks": []}))
        api.answers("PUT", "email-config", Reply(200, {"state": "verified"}))
        shell = CommandLine(
            {"PROJECT_SMTP_URL": api.url, "PROJECT_SMTP_TOKEN": "a.b.c", "LOCAL_DIR": str(tmp_path / "nowhere")}
        )
        ended = shell.run("import", str(file), "--project", "acme", "--from", "me@gmail.com")

    [put] = [asked.json() for asked in api.asked if asked.method == "PUT"]
    assert isinstance(put, dict)
    assert (put["entries"]["smtpHost"], put["entries"]["smtpUsername"]) == ("smtp.gmail.com", "my-user@gmail.com")
    assert ended.exit_code == 0
    assert "<my-password>" not in ended.out + ended.err


def test_S8_an_imported_configuration_sends(make: Make) -> None:
    stage = make(entries())
    found = convert(GMAIL, None)[1].entries

    assert stage.configure("put", {"entries": {**found, "smtpFromAddress": "my-user@gmail.com"}}).status == 200
    stage.send("send.project_relay", {"to": "ada@example.net", "subject": "Hello", "text": "Hi"})
    assert stage.relayed[0].relay.host == "smtp.gmail.com"
