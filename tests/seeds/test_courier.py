"""Courier's SMTP integration, row by row: C1 to C13."""

import json
import time
from collections.abc import Callable, Mapping

import pytest
from mailer.api.dialects.courier import translate
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, TlsMode
from mailer.secret.override import read_override
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, RelayError, RelayFault, Verdict
from mailer.smtp.reply import make_reply
from mailer.template.template import Template

from tests.functions.conftest import Lines
from tests.support import canaries
from tests.support.certificates import authority
from tests.support.fault import Fault
from tests.support.fault import Phase as Step
from tests.support.faulty_relay import Relay as FaultyRelay
from tests.support.faulty_relay import Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.projects import settings
from tests.support.seed_setup import Answered, SeedSetup
from tests.support.sending import PATIENT, RELAY_NAME, make_message, send, smtp_transport

type Make = Callable[..., SeedSetup]
SCOPE = {"scope": "email:send email:override-transport"}
STARTTLS: dict[str, object] = {"host": "smtp.yourdomain.example", "port": 587, "secure": False, "requireTLS": True}
AUTH = {"user": "me@customer.example", "pass": "your-password"}


def message(**members: object) -> dict[str, object]:
    content = {"title": "Hello", "body": "Good morning."}
    return {"message": {"to": {"email": "ada@example.net"}, "content": content, **members}}


def overriding(**parts: object) -> dict[str, object]:
    return message(providers={"smtp": {"override": parts}})


def ask(setup: SeedSetup, body: object) -> Answered:
    return setup.send("send.courier", body, claims=SCOPE)


def relay_of(config: Mapping[str, object], policy: RelayPolicy | None = None) -> Relay:
    return read_override(translate(overriding(config=config)).value["transport"], policy or settings().relay_policy)


def test_C1_nodemailers_message_and_transport_options_take_effect(setup: SeedSetup) -> None:
    body = {
        "from": "Me <me@customer.example>",
        "replyTo": "desk@customer.example",
        "priority": "high",
        "headers": {"X-Ward": "7"},
        "html": "<p>Good morning.</p>",
    }

    assert ask(setup, overriding(body=body, config={**STARTTLS, "auth": AUTH})).status == 202

    got = setup.received
    assert [got[name] for name in ("From", "Reply-To", "X-Ward", "Importance")] == [
        "Me <me@customer.example>",
        "desk@customer.example",
        "7",
        "High",
    ]
    assert setup.relayed[0].relay.host == "smtp.yourdomain.example"


def test_C2_tls_and_log_in_come_before_the_message() -> None:
    script = FaultyRelay(tls=Tls.STARTTLS, context=authority().valid(RELAY_NAME), credentials=("me", "right"))
    with HostileRelay(script) as server, smtp_transport() as transport:
        config = {
            "host": RELAY_NAME,
            "port": server.port,
            "requireTLS": True,
            "auth": {"user": "me", "pass": "wrong"},
            "tls": {"ca": authority().pem},
        }
        sent = send(transport, relay_of(config, RelayPolicy(ports=((1, 65535),))), make_message())

    assert [type(verdict) for verdict in sent.attempt.verdicts.values()] == [RelayError]
    assert not {b"MAIL", b"RCPT", b"DATA", b"BDAT"} & set(server.verbs)


def test_C2_a_failed_log_in_is_the_answer(setup: SeedSetup) -> None:
    setup.service.relay.verdict = AUTH_REJECTED

    answer = ask(setup, overriding(config={**STARTTLS, "auth": AUTH}))

    assert (answer.status, answer.body["error"]) == (424, "EAUTH")


def test_C3_the_stored_configuration_is_used_and_an_override_is_for_one_message(setup: SeedSetup) -> None:
    for body in (message(), overriding(config={**STARTTLS, "auth": AUTH}), message()):
        assert ask(setup, body).status == 202

    assert [sent.relay.host for sent in setup.relayed] == [
        "mail.acme.example",
        "smtp.yourdomain.example",
        "mail.acme.example",
    ]


def test_C4_the_recipient_is_to_email_and_is_required(setup: SeedSetup) -> None:
    assert ask(setup, message()).status == 202
    refused = ask(setup, message(to={"user_id": "ada"}))

    assert setup.received["To"] == "ada@example.net"
    assert refused.status == 400
    assert "/message/to/email" in {problem["pointer"] for problem in refused.body["problems"]}


def test_C5_a_template_is_named_and_filled_in(setup: SeedSetup) -> None:
    setup.keep_template("WELCOME", Template(subject="Welcome, {name}", text="Good morning, {name}."))

    answer = ask(
        setup, {"message": {"to": {"email": "ada@example.net"}, "template": "WELCOME", "data": {"name": "Ada"}}}
    )

    assert (answer.status, setup.received["Subject"]) == (202, "Welcome, Ada")


