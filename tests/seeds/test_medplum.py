"""Medplum's Project SMTP, row by row: M1 to M18."""

import json
from collections.abc import Callable

import pytest
from mailer.ledger.record import State
from mailer.relay.relay import PasswordAuth, TlsMode
from mailer.smtp.outcome import Cause, Failure, Phase, RelayError, RelayFault
from mailer.smtp.reply import make_reply
from mailer.system_email.event import EventType

from tests.cli.reading import relay
from tests.support.projects import VALID_ENTRIES, entries
from tests.support.seed_stage import SeedStage, mime

type Make = Callable[..., SeedStage]
MESSAGE = {"to": "ada@example.net", "subject": "Results", "text": "They are in."}
SEND = "send.medplum"
SYSTEM = (
    EventType.USER_INVITED,
    EventType.PASSWORD_RESET_REQUESTED,
    EventType.EMAIL_VERIFICATION_REQUESTED,
    EventType.MFA_RESET,
)
AUTH_REJECTED = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))


def test_M1_without_a_configuration_the_server_sends_from_its_own_address(make: Make) -> None:
    stage = make(None)

    assert stage.send(SEND, MESSAGE).status == 200
    [message] = stage.office.server.requests
    assert mime(message)["From"] == "Platform <no-reply@platform.example>"
    assert stage.office.relay.sends == []


