# ruff: noqa: E501 -- tables read by row
"""Courier's send API: C2 and C4 to C11, except how an override is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.api.dialects.courier import DIALECT, refuse, show, translate
from mailer.api.dialects.dialect import read_in_dialect
from mailer.api.problems import InternalError
from mailer.errors import (
    Forbidden,
    InvalidRequest,
    KeyInFlight,
    MailerError,
    MessageRejected,
    RecipientsRejected,
    RelayMisconfigured,
    RelayUnreachable,
)
from mailer.problem import Problem
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, TlsMode
from mailer.secret.override import read_override
from mailer.smtp.outcome import Cause, Failure, Phase, RelayFault
from mailer.smtp.reply import make_reply

from tests.support.dialects import body_of, draft_of, problems_of, sent
from tests.support.projects import settings

CONTENT = {"title": "Hello", "body": "Good morning."}
CONFIG = "/message/providers/smtp/override/config"
BODY = "/message/providers/smtp/override/body"


def message(**members: object) -> dict[str, object]:
    return {"message": {"to": {"email": "ada@example.net"}, "content": CONTENT, **members}}


def overriding(**parts: object) -> dict[str, object]:
    return message(providers={"smtp": {"override": parts}})


def test_C4_the_recipient_is_the_email_of_to_and_the_content_title_and_body() -> None:
    draft = draft_of(DIALECT, message())

    assert (*map(str, draft.to), draft.subject, draft.text) == ("ada@example.net", "Hello", "Good morning.")


def test_C4_a_list_of_one_recipient_is_accepted() -> None:
    assert str(*draft_of(DIALECT, message(to=[{"email": "ada@example.net"}])).to) == "ada@example.net"


def test_C5_values_are_in_data_and_the_recipient_s_own_override_them() -> None:
    body = {
        "message": {
            "to": {"email": "a@b.example", "data": {"name": "Ada"}},
            "template": "WELCOME",
            "data": {"name": "-", "city": "Rome"},
        }
    }

    request, _ = read_in_dialect(DIALECT, body)

    assert request.use is not None
    assert (request.use.template, request.use.values) == ("WELCOME", {"name": "Ada", "city": "Rome"})


def test_courier_s_variables_are_placeholders_if_there_is_data() -> None:
    content = {"title": "Hi {{name}}", "body": "Good morning, {{ user.name }}."}

    assert draft_of(DIALECT, message(content=content, data={"name": "x"})).subject == "Hi {name}"
    assert draft_of(DIALECT, message(content=content, data={"name": "x"})).text == "Good morning, {user.name}."
    assert draft_of(DIALECT, message(content=content)).subject == "Hi {{name}}"


def test_C6_the_override_of_the_body_is_merged_over_the_content() -> None:
    attachment = {
        "filename": "document.pdf",
        "content": "aGVsbG8gd29ybGQh",
        "encoding": "base64",
        "contentType": "application/pdf",
    }

    draft = draft_of(
        DIALECT,
        overriding(
            body={
                "subject": "Other",
                "html": "<p>Hi</p>",
                "cc": "c@d.example",
                "replyTo": "r@d.example",
                "headers": {"X-A": "1"},
                "attachments": [attachment],
            }
        ),
    )

    assert (draft.subject, draft.text, draft.html, *map(str, (*draft.cc, *draft.reply_to))) == (
        "Other",
        "Good morning.",
        "<p>Hi</p>",
        "c@d.example",
        "r@d.example",
    )
    assert (draft.headers, draft.attachments[0].content) == ((("X-A", "1"),), b"hello world!")


def test_tags_use_the_rules_of_our_api() -> None:
    assert draft_of(DIALECT, message(metadata={"tags": ["welcome"]})).tags == (("welcome", ""),)


def relay_of(config: dict[str, object]) -> Relay:
    return read_override(translate(overriding(config=config)).value["transport"], settings().relay_policy)


STARTTLS = {"host": "smtp.example.com", "port": 587, "secure": False, "requireTLS": True}


@pytest.mark.parametrize(
    ("config", "tls", "username"),
    [
        ({"auth": {"user": "username", "pass": "hunter2"}, "host": "smtp.example.com", "secure": True, "port": 465}, TlsMode.IMPLICIT, "username"),
        ({**STARTTLS, "host": "smtp.office365.com", "auth": {"user": "me@example.com", "pass": "p"}}, TlsMode.STARTTLS, "me@example.com"),
        ({**STARTTLS, "host": "mail.yourdomain.com", "auth": {"user": "domain\\username", "pass": "p"}}, TlsMode.STARTTLS, "domain\\username"),
        ({**STARTTLS, "host": "smtp.gmail.com", "auth": {"user": "me@gmail.com", "pass": "p"}}, TlsMode.STARTTLS, "me@gmail.com"),
    ],
)  # fmt: skip
def test_C9_each_documented_configuration_is_a_relay(config: dict[str, object], tls: TlsMode, username: str) -> None:
    relay = relay_of(config)

    assert isinstance(relay.auth, PasswordAuth)
    assert (relay.host, relay.port, relay.tls, relay.auth.username) == (config["host"], config["port"], tls, username)


def test_C7_without_auth_no_credentials_are_used() -> None:
    assert isinstance(relay_of(STARTTLS).auth, NoAuth)


def test_C7_incomplete_credentials_are_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        relay_of({**STARTTLS, "auth": {"user": "me"}})
    assert [problem.pointer for problem in caught.value.problems] == ["/transport/password"]


def test_C8_times_are_milliseconds() -> None:
    relay = relay_of({**STARTTLS, "connectionTimeout": 2500, "socketTimeout": 8000})

    assert (relay.connection_timeout, relay.socket_timeout) == (2.5, 8.0)


def test_C8_tls_options_that_do_not_weaken_tls_are_accepted() -> None:
    tls = {"rejectUnauthorized": True, "servername": "smtp.example.com", "minVersion": "TLSv1.2"}

    assert relay_of({**STARTTLS, "tls": tls}).tls is TlsMode.STARTTLS


@pytest.mark.parametrize(("user", "sender"), [("me@example.com", "me@example.com"), ("domain\\username", None)])
def test_C7_a_user_name_that_is_an_address_is_the_default_from(user: str, sender: str | None) -> None:
    config = {**STARTTLS, "auth": {"user": user, "pass": "p"}}

    assert translate(overriding(config=config)).value.get("from") == sender
    assert translate(overriding(config=config, body={"from": "a@b.example"})).value["from"] == "a@b.example"


@pytest.mark.parametrize(
    ("config", "place", "code"),
    [
        ({"tls": {"rejectUnauthorized": False}}, "/tls/rejectUnauthorized", "option-not-supported"),
        ({"tls": {"rejectUnauthorized": 1}}, "/tls/rejectUnauthorized", "option-not-supported"),
        ({"tls": {"servername": "other.example.com"}}, "/tls/servername", "option-not-supported"),
        ({"tls": {"minVersion": "TLSv1"}}, "/tls/minVersion", "option-not-supported"),
        ({"tls": {"ciphers": "NULL"}}, "/tls/ciphers", "option-not-supported"),
        ({"tls": True}, "/tls", "wrong-type"),
        ({"ignoreTLS": True}, "/ignoreTLS", "option-not-supported"),
        ({"proxy": "http://127.0.0.1:3128"}, "/proxy", "option-not-supported"),
        ({"service": "gmail"}, "/service", "option-not-supported"),
        ({"auth": {"type": "OAuth2", "user": "a", "pass": "b"}}, "/auth/type", "option-not-supported"),
        ({"auth": {"user": "a", "clientId": "b"}}, "/auth/clientId", "option-not-supported"),
        ({"connectionTimeout": 0}, "/connectionTimeout", "wrong-type"),
        ({"connectionTimeout": 10**400}, "/connectionTimeout", "wrong-type"),
        ({"socketTimeout": True}, "/socketTimeout", "wrong-type"),
        ({"colour": "red"}, "/colour", "unknown-field"),
    ],
)  # fmt: skip
def test_C7_options_that_weaken_tls_or_have_no_effect_are_refused_by_name(
    config: dict[str, object], place: str, code: str
) -> None:
    assert problems_of(DIALECT, overriding(config={**STARTTLS, **config}))[f"{CONFIG}{place}"] == code


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/message", "required"),
        ({"message": []}, "/message", "required"),
        (message(to=None), "/message/to/email", "required"),
        (message(to={}), "/message/to/email", "required"),
        (message(to={"email": "no-at-sign"}), "/message/to/email", "address-malformed"),
        (message(to={"email": "a@b.example", "user_id": "7"}), "/message/to/user_id", "option-not-supported"),
        (message(to={"list_id": "all"}), "/message/to/list_id", "option-not-supported"),
        (message(to=[{"email": "a@b.example"}, {"email": "c@d.example"}]), "/message/to", "too-many-recipients"),
        (message(to={"email": "a@b.example", "data": 7}), "/message/to/data", "wrong-type"),
        (message(content=None), "/message/content/title", "required"),
        (message(content={"title": "Hello"}), "/message/content/body", "required"),
        (message(content={"version": "2022-01-01", "elements": []}), "/message/content/elements", "option-not-supported"),
        (message(routing={"method": "single", "channels": ["sms"]}), "/message/routing/channels", "option-not-supported"),
        (message(routing={"method": "best", "channels": ["email"]}), "/message/routing/method", "unknown-value"),
        (message(timeout={"provider": {"smtp": 1}}), "/message/timeout", "option-not-supported"),
        (message(delay={"duration": 1}), "/message/delay", "option-not-supported"),
        (message(providers={"sendgrid": {}}), "/message/providers/sendgrid", "option-not-supported"),
        (message(providers={"smtp": {"timeouts": 3}}), "/message/providers/smtp/timeouts", "option-not-supported"),
        (message(providers={"smtp": {"override": {"headers": {}}}}), "/message/providers/smtp/override/headers", "unknown-field"),
        (message(metadata={"tags": [7]}), "/message/metadata/tags/0", "wrong-type"),
        (message(metadata={"trace_id": "x"}), "/message/metadata/trace_id", "option-not-supported"),
        (overriding(body={"raw": "From: x"}), f"{BODY}/raw", "option-not-supported"),
        (overriding(body={"envelope": {"to": "x@y.example"}}), f"{BODY}/envelope", "option-not-supported"),
        (overriding(body={"attachments": [{"path": "/etc/passwd"}]}), f"{BODY}/attachments/0/path", "option-not-supported"),
        (overriding(body={"html": "x", "headers": {"X-SES-A": "1"}}), f"{BODY}/headers/X-SES-A", "header-not-allowed"),
        (overriding(body={"subject": "a\nb"}), f"{BODY}/subject", "control-character"),
    ],
)  # fmt: skip
def test_each_problem_points_into_the_caller_s_request(body: object, pointer: str, code: str) -> None:
    assert problems_of(DIALECT, body)[pointer] == code


def test_the_answer_has_the_id_of_the_request() -> None:
    answer = show(sent("m1", "sent", 1))

    assert (answer.status, body_of(answer)) == (202, {"requestId": "m1"})


def failed(phase: Phase, cause: Cause) -> Failure:
    return Failure(phase, cause, make_reply(550, "no") if cause is Cause.REPLY else None)


@pytest.mark.parametrize(
    ("error", "status", "type_", "name", "retries"),
    [
        (RelayUnreachable(failed(Phase.CONNECT, Cause.TIMEOUT), "-"), 503, "provider_error", "ETIMEDOUT", "true"),
        (RelayUnreachable(failed(Phase.CONNECT, Cause.REFUSED), "-"), 503, "provider_error", "ECONNECTION", "true"),
        (RelayUnreachable(failed(Phase.RESOLVE, Cause.NAME_NOT_FOUND), "-"), 503, "provider_error", "EDNS", "true"),
        (RelayMisconfigured(RelayFault.AUTH_REJECTED, failed(Phase.AUTH, Cause.REPLY), "-"), 424, "provider_error", "EAUTH", "false"),
        (RelayMisconfigured(RelayFault.TLS_FAILED, failed(Phase.TLS, Cause.CERTIFICATE_UNTRUSTED), "-"), 424, "provider_error", "ETLS", "false"),
        (RelayMisconfigured(RelayFault.HOST_BLOCKED, failed(Phase.RESOLVE, Cause.HOST_BLOCKED), "-"), 424, "provider_error", "ECONFIG", "false"),
        (RecipientsRejected(failed(Phase.RCPT, Cause.REPLY)), 422, "invalid_request_error", "EENVELOPE", "false"),
        (MessageRejected(failed(Phase.FINAL, Cause.REPLY), "-"), 422, "invalid_request_error", "EMESSAGE", "false"),
    ],
)  # fmt: skip
def test_C10_C11_an_error_has_nodemailer_s_name_and_whether_to_repeat(
    error: MailerError, status: int, type_: str, name: str, retries: str
) -> None:
    answer = refuse(error)
    body = body_of(answer)

    assert (answer.status, body["type"], body["error"], answer.headers["X-Should-Retry"]) == (
        status,
        type_,
        name,
        retries,
    )


@pytest.mark.parametrize(
    ("error", "type_"), [(Forbidden("-"), "authorization_error"), (KeyInFlight(), "idempotency_error")]
)
def test_other_errors_have_a_type(error: MailerError, type_: str) -> None:
    assert body_of(refuse(error))["type"] == type_


def test_an_invalid_request_s_message_names_the_place() -> None:
    error = InvalidRequest(Problem("required", "Give it.", pointer="/message/to/email"))

    assert body_of(refuse(error))["message"] == "/message/to/email: Give it."


def test_the_client_does_not_repeat_a_message_that_may_have_been_sent() -> None:
    assert refuse(InternalError(), "request-1").headers["X-Should-Retry"] == "false"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ("to", "email", "data", "smtp", "override", "body", "config", "auth", "tls", "content", "title")
            ),
            each,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(
        st.sampled_from(("to", "content", "data", "providers", "routing", "metadata", "template")), _JSON, max_size=5
    )
)
def test_every_message_is_read_or_has_problems(members: dict[str, object]) -> None:
    problems_of(DIALECT, {"message": members})
