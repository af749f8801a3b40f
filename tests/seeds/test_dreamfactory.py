"""DreamFactory's requests and answers: D1, D8 to D14, D17 and D20. test_dreamfactory_settings.py has the other rows."""

import base64
from collections.abc import Callable

import pytest
from mailer.smtp.outcome import (
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Verdict,
)
from mailer.smtp.reply import make_reply
from mailer.template.template import Template
from mailer.token import Principal

from functions.authorize.app import create_handler as create_authorizer
from tests import fakes
from tests.support.projects import ACME, entries
from tests.support.seed_setup import SeedSetup

type Make = Callable[..., SeedSetup]
SEND = "send.dreamfactory"
MESSAGE: dict[str, object] = {
    "to": [{"email": "recipient@example.com", "name": "John Doe"}],
    "subject": "Test Email",
    "body_text": "This is a test email.",
}


class NoLog:
    """Keeps nothing."""

    def info(self, msg: str, *, reason: str) -> None:
        pass


def authorized(headers: dict[str, str]) -> bool:
    """Tell whether the gateway's authorizer accepts this request."""
    principal = Principal(ACME, frozenset({"email:send"}), "client")
    handler = create_authorizer(verifier=fakes.FakeTokenVerifier({"key": principal}), log=NoLog())
    return handler({"routeKey": "POST /api/v2/{service}", "headers": headers}, None)["isAuthorized"]


def with_(**fields: object) -> dict[str, object]:
    return {**MESSAGE, **fields}


def test_D1_a_project_has_one_service_with_the_documented_name(setup: SeedSetup) -> None:
    assert setup.send(SEND, MESSAGE, service="email").status == 200
    assert setup.send(SEND, MESSAGE, service="marketing").status == 404


def test_D8_the_route_accepts_json_and_the_key_in_its_own_header(setup: SeedSetup) -> None:
    assert authorized({"x-dreamfactory-api-key": "key"})
    assert setup.send(SEND, MESSAGE).status == 200


def test_D8_xml_is_refused(setup: SeedSetup) -> None:
    answer = setup.send(SEND, "<to>a@b.example</to>", headers={"content-type": "application/xml"})

    assert 400 <= answer.status < 500
    assert setup.is_untouched


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
def test_D9_each_field_accepts_recipients_in_each_shape(setup: SeedSetup, field: str, address: object) -> None:
    answer = setup.send(SEND, with_(**{field: address}))

    count = (len(address) if isinstance(address, list) else 1) + (field != "to")
    assert (answer.status, answer.body) == (200, {"count": count})
    assert len(setup.relayed[0].message.recipients) == count
    assert setup.received["Bcc"] is None


def test_D9_to_is_required(setup: SeedSetup) -> None:
    assert setup.send(SEND, {"subject": "x", "body_text": "y", "cc": "a@b.example"}).status == 400


@pytest.mark.parametrize(
    ("bodies", "kinds"),
    [
        ({"body_text": "Plain"}, {"text/plain"}),
        ({"body_html": "<p>Rich</p>"}, {"text/html"}),
        ({"body_text": "Plain", "body_html": "<p>Rich</p>"}, {"text/plain", "text/html"}),
    ],
)
def test_D10_the_body_is_text_html_or_both(setup: SeedSetup, bodies: dict[str, object], kinds: set[str]) -> None:
    setup.send(SEND, {"to": "ada@example.net", "subject": "Ünïcode", **bodies})

    leaves = {part.get_content_type() for part in setup.received.walk() if not part.is_multipart()}
    assert (setup.received["Subject"], kinds <= leaves) == ("Ünïcode", True)


def test_D11_a_requests_sender_and_reply_to_replace_the_defaults(make: Make) -> None:
    setup = make(entries(smtpReplyTo="help@acme.example"))
    fields = {
        "from_name": "Support Team",
        "from_email": "support@acme.example",
        "reply_to_email": "desk@acme.example",
        "reply_to_name": "Desk",
    }

    setup.send(SEND, with_(**fields))

    assert (setup.received["From"], setup.received["Reply-To"]) == (
        "Support Team <support@acme.example>",
        "Desk <desk@acme.example>",
    )


def test_D11_an_unapproved_sender_becomes_the_default(setup: SeedSetup) -> None:
    setup.send(SEND, with_(from_name="Boss", from_email="boss@elsewhere.example"))

    assert "hello@acme.example" in setup.received["From"]


def test_D12_the_content_of_an_attachment_arrives_unchanged(setup: SeedSetup) -> None:
    octets = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    attachment = {
        "name": "invoice-2026-001.pdf",
        "content": base64.b64encode(octets).decode(),
        "content_type": "application/pdf",
    }

    setup.send(SEND, with_(attachments=[attachment]))

    [attached] = setup.received.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type(), attached.get_content()) == (
        "invoice-2026-001.pdf",
        "application/pdf",
        octets,
    )


@pytest.mark.parametrize(
    "reference", [{"import_url": "http://127.0.0.1/"}, {"service": "files", "path": "/etc/passwd"}]
)
def test_D12_an_attachment_is_never_fetched(setup: SeedSetup, reference: dict[str, object]) -> None:
    answer = setup.send(SEND, with_(attachments=[{"name": "a", **reference}]))

    codes = {problem["code"] for problem in answer.body["error"]["context"]["problems"]}
    assert answer.status == 400
    assert "option-not-supported" in codes
    assert setup.is_untouched