def test_C6_the_override_of_the_body_replaces_parts_of_the_message(setup: SeedSetup) -> None:
    attachment = {
        "filename": "document.pdf",
        "content": "aGVsbG8gd29ybGQh",
        "encoding": "base64",
        "contentType": "application/pdf",
    }

    ask(setup, overriding(body={"attachments": [attachment], "cc": "bob@example.net"}))

    got = setup.received
    [attached] = got.iter_attachments()
    assert (got["Subject"], got["Cc"]) == ("Hello", "bob@example.net")
    assert (attached.get_filename(), attached.get_content()) == ("document.pdf", b"hello world!")


@pytest.mark.parametrize(
    "body",
    [
        {"envelope": {"to": "x@y.example"}},
        {"raw": "From: x"},
        {"alternatives": []},
        {"icalEvent": {"content": "BEGIN:VCALENDAR"}},
        {"dsn": {"notify": "never"}},
        {"attachments": [{"path": "https://169.254.169.254/"}]},
        {"attachments": [{"href": "https://169.254.169.254/"}]},
    ],
)
def test_C6_an_option_that_bypasses_the_rules_is_refused_by_name(setup: SeedSetup, body: dict[str, object]) -> None:
    answer = ask(setup, overriding(body=body))

    assert answer.status == 400
    assert "option-not-supported" in {problem["code"] for problem in answer.body["problems"]}
    assert setup.is_untouched


def test_C7_the_override_is_the_whole_transport_with_its_own_log_in(setup: SeedSetup) -> None:
    config = {
        "auth": {"user": "username", "pass": "hunter2"},
        "host": "smtp.example.com",
        "secure": True,
        "port": 465,
    }

    ask(setup, overriding(config=config, body={"from": "me@customer.example"}))

    used = setup.relayed[0].relay
    assert isinstance(used.auth, PasswordAuth)
    assert (used.host, used.port, used.tls) == ("smtp.example.com", 465, TlsMode.IMPLICIT)
    assert (used.auth.username, used.auth.password.reveal()) == ("username", "hunter2")


def test_C7_an_override_of_the_host_alone_gets_no_stored_password(setup: SeedSetup) -> None:
    ask(setup, overriding(config=STARTTLS, body={"from": "me@customer.example"}))

    assert isinstance(setup.relayed[0].relay.auth, NoAuth)


@pytest.mark.parametrize("config", [{"auth": AUTH}, {"port": 465}, {"secure": True}, {"host": "smtp.example.com"}])
def test_C7_an_incomplete_transport_is_refused_and_never_completed(setup: SeedSetup, config: dict[str, object]) -> None:
    assert ask(setup, overriding(config=config)).status == 400
    assert setup.is_untouched


def test_C7_an_override_requires_its_scope(setup: SeedSetup) -> None:
    assert setup.send("send.courier", overriding(config={**STARTTLS, "auth": AUTH})).status == 403
    assert setup.is_untouched


def test_C8_each_named_option_is_used_in_its_unit() -> None:
    found = relay_of(
        {
            **STARTTLS,
            "auth": AUTH,
            "tls": {"ca": authority().pem, "rejectUnauthorized": True},
            "connectionTimeout": 2500,
            "socketTimeout": 8000,
        }
    )

    assert (found.port, found.tls) == (587, TlsMode.STARTTLS)
    assert (found.connection_timeout, found.socket_timeout) == (2.5, 8.0)
    assert found.ca_certificate is not None


@pytest.mark.parametrize("option", ["proxy", "service", "pool", "ignoreTLS", "dkim", "localAddress"])
def test_C8_other_options_are_refused_by_name(setup: SeedSetup, option: str) -> None:
    answer = ask(setup, overriding(config={**STARTTLS, "auth": AUTH, option: True}))

    places = {problem["pointer"] for problem in answer.body["problems"]}
    assert (answer.status, places) == (400, {f"/message/providers/smtp/override/config/{option}"})


@pytest.mark.parametrize(
    ("config", "tls"),
    [
        pytest.param({**STARTTLS, "host": "smtp.office365.com"}, TlsMode.STARTTLS, id="office-365"),
        pytest.param(
            {**STARTTLS, "host": "mail.yourdomain.com", "auth": {"user": "domain\\username", "pass": "p"}},
            TlsMode.STARTTLS,
            id="exchange",
        ),
        pytest.param({**STARTTLS, "host": "smtp.gmail.com"}, TlsMode.STARTTLS, id="gmail"),
        pytest.param({**STARTTLS, "host": "smtp.yourdomain.com"}, TlsMode.STARTTLS, id="starttls"),
        pytest.param({"host": "smtp.yourdomain.com", "port": 465, "secure": True}, TlsMode.IMPLICIT, id="implicit-tls"),
    ],
)
def test_C9_each_documented_configuration_sends(setup: SeedSetup, config: dict[str, object], tls: TlsMode) -> None:
    whole = {"auth": AUTH, **config}

    answer = ask(setup, overriding(config=whole, body={"from": "me@customer.example"}))

    used = setup.relayed[0].relay
    assert (answer.status, used.host, used.tls) == (202, config["host"], tls)
    assert isinstance(used.auth, PasswordAuth)
    assert {"user": used.auth.username, "pass": used.auth.password.reveal()} == whole["auth"]


AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no")))
REJECTED = Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "5.7.1 no")))


@pytest.mark.parametrize(
    ("verdict", "name"),
    [
        (Deferred(Failure(Phase.CONNECT, Cause.TIMEOUT)), "ETIMEDOUT"),
        (Deferred(Failure(Phase.GREETING, Cause.REPLY, make_reply(421, "4.3.2 busy"))), None),
        (Deferred(Failure(Phase.CONNECT, Cause.REFUSED)), "ECONNECTION"),
        (Deferred(Failure(Phase.RESOLVE, Cause.NAME_NOT_FOUND)), "EDNS"),
    ],
)
def test_C10_after_a_timeout_or_a_refused_connection_the_client_repeats(
    setup: SeedSetup, verdict: Verdict, name: str | None
) -> None:
    setup.service.relay.verdict = verdict

    answer = ask(setup, overriding(config={**STARTTLS, "auth": AUTH}))

    assert (answer.status, answer.body["retryable"], answer.headers["X-Should-Retry"]) == (503, True, "true")
    assert int(answer.headers["Retry-After"]) > 0
    assert name in (None, answer.body["error"])


@pytest.mark.parametrize(("verdict", "name"), [(AUTH_REJECTED, "EAUTH"), (REJECTED, "EMESSAGE")])
def test_C11_after_refused_credentials_or_a_refused_message_the_client_does_not_repeat(
    setup: SeedSetup, verdict: Verdict, name: str
) -> None:
    setup.service.relay.verdict = verdict

    answer = ask(setup, overriding(config={**STARTTLS, "auth": AUTH}))

    assert (answer.body["error"], answer.headers["X-Should-Retry"]) == (name, "false")
    assert 400 <= answer.status < 500


@pytest.mark.parametrize("wrong", [{"host": "no host"}, {"host": "10.0.0.1"}, {"port": 0}, {"port": 22}])
def test_C11_an_unusable_host_or_port_is_refused_permanently(setup: SeedSetup, wrong: dict[str, object]) -> None:
    answer = ask(setup, overriding(config={**STARTTLS, "auth": AUTH, **wrong}))

    assert (answer.status, answer.headers["X-Should-Retry"]) == (400, "false")
    assert setup.is_untouched


def test_C12_credentials_are_in_no_log_and_no_answer(setup: SeedSetup, lines: Lines) -> None:
    config = {**STARTTLS, "auth": {"user": "me@customer.example", "pass": canaries.PASSWORD}}

    answer = ask(setup, overriding(config=config))

    [line] = lines.read()
    assert line["project_id"] == "acme"
    assert canaries.found_in(json.dumps(answer.body) + lines.stream.getvalue()) == []


@pytest.mark.parametrize("tls", [{"rejectUnauthorized": False}, {"minVersion": "TLSv1"}])
def test_C12_certificate_verification_cannot_be_disabled(setup: SeedSetup, tls: dict[str, object]) -> None:
    assert ask(setup, overriding(config={**STARTTLS, "auth": AUTH, "tls": tls})).status == 400


def test_C12_a_relay_on_premises_needs_the_operators_permission() -> None:
    allowing = settings(ALLOWED_RELAY_CIDRS="10.1.0.0/16").relay_policy

    assert (settings().relay_policy.allows_address("10.1.2.3"), allowing.allows_address("10.1.2.3")) == (False, True)


TROUBLES = [
    (Failure(Phase.CONNECT, Cause.TIMEOUT), "connects"),
    (Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no")), "authenticates"),
    (Failure(Phase.STARTTLS, Cause.STARTTLS_NOT_OFFERED), "tls"),
    (Failure(Phase.TLS, Cause.CERTIFICATE_UNTRUSTED), "certificate"),
]


def test_C13_each_failure_has_its_own_reason_and_remedy(setup: SeedSetup) -> None:
    diagnoses = set()
    for failure, name in TROUBLES:
        setup.probe.failure = failure
        checks = setup.configure("validate_stored").body["checks"]
        [failed] = [check for check in checks if check["status"] == "failed"]
        assert failed["name"] == name
        diagnoses.add((failed["reason"], failed["remedy"]))

    assert len(diagnoses) == len(TROUBLES)


def test_C13_a_silent_relay_times_out_after_the_timeout_of_the_request() -> None:
    script = FaultyRelay(tls=Tls.STARTTLS, faults={Step.BANNER: Fault.HANG})
    with HostileRelay(script) as server, smtp_transport() as transport:
        config = {**STARTTLS, "host": RELAY_NAME, "port": server.port, "auth": AUTH, "connectionTimeout": 1000}
        began = time.monotonic()
        failure = transport.probe(
            relay_of(config, RelayPolicy(ports=((1, 65535),))),
            envelope_sender="me@customer.example",
            recipient="me@customer.example",
            deadline=began + PATIENT,
        )

    assert isinstance(failure, Failure)
    assert (failure.phase, failure.cause) == (Phase.GREETING, Cause.TIMEOUT)
    assert 1.0 <= time.monotonic() - began < PATIENT
