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
from tests.support.seed_setup import SeedSetup, mime

type Make = Callable[..., SeedSetup]
MESSAGE = {"to": "ada@example.net", "subject": "Results", "text": "They are in."}
SEND = "send.medplum"
SYSTEM = (
    EventType.USER_INVITED,
    EventType.PASSWORD_RESET_REQUESTED,
    EventType.EMAIL_VERIFICATION_REQUESTED,
    EventType.MFA_RESET,
)
AUTH_REJECTED = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))


def test_M1_the_server_sends_from_its_own_address_without_a_configuration(make: Make) -> None:
    setup = make(None)

    assert setup.send(SEND, MESSAGE).status == 200
    [message] = setup.service.server.requests
    assert mime(message)["From"] == "Platform <no-reply@platform.example>"
    assert setup.service.relay.sends == []


@pytest.mark.parametrize(
    ("host", "username"),
    [
        ("smtp.sendgrid.net", "apikey"),
        ("smtp.mailgun.org", "postmaster@mg.acme.example"),
        ("email-smtp.us-east-1.amazonaws.com", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_M2_mail_is_sent_by_the_projects_relay_from_its_own_domain(make: Make, host: str, username: str) -> None:
    setup = make(entries(smtpHost=host, smtpUsername=username))

    setup.send(SEND, MESSAGE)

    assert setup.received["From"] == "Acme <hello@acme.example>"
    assert setup.relayed[0].relay.host == host


@pytest.mark.parametrize("type_", SYSTEM)
def test_M3_system_mail_uses_the_same_transport_as_the_send_api(setup: SeedSetup, type_: EventType) -> None:
    assert setup.announce(type_).state is State.SENT
    assert setup.send(SEND, MESSAGE).status == 200

    assert [sent.relay.host for sent in setup.relayed] == ["mail.acme.example"] * 2
    assert [mime(sent.message)["From"] for sent in setup.relayed] == ["Acme <hello@acme.example>"] * 2


def test_M4_the_projects_transport_changes_the_sender_of_system_mail_but_not_its_content(
    setup: SeedSetup, make: Make
) -> None:
    plain = make(None)
    setup.announce(EventType.PASSWORD_RESET_REQUESTED)
    plain.announce(EventType.PASSWORD_RESET_REQUESTED)

    by_project, by_server = setup.received, mime(plain.service.server.requests[0])
    assert by_project["Subject"] == by_server["Subject"]
    for kind in ("plain", "html"):
        parts = [message.get_body((kind,)) for message in (by_project, by_server)]
        assert parts[0] is not None
        assert parts[1] is not None
        assert parts[0].get_content() == parts[1].get_content()
    assert by_project["From"] != by_server["From"]


def test_M5_only_a_project_admin_can_store_entries(setup: SeedSetup) -> None:
    given = {"entries": {**VALID_ENTRIES, "smtpHost": "mail2.acme.example"}}

    refused = setup.configure("put", given, claims={"scope": "email:send email-config:read"})
    stored = setup.configure("put", given)
    setup.send(SEND, MESSAGE)

    assert (refused.status, stored.status) == (403, 200)
    assert setup.relayed[0].relay.host == "mail2.acme.example"


@pytest.mark.parametrize(
    ("host", "status", "transport"),
    [("mail.acme.example", 200, "project-smtp"), (None, 200, "server-ses"), ("", 400, None)],
)
def test_M6_smtp_host_activates_the_relay(make: Make, host: str | None, status: int, transport: str | None) -> None:
    setup = make(entries(smtpHost=host))

    answer = setup.send("send.project_relay", MESSAGE)

    assert (answer.status, answer.body.get("transport")) == (status, transport)
    assert setup.is_untouched is (transport is None)


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


def test_M11_the_from_address_is_the_required_default(make: Make) -> None:
    setup = make(entries(smtpFromAddress="results@clinic.example"))

    setup.send(SEND, MESSAGE)

    assert setup.received["From"] == "results@clinic.example"
    assert_stopped(make(entries(smtpFromAddress=None)), "smtpFromAddress")


@pytest.mark.parametrize("listed", ["lab@acme.example,desk@acme.example", " LAB@Acme.Example , ,desk@acme.example"])
def test_M12_the_approved_senders_are_separated_by_commas(make: Make, listed: str) -> None:
    setup = make(entries(smtpApprovedSenders=listed))

    setup.send(SEND, {**MESSAGE, "from": "Lab <lab@acme.example>"})
    setup.send(SEND, {**MESSAGE, "from": "desk@acme.example"})

    used = [mime(sent.message)["From"].lower() for sent in setup.relayed]
    assert used == ["lab <lab@acme.example>", "desk@acme.example"]


def test_M13_an_unapproved_from_becomes_the_default_and_the_answer_says_so(setup: SeedSetup) -> None:
    answer = setup.send(SEND, {**MESSAGE, "from": "boss@elsewhere.example"})

    facts = {each["url"]: each["valueString"] for each in answer.body["extension"]}
    assert setup.received["From"] == "Acme <hello@acme.example>"
    assert (answer.status, facts["urn:project-smtp:from-reason"]) == (200, "not-approved")


def test_M14_the_servers_approved_senders_are_for_the_server_transport_only(setup: SeedSetup, make: Make) -> None:
    asked = {**MESSAGE, "from": "support@platform.example"}
    plain = make(None)

    setup.send(SEND, asked)
    plain.send(SEND, asked)

    assert setup.received["From"] == "Acme <hello@acme.example>"
    assert mime(plain.service.server.requests[0])["From"] == "support@platform.example"


@pytest.mark.parametrize("name", ["smtpPort", "smtpUsername", "smtpPassword", "smtpFromAddress"])
@pytest.mark.parametrize("value", [None, "", "\u0000"])
def test_M15_a_missing_or_invalid_entry_fails_the_send_without_a_fallback(
    make: Make, name: str, value: str | None
) -> None:
    setup = make(entries(**{name: value}))

    answer = setup.send(SEND, MESSAGE)

    assert answer.status == 400
    assert answer.body["issue"][0]["details"]["text"] == "Project SMTP configuration is incomplete or invalid"
    assert setup.is_untouched


@pytest.mark.parametrize("type_", SYSTEM)
def test_M16_a_broken_configuration_holds_system_mail_and_does_not_lose_it(make: Make, type_: EventType) -> None:
    setup = make(entries(smtpPassword=None))

    held = setup.announce(type_)
    assert (held.state, setup.is_untouched) == (State.HELD, True)
    asked = len(setup.service.queue.sends)
    setup.keep(entries(), "version-2")
    setup.service.advance(1800)
    setup.service.sweep()
    assert [delivery.id for delivery in setup.service.queue.sends[asked:]] == [held.id]
    setup.service.deliver(held)

    assert setup.service.known(held).state is State.SENT
    assert len(setup.relayed) == 1


def test_M17_a_test_send_shows_the_fault_of_a_changed_configuration(setup: SeedSetup) -> None:
    setup.service.relay.verdict = RelayError(RelayFault.AUTH_REJECTED, AUTH_REJECTED)

    answer = setup.send(SEND, MESSAGE)

    assert answer.status == 400
    assert answer.body["issue"][0]["details"]["text"].startswith("Error sending email: ")
    assert setup.service.server.requests == []


def test_M17_a_change_over_the_api_is_checked_before_it_is_stored(setup: SeedSetup) -> None:
    setup.probe.failure = AUTH_REJECTED
    given = {"entries": {**VALID_ENTRIES, "smtpPassword": "mistyped"}}

    assert setup.configure("put", given).status == 424
    setup.send(SEND, MESSAGE)
    assert setup.relayed[0].version_id == "version-1"


@pytest.mark.parametrize("changes", [{}, {"smtpPort": None}])
def test_M18_if_the_operator_switches_relays_off_every_project_sends_by_the_server(
    make: Make, changes: dict[str, str | None]
) -> None:
    setup = make(entries(**changes), ALLOW_PROJECT_SMTP="false")

    assert setup.send(SEND, MESSAGE).status == 200
    assert setup.announce(EventType.PASSWORD_RESET_REQUESTED).state is State.SENT

    assert len(setup.service.server.requests) == 2
    assert (setup.service.relay.sends, setup.service.secrets.reads) == ([], [])


def assert_stopped(setup: SeedSetup, entry: str) -> None:
    """Assert that no message is sent, and that the answer names the entry."""
    answer = setup.send("send.project_relay", MESSAGE)
    assert (answer.status, [problem["entry"] for problem in answer.body["problems"]]) == (400, [entry])
    assert setup.is_untouched


def assert_logs_in(text: str, username: str, password: str) -> None:
    """Assert that the log-in at the relay has exactly these credentials."""
    auth = relay(json.loads(text)).auth
    assert isinstance(auth, PasswordAuth)
    assert (auth.username, auth.password.reveal()) == (username, password)