WELCOME = {
    "to": "user@example.com",
    "subject": "Welcome, {first_name}!",
    "body_html": "<h1>Welcome to {company_name}</h1><p>Hello {first_name},</p>",
    "body_text": "Welcome to {company_name}\n\nHello {first_name},",
}


def test_D13_placeholders_work_everywhere_and_are_escaped_in_html(setup: SeedSetup) -> None:
    setup.send(SEND, {**WELCOME, "template_data": {"first_name": "John", "company_name": "Fish & <Chips>"}})

    text, html = (setup.received.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert setup.received["Subject"] == "Welcome, John!"
    assert text.get_content().splitlines() == ["Welcome to Fish & <Chips>", "", "Hello John,"]
    assert html.get_content().startswith("<h1>Welcome to Fish &amp; &lt;Chips&gt;</h1><p>Hello John,</p>")


def test_D13_a_placeholder_without_a_value_is_an_error(setup: SeedSetup) -> None:
    answer = setup.send(SEND, {**WELCOME, "template_data": {"first_name": "John"}})

    assert answer.status == 400
    assert answer.body["error"]["context"]["problems"][0]["pointer"] == "/template_data/company_name"


def test_D13_placeholders_in_values_and_server_look_ups_are_not_replaced(setup: SeedSetup) -> None:
    body = {"to": "ada@example.net", "subject": "{a}", "body_text": "{smtpPassword}", "template_data": {"a": "{b}"}}

    refused = setup.send(SEND, body)
    setup.send(SEND, {**body, "body_text": "Hi"})

    assert refused.status == 400
    assert setup.received["Subject"] == "{b}"


@pytest.mark.parametrize("how", ["body", "query"])
def test_D13_a_stored_template_is_named_in_the_body_or_the_query(setup: SeedSetup, how: str) -> None:
    setup.keep_template("welcome", Template(subject="Hi {name}", text="From {shop}", defaults={"shop": "Acme"}))
    body: dict[str, object] = {"to": "ada@example.net", "template_data": {"name": "Ada"}}

    if how == "body":
        setup.send(SEND, {**body, "template": "welcome"})
    else:
        setup.send(SEND, body, query={"template": "welcome"})

    assert (setup.received["Subject"], setup.received.get_content().strip()) == ("Hi Ada", "From Acme")


def test_D13_an_unknown_template_is_404(setup: SeedSetup) -> None:
    assert setup.send(SEND, {"to": "ada@example.net", "template": "missing"}).status == 404


def test_D14_the_answer_counts_the_accepted_copies(setup: SeedSetup) -> None:
    body = with_(to=["ada@example.net", "bob@example.net", "eve@example.net"])
    refused = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 unknown")))
    setup.send(SEND, body)
    ada, bob, eve = setup.relayed[0].message.recipients
    setup.service.relay.attempts = [Attempt({ada: fakes.ACCEPTED, bob: refused, eve: fakes.ACCEPTED})]

    answer = setup.send(SEND, body)

    assert (answer.status, answer.body) == (200, {"count": 2})


TABLE: list[tuple[str, Verdict]] = [
    (
        "Authentication failed",
        RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))),
    ),
    ("Connection refused", Deferred(Failure(Phase.CONNECT, Cause.REFUSED))),
    ("Connection timed out", Deferred(Failure(Phase.CONNECT, Cause.TIMEOUT))),
    ("Certificate error", RelayError(RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_UNTRUSTED))),
]


def test_D17_each_documented_failure_has_its_message_cause_and_remedy(setup: SeedSetup) -> None:
    diagnoses = []
    for message, verdict in TABLE:
        setup.service.relay.verdict = verdict
        answer = setup.send(SEND, MESSAGE)
        context = answer.body["error"]["context"]
        assert (answer.status, answer.body["error"]["message"]) == (500, message)
        diagnoses.append((context["cause"], context["remedy"]))

    assert len({cause for cause, _ in diagnoses}) == len({remedy for _, remedy in diagnoses}) == len(TABLE)


def test_D17_an_invalid_address_is_400_and_a_missing_key_is_refused(setup: SeedSetup) -> None:
    answer = setup.send(SEND, with_(to=[{"email": "no-at-sign"}]))

    assert (answer.status, answer.body["error"]["message"]) == (400, "Bad Request: invalid email format.")
    assert not authorized({})


def test_D20_scopes_senders_and_the_number_of_messages_are_limited(make: Make) -> None:
    setup = make(entries(smtpFromPolicy="reject"), ROLE_LIMITS="marketing=1/day")
    marketing = {"role": "marketing"}

    assert setup.send(SEND, MESSAGE, claims={"scope": "email:read"}).status == 403
    assert setup.send(SEND, with_(from_email="boss@elsewhere.example")).status == 403
    assert [setup.send(SEND, MESSAGE, claims=marketing).status for _ in range(2)] == [200, 429]
    assert setup.send(SEND, MESSAGE, claims={"role": "support"}).status == 200
