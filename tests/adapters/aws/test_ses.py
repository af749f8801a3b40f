"""The server transport: the requests to SES, and the verdict for each answer and failure."""

import base64
import logging
import socket
import ssl
import threading
import time
from copy import replace
from email import message_from_bytes

import pytest
import trustme
from mailer.message.address import parse_address
from mailer.message.message import Message
from mailer.smtp.outcome import (
    Accepted,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    Unknown,
    Verdict,
)

from tests.adapters.conftest import Aws
from tests.support.fake_aws import Answer, Behaviour, Close, FakeAws, Hang, Request, Reset, refusal, success
from tests.support.ses_stage import ACCEPTED, ANN, BOB, SENDER, Stage, always, make_message

# -- what SES receives ------------------------------------------------------------------------------------------------


def test_the_message_is_sent_raw_and_octet_for_octet() -> None:
    message = make_message(body=b"." * 990 + b"\r\n" + bytes(range(32, 127)) + b"\r\n")
    with always(ACCEPTED) as fake:
        Stage(fake.url).send(message)

        content = fake.requests[0].json()["Content"]

    assert isinstance(content, dict)
    assert base64.b64decode(content["Raw"]["Data"]) == message.as_bytes()


def test_the_envelope_is_the_explicit_destination_and_nothing_else_is_set() -> None:
    with always(ACCEPTED) as fake:
        Stage(fake.url).send()

        request = fake.requests[0].json()

    assert request["Destination"] == {"ToAddresses": ["ann@example.com", "bob@example.net"]}
    assert set(request) == {"Destination", "Content"}


def test_the_configuration_set_is_named_if_the_operator_has_one() -> None:
    with always(ACCEPTED) as fake:
        Stage(fake.url, configuration_set_name="platform").send()

        assert fake.requests[0].json()["ConfigurationSetName"] == "platform"


def test_tags_are_reduced_to_the_characters_that_ses_accepts() -> None:
    message = replace(make_message(), tags=(("order", "4711"), ("weekly", ""), ("shop", "Fish & Chips, é")))
    with always(ACCEPTED) as fake:
        Stage(fake.url).send(message)

        assert fake.requests[0].json()["EmailTags"] == [
            {"Name": "order", "Value": "4711"},
            {"Name": "weekly", "Value": "true"},
            {"Name": "shop", "Value": "Fish___Chips___"},
        ]


def test_a_large_message_arrives_whole() -> None:
    message = make_message(body=b"0123456789abcde\r\n" * 100_000)
    with always(ACCEPTED) as fake:
        attempt = Stage(fake.url).send(message)
        content = fake.requests[0].json()["Content"]

    assert isinstance(content, dict)
    assert base64.b64decode(content["Raw"]["Data"]) == message.as_bytes()
    assert isinstance(attempt.verdicts[ANN], Accepted)


def test_moto_receives_the_message_with_its_own_from(aws: Aws) -> None:
    aws.ses.create_email_identity(EmailIdentity=str(SENDER))

    attempt = Stage(aws.url).send()

    assert isinstance(attempt.verdicts[BOB], Accepted)
    assert attempt.reference


def test_moto_delivers_no_message_of_an_unverified_identity(aws: Aws) -> None:
    octets = b"From: a@unverified.example\r\nTo: ann@example.com\r\nSubject: Hi\r\n\r\nHello.\r\n"
    message = Message("<1@u.example>", parse_address("a@unverified.example"), (ANN,), (octets,), len(octets))

    assert isinstance(Stage(aws.url).send(message).verdicts[ANN], RelayError)


# -- what its answers mean --------------------------------------------------------------------------------------------


def test_an_accepted_message_has_the_service_s_reference() -> None:
    with always(ACCEPTED) as fake:
        attempt = Stage(fake.url).send()

    verdict = attempt.verdicts[ANN]
    assert isinstance(verdict, Accepted)
    assert (verdict.reply.code, attempt.reference) == (250, "0100018c-message")


def test_missing_credentials_are_the_operator_s_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with always(ACCEPTED) as fake:
        verdict = Stage(fake.url).verdict()

        assert fake.requests == []
    assert isinstance(verdict, RelayError)


# -- what its failures mean -------------------------------------------------------------------------------------------


def test_nf12_a_read_timeout_is_one_request_and_unknown() -> None:
    with always(Hang()) as fake:
        verdict = Stage(fake.url).verdict(seconds=3.2)

        assert len(fake.requests) == 1
    assert isinstance(verdict, Unknown)
    assert (verdict.failure.phase, verdict.failure.cause) == (Phase.FINAL, Cause.TIMEOUT)


def test_nf12_the_wait_for_an_answer_ends_with_the_attempt_s_deadline() -> None:
    with always(Hang()) as fake:
        stage = Stage(fake.url)
        stage.session.ses()
        begun = time.monotonic()
        stage.send(seconds=3.2)

        assert 1.0 < time.monotonic() - begun < 10.0


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Reset(), id="NF13-reset"),
        pytest.param(Close(), id="NF13-closed"),
        pytest.param(Answer(500, b"oops"), id="NF13-500"),
        pytest.param(refusal("InternalServiceErrorException", status=500), id="NF13-500-named"),
        pytest.param(Answer(503, b"<html>busy</html>"), id="NF13-503"),
        pytest.param(Answer(502, b""), id="NF13-502"),
        pytest.param(Answer(200, b'{"MessageId": "0100'), id="NF13-broken-json"),
        pytest.param(Answer(200, ACCEPTED.body, cut_after=15), id="NF13-truncated"),
        pytest.param(Answer(200, b"[]"), id="NF13-list"),
        pytest.param(Answer(200, b"null"), id="NF13-null"),
        pytest.param(Answer(200, b"\xff\xfe"), id="NF13-not-text"),
        pytest.param(success(), id="NF13-no-id"),
        pytest.param(Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), id="NF13-redirect"),
        pytest.param(Answer(200, b"{}", {"Content-Length": "nonsense"}, keep_alive=False), id="NF13-bad-length"),
    ],
)
def test_a_connection_lost_after_the_last_octet_is_unknown_after_one_request(behaviour: Behaviour) -> None:
    with always(behaviour) as fake:
        verdict = Stage(fake.url).verdict()

        assert len(fake.requests) == 1
    assert isinstance(verdict, Unknown)
    assert verdict.failure.phase is Phase.FINAL