@pytest.mark.parametrize(
    ("host", "username"),
    [
        ("smtp.sendgrid.net", "apikey"),
        ("smtp.mailgun.org", "postmaster@mg.acme.example"),
        ("email-smtp.us-east-1.amazonaws.com", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_M2_mail_is_sent_by_the_projects_relay_from_its_own_domain(make: Make, host: str, username: str) -> None:
    stage = make(entries(smtpHost=host, smtpUsername=username))

    stage.send(SEND, MESSAGE)

    assert stage.received["From"] == "Acme <hello@acme.example>"
    assert stage.relayed[0].relay.host == host


@pytest.mark.parametrize("type_", SYSTEM)
def test_M3_system_mail_uses_the_same_transport_as_the_send_api(stage: SeedStage, type_: EventType) -> None:
    assert stage.announce(type_).state is State.SENT
    assert stage.send(SEND, MESSAGE).status == 200

    assert [sent.relay.host for sent in stage.relayed] == ["mail.acme.example"] * 2
    assert [mime(sent.message)["From"] for sent in stage.relayed] == ["Acme <hello@acme.example>"] * 2


def test_M4_the_projects_transport_changes_the_sender_of_system_mail_but_not_its_content(
    stage: SeedStage, make: Make
) -> None:
    plain = make(None)
    stage.announce(EventType.PASSWORD_RESET_REQUESTED)
    plain.announce(EventType.PASSWORD_RESET_REQUESTED)

    by_project, by_server = stage.received, mime(plain.office.server.requests[0])
    assert by_project["Subject"] == by_server["Subject"]
    for kind in ("plain", "html"):
        parts = [message.get_body((kind,)) for message in (by_project, by_server)]
        assert parts[0] is not None
        assert parts[1] is not None
        assert parts[0].get_content() == parts[1].get_content()
    assert by_project["From"] != by_server["From"]


def test_M5_only_a_project_admin_stores_the_entries(stage: SeedStage) -> None:
    given = {"entries": {**VALID_ENTRIES, "smtpHost": "mail2.acme.example"}}

    refused = stage.configure("put", given, claims={"scope": "email:send email-config:read"})
    stored = stage.configure("put", given)
    stage.send(SEND, MESSAGE)

    assert (refused.status, stored.status) == (403, 200)
    assert stage.relayed[0].relay.host == "mail2.acme.example"


@pytest.mark.parametrize(
    ("host", "status", "transport"),
    [("mail.acme.example", 200, "project-smtp"), (None, 200, "server-ses"), ("", 400, None)],
)
def test_M6_the_presence_of_smtp_host_switches_the_relay_on(
    make: Make, host: str | None, status: int, transport: str | None
) -> None:
    stage = make(entries(smtpHost=host))

    answer = stage.send("send.project_relay", MESSAGE)

    assert (answer.status, answer.body.get("transport")) == (status, transport)
    assert stage.is_untouched is (transport is None)


@pytest.mark.parametrize("port", [587, "587", " 587 "])
def test_M7_the_port_is_an_integer_or_its_text(port: object) -> None:
    assert relay({**VALID_ENTRIES, "smtpPort": port}).port == 587  # type: ignore[dict-item]  # JSON has numbers


@pytest.mark.parametrize("port", [None, "", "abc", "0", "65536", "587.0", "5_87"])
def test_M7_a_malformed_port_stops_the_mail(make: Make, port: str | None) -> None:
    assert_stopped(make(entries(smtpPort=port)), "smtpPort")


def test_M8_the_user_name_is_required_and_used_as_typed(make: Make) -> None:
    assert_logs_in(entries(smtpUsername="acme\\mailer"), "acme\\mailer", VALID_ENTRIES["smtpPassword"])
    assert_stopped(make(entries(smtpUsername=None)), "smtpUsername")


def test_M9_the_password_is_required_and_used_as_typed(make: Make) -> None:
    assert_logs_in(entries(smtpPassword=" with spaces "), VALID_ENTRIES["smtpUsername"], " with spaces ")
    assert_stopped(make(entries(smtpPassword=None)), "smtpPassword")


@pytest.mark.parametrize(
    ("port", "secure", "tls"),
    [
        ("465", None, TlsMode.IMPLICIT),
        ("587", None, TlsMode.STARTTLS),
        ("25", None, TlsMode.STARTTLS),
        ("2465", None, TlsMode.IMPLICIT),
        ("2525", "true", TlsMode.IMPLICIT),
        ("2525", "false", TlsMode.STARTTLS),
    ],
)
def test_M10_secure_follows_from_the_port_and_false_still_requires_starttls(
    port: str, secure: str | None, tls: TlsMode
) -> None:
    given = json.loads(entries(smtpPort=port, smtpSecure=secure))

    assert relay(given).tls is tls


def test_M11_the_from_address_is_the_default_and_required(make: Make) -> None:
    stage = make(entries(smtpFromAddress="results@clinic.example"))

    stage.send(SEND, MESSAGE)

    assert stage.received["From"] == "results@clinic.example"
    assert_stopped(make(entries(smtpFromAddress=None)), "smtpFromAddress")


@pytest.mark.parametrize("listed", ["lab@acme.example,desk@acme.example", " LAB@Acme.Example , ,desk@acme.example"])
def test_M12_the_approved_senders_are_separated_by_commas(make: Make, listed: str) -> None:
    stage = make(entries(smtpApprovedSenders=listed))

    stage.send(SEND, {**MESSAGE, "from": "Lab <lab@acme.example>"})
    stage.send(SEND, {**MESSAGE, "from": "desk@acme.example"})

    used = [mime(sent.message)["From"].lower() for sent in stage.relayed]
    assert used == ["lab <lab@acme.example>", "desk@acme.example"]


def test_M13_a_from_that_is_not_approved_becomes_the_default_and_the_answer_says_so(stage: SeedStage) -> None:
    answer = stage.send(SEND, {**MESSAGE, "from": "boss@elsewhere.example"})

    facts = {each["url"]: each["valueString"] for each in answer.body["extension"]}
    assert stage.received["From"] == "Acme <hello@acme.example>"
    assert (answer.status, facts["urn:project-smtp:from-reason"]) == (200, "not-approved")


def test_M14_the_servers_approved_senders_are_for_the_server_transport_only(stage: SeedStage, make: Make) -> None:
    asked = {**MESSAGE, "from": "support@platform.example"}
    plain = make(None)

    stage.send(SEND, asked)
    plain.send(SEND, asked)

    assert stage.received["From"] == "Acme <hello@acme.example>"
    assert mime(plain.office.server.requests[0])["From"] == "support@platform.example"


@pytest.mark.parametrize("name", ["smtpPort", "smtpUsername", "smtpPassword", "smtpFromAddress"])
@pytest.mark.parametrize("value", [None, "", "\u0000"])
def test_M15_a_missing_or_invalid_entry_fails_the_send_without_a_fallback(
    make: Make, name: str, value: str | None
) -> None:
    stage = make(entries(**{name: value}))

    answer = stage.send(SEND, MESSAGE)

    assert answer.status == 400
    assert answer.body["issue"][0]["details"]["text"] == "Project SMTP configuration is incomplete or invalid"
    assert stage.is_untouched


@pytest.mark.parametrize("type_", SYSTEM)
def test_M16_a_broken_configuration_holds_system_mail_and_does_not_lose_it(make: Make, type_: EventType) -> None:
    stage = make(entries(smtpPassword=None))

    held = stage.announce(type_)
    assert (held.state, stage.is_untouched) == (State.HELD, True)
    asked = len(stage.office.queue.sends)
    stage.keep(entries(), "version-2")
    stage.office.advance(1800)
    stage.office.tick()
    assert [delivery.id for delivery in stage.office.queue.sends[asked:]] == [held.id]
    stage.office.deliver(held)

    assert stage.office.known(held).state is State.SENT
    assert len(stage.relayed) == 1


def test_M17_a_test_send_shows_the_fault_of_a_changed_configuration(stage: SeedStage) -> None:
    stage.office.relay.verdict = RelayError(RelayFault.AUTH_REJECTED, AUTH_REJECTED)

    answer = stage.send(SEND, MESSAGE)

    assert answer.status == 400
    assert answer.body["issue"][0]["details"]["text"].startswith("Error sending email: ")
    assert stage.office.server.requests == []


def test_M17_a_change_over_the_api_is_checked_before_it_is_stored(stage: SeedStage) -> None:
    stage.probe.failure = AUTH_REJECTED
    given = {"entries": {**VALID_ENTRIES, "smtpPassword": "mistyped"}}

    assert stage.configure("put", given).status == 424
    stage.send(SEND, MESSAGE)
    assert stage.relayed[0].version_id == "version-1"


@pytest.mark.parametrize("changes", [{}, {"smtpPort": None}])
def test_M18_if_the_operator_switches_relays_off_every_project_sends_by_the_server(
    make: Make, changes: dict[str, str | None]
) -> None:
    stage = make(entries(**changes), ALLOW_PROJECT_SMTP="false")

    assert stage.send(SEND, MESSAGE).status == 200
    assert stage.announce(EventType.PASSWORD_RESET_REQUESTED).state is State.SENT

    assert len(stage.office.server.requests) == 2
    assert (stage.office.relay.sends, stage.office.secrets.reads) == ([], [])


def assert_stopped(stage: SeedStage, entry: str) -> None:
    """Assert that no message is sent, and that the answer names the entry."""
    answer = stage.send("send.project_relay", MESSAGE)
    assert (answer.status, [problem["entry"] for problem in answer.body["problems"]]) == (400, [entry])
    assert stage.is_untouched


def assert_logs_in(text: str, username: str, password: str) -> None:
    """Assert that the log-in at the relay has exactly these credentials."""
    auth = relay(json.loads(text)).auth
    assert isinstance(auth, PasswordAuth)
    assert (auth.username, auth.password.reveal()) == (username, password)