def test_nf13_a_closed_port_is_deferred() -> None:
    with always(ACCEPTED) as fake:
        url = fake.url

    verdict = Stage(url).verdict()

    assert isinstance(verdict, Deferred)
    assert (verdict.failure.phase, verdict.failure.cause) == (Phase.CONNECT, Cause.REFUSED)


def test_nf13_an_unknown_name_is_deferred() -> None:
    assert isinstance(Stage("http://ses.invalid").verdict(), Deferred)


@pytest.mark.parametrize("reaction", [pytest.param(Reset(), id="NF13-reset"), pytest.param(Close(), id="NF13-closed")])
def test_a_connection_lost_before_the_last_octet_is_deferred(reaction: Behaviour) -> None:
    large = make_message(body=b"0123456789abcde\r\n" * 1_000_000)
    with FakeAws(lambda _request: ACCEPTED, on_connect=lambda _number: reaction) as fake:
        verdict = Stage(fake.url).send(large).verdicts[ANN]

        assert fake.requests == []
    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.CONNECTION_LOST


def test_nf13_a_server_that_stops_reading_is_deferred() -> None:
    large = make_message(body=b"0123456789abcde\r\n" * 1_000_000)
    with FakeAws(lambda _request: ACCEPTED, on_connect=lambda _number: Hang()) as fake:
        verdict = Stage(fake.url).send(large, seconds=3.2).verdicts[ANN]

    assert isinstance(verdict, Deferred)


def test_nf13_an_untrusted_certificate_is_deferred() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def shake_hands_once() -> None:
        connection, _ = listener.accept()
        with connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    server = threading.Thread(target=shake_hands_once)
    server.start()
    verdict = Stage(f"https://localhost:{listener.getsockname()[1]}").verdict()
    server.join(timeout=5)
    listener.close()

    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.TLS_HANDSHAKE_FAILED


def test_a_mark_that_takes_too_long_stops_the_request() -> None:
    with always(ACCEPTED) as fake:
        stage = Stage(fake.url)
        message = make_message()
        attempt = stage.transport.send(
            message, deadline=stage.clock() + 24.0, before_end=lambda: stage.clock.advance(22.0)
        )

        assert fake.connections == 0
    expected = Deferred(Failure(Phase.CONNECT, Cause.TOO_LITTLE_TIME))
    assert attempt.verdicts == dict.fromkeys(message.recipients, expected)


def test_too_little_time_makes_no_request() -> None:
    with always(ACCEPTED) as fake:
        verdict = Stage(fake.url).verdict(seconds=2.9)

        assert fake.connections == 0
    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.TOO_LITTLE_TIME


# -- connections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("idle", "connections"), [(5.0, 1), (5.1, 2)])
def test_nf13_a_connection_idle_for_more_than_five_seconds_is_not_used_again(idle: float, connections: int) -> None:
    with always(ACCEPTED) as fake:
        stage = Stage(fake.url)
        stage.send()
        stage.clock.advance(idle)
        stage.send()

        assert (len(fake.requests), fake.connections) == (2, connections)


def test_nf13_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    with always(Answer(body=ACCEPTED.body, keep_alive=False, headers={"Connection": "keep-alive"})) as fake:
        stage = Stage(fake.url)
        stage.send()
        fake.await_end_of_a_connection()
        stage.send()

        assert (len(fake.requests), fake.connections) == (2, 2)


def test_the_last_octet_of_a_second_send_is_observed_too() -> None:
    behaviours: list[Behaviour] = [ACCEPTED, Reset()]
    with FakeAws(lambda _request: behaviours.pop(0)) as fake:
        stage = Stage(fake.url)
        stage.send()

        assert isinstance(stage.verdict(), Unknown)


def test_concurrent_sends_have_their_own_verdicts() -> None:
    both_have_asked = threading.Barrier(2, timeout=10)

    def behave(request: Request) -> Behaviour:
        both_have_asked.wait()
        content = request.json()["Content"]
        assert isinstance(content, dict)
        subject = message_from_bytes(base64.b64decode(content["Raw"]["Data"])).get_payload()
        return ACCEPTED if "good" in str(subject) else refusal("MessageRejected")

    with FakeAws(behave) as fake:
        stage = Stage(fake.url)
        verdicts: dict[bytes, Verdict] = {}

        def send(body: bytes) -> None:
            verdicts[body] = stage.send(make_message(body=body)).verdicts[ANN]

        threads = [threading.Thread(target=send, args=(body,)) for body in (b"good\r\n", b"bad\r\n")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)

    assert isinstance(verdicts[b"good\r\n"], Accepted)
    assert isinstance(verdicts[b"bad\r\n"], Rejected)


def test_sh14_debug_logging_shows_neither_addresses_nor_content(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), always(refusal("MessageRejected", "Not verified: ann@example.com")) as fake:
        Stage(fake.url).send()

    assert "ann@example.com" not in caplog.text
    assert base64.b64encode(b"Hello.").decode() not in caplog.text
