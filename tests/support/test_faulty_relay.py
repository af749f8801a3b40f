import asyncio
import base64
import contextlib
import smtplib
import ssl
import time
from collections.abc import Iterator

import aiosmtplib
import pytest

from tests.support.certificates import authority, self_signed, unknown_authority
from tests.support.content import LENIENT_LF
from tests.support.fault import Fault, Intervention, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.raw_client import RawClient, connect, upgrade
from tests.support.steps import Send

NAME = "relay.example.com"
CREDENTIALS = ("user", "päss word")
PLAIN = base64.b64encode("\0user\0päss word".encode())
MESSAGE = b"Subject: hi\r\n\r\n.dot\r\n"
EXTENSIONS = (b"PIPELINING", b"CHUNKING", b"SIZE 1000", b"8BITMIME")


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority().pem)


@contextlib.contextmanager
def talking(relay: Relay) -> Iterator[tuple[HostileRelay, RawClient]]:
    with HostileRelay(relay) as server, connect(server.port) as client:
        assert client.read_reply().startswith(b"220 ")
        client.ask(b"EHLO client.example.com")
        yield server, client


def test_it_announces_the_given_extensions() -> None:
    relay = Relay(extensions=EXTENSIONS, tls=Tls.STARTTLS, context=authority().valid(NAME), credentials=CREDENTIALS)

    with HostileRelay(relay) as server, connect(server.port) as client:
        client.read_reply()
        in_clear = client.ask(b"EHLO client.example.com")
        client.ask(b"STARTTLS")
        under_tls = upgrade(client, trusting())
        protected = under_tls.ask(b"EHLO client.example.com")
        under_tls.connection.close()

    lines = b"250-relay.example.com\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"
    assert in_clear == lines + b"250 STARTTLS\r\n"
    assert protected == lines + b"250 AUTH PLAIN LOGIN\r\n"


def test_an_independent_client_sends_through_it_over_starttls() -> None:
    relay = Relay(tls=Tls.STARTTLS, context=authority().valid(NAME, "127.0.0.1"), credentials=("user", "secret"))

    with HostileRelay(relay) as server, smtplib.SMTP("127.0.0.1", server.port, timeout=5) as client:
        client.starttls(context=trusting())
        client.login("user", "secret")
        client.sendmail("a@example.com", ["b@example.com", "c@example.com"], MESSAGE)

    (message,) = server.messages
    assert message.content == MESSAGE
    assert message.recipients == (b"b@example.com", b"c@example.com")
    assert message.authenticated_as == "user"
    assert message.tls
    assert server.violations == ()
    assert not server.auth_in_clear


def test_another_independent_client_sends_through_it_over_implicit_tls() -> None:
    relay = Relay(tls=Tls.IMPLICIT, context=authority().valid("127.0.0.1"), credentials=("user", "secret"))

    with HostileRelay(relay) as server:
        client = aiosmtplib.send(
            MESSAGE,
            sender="a@example.com",
            recipients=["b@example.com"],
            hostname="127.0.0.1",
            port=server.port,
            use_tls=True,
            tls_context=trusting(),
            username="user",
            password="secret",
            timeout=5,
        )
        asyncio.run(client)

    assert [message.content for message in server.messages] == [MESSAGE]
    assert server.violations == ()


@pytest.mark.parametrize(
    ("lines", "replies"),
    [
        ([b"AUTH PLAIN " + PLAIN], [b"235"]),
        ([b"AUTH PLAIN", PLAIN], [b"334", b"235"]),
        ([b"AUTH LOGIN", b"dXNlcg==", base64.b64encode(CREDENTIALS[1].encode())], [b"334", b"334", b"235"]),
        ([b"AUTH LOGIN dXNlcg==", base64.b64encode(CREDENTIALS[1].encode())], [b"334", b"235"]),
        ([b"AUTH PLAIN AHVzZXIAd3Jvbmc="], [b"535"]),
        ([b"AUTH PLAIN !"], [b"535"]),
    ],
)
def test_it_checks_credentials(lines: list[bytes], replies: list[bytes]) -> None:
    relay = Relay(tls=Tls.IMPLICIT, context=authority().valid(NAME), credentials=CREDENTIALS)

    with HostileRelay(relay) as server, connect(server.port, tls=trusting()) as client:
        client.read_reply()
        client.ask(b"EHLO client.example.com")

        assert [client.ask(line)[:3] for line in lines] == replies


def test_auth_in_clear_is_refused_and_recorded() -> None:
    with talking(Relay(tls=Tls.STARTTLS, credentials=CREDENTIALS)) as (server, client):
        assert client.ask(b"AUTH PLAIN " + PLAIN).startswith(b"538 ")

        assert server.auth_in_clear
        assert server.violations == ("AUTH in clear",)


def test_mail_without_the_required_auth_is_refused() -> None:
    with talking(Relay(credentials=CREDENTIALS)) as (_, client):
        assert client.ask(b"MAIL FROM:<a@example.com>").startswith(b"530 ")


ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n"
LAST_CHUNK = b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE


def codes(client: RawClient, count: int) -> list[bytes]:
    return [client.read_reply()[:3] for _ in range(count)]


def test_a_pipelined_transaction_is_answered_in_one_segment() -> None:
    with talking(Relay(extensions=EXTENSIONS)) as (server, client):
        client.send(ENVELOPE + LAST_CHUNK)

        replies = client.connection.recv(4096)

    assert [line[:3] for line in replies.splitlines()] == [b"250", b"250", b"250"]
    assert server.messages[0].content == MESSAGE
    assert server.violations == ()


def test_several_chunks_make_one_message() -> None:
    with talking(Relay(extensions=EXTENSIONS)) as (server, client):
        client.send(ENVELOPE + b"BDAT 5\r\nab\r\n." + b"BDAT 2\r\n\r\n" + b"BDAT 0 LAST\r\n")
        assert codes(client, 5) == [b"250"] * 5

    assert server.messages[0].content == b"ab\r\n.\r\n"


def test_a_chunk_without_recipients_is_consumed_and_refused() -> None:
    relay = Relay(extensions=EXTENSIONS, answers={b"b@example.com": b"550 5.1.1 No\r\n"})

    with talking(relay) as (server, client):
        client.send(ENVELOPE + LAST_CHUNK + b"NOOP\r\n")
        assert codes(client, 4) == [b"250", b"550", b"503", b"250"]

    assert server.messages == ()


def test_recipients_are_answered_one_by_one() -> None:
    relay = Relay(answers={b"b@example.com": b"550 5.1.1 No\r\n", b"c@example.com": b"450 4.2.1 Later\r\n"})

    with talking(relay) as (server, client):
        client.send(b"MAIL FROM:<a@example.com>\r\n")
        client.send(b"".join(b"RCPT TO:<%b@example.com>\r\n" % name for name in (b"a", b"b", b"c")))
        client.send(b"DATA\r\n")
        assert codes(client, 5) == [b"250", b"250", b"550", b"450", b"354"]
        assert client.ask(MESSAGE + b".").startswith(b"250 ")

    assert server.messages[0].recipients == (b"a@example.com",)


def test_too_many_recipients_are_deferred() -> None:
    with talking(Relay(maximum_recipients=1)) as (_, client):
        client.send(ENVELOPE + b"RCPT TO:<c@example.com>\r\n")

        assert codes(client, 3) == [b"250", b"250", b"452"]


@pytest.mark.parametrize("command", [b"DATA", b"RCPT TO:<a@example.com>"])
def test_commands_out_of_sequence_are_refused(command: bytes) -> None:
    with talking(Relay()) as (_, client):
        assert client.ask(command).startswith(b"503 ")


def test_rset_forgets_the_transaction() -> None:
    with talking(Relay()) as (_, client):
        client.send(ENVELOPE + b"RSET\r\nDATA\r\n")

        assert codes(client, 4) == [b"250", b"250", b"250", b"503"]


def test_a_declared_size_above_the_limit_is_refused() -> None:
    with talking(Relay(extensions=EXTENSIONS)) as (_, client):
        assert client.ask(b"MAIL FROM:<a@example.com> SIZE=1001").startswith(b"552 ")


def test_a_message_above_the_limit_is_refused_after_the_dot() -> None:
    with talking(Relay(extensions=(b"PIPELINING", b"SIZE 10"))) as (server, client):
        client.send(ENVELOPE + b"DATA\r\n")
        assert codes(client, 3) == [b"250", b"250", b"354"]
        assert client.ask(MESSAGE + b".").startswith(b"552 ")

    assert server.messages == ()


@pytest.mark.parametrize(
    ("octets", "violation"),
    [
        (b"NOOP\n", "a command that is not one ASCII line ended by CRLF"),
        (b"NOOP \xc3\xa9\r\n", "a command that is not one ASCII line ended by CRLF"),
        (b"NOOP " + b"x" * 512 + b"\r\n", "a command longer than 512 octets"),
        (b"NOOP\r\nNOOP\r\n", "commands in a group without PIPELINING"),
        (b"FOO\r\n", "unknown command"),
        (b"MAIL FROM: <a@example.com>\r\n", "malformed MAIL"),
        (b"MAIL FROM:<a@example.com> SIZE=1\r\n", "MAIL parameter SIZE that was not offered"),
        (b"MAIL FROM:<a@example.com> BODY=8BITMIME\r\n", "MAIL parameter BODY that was not offered"),
        (b"MAIL FROM:<a@example.com> SMTPUTF8\r\n", "MAIL parameter SMTPUTF8 that was not offered"),
        (b"BDAT 1 LAST\r\nx", "malformed or unasked BDAT"),
        (b"STARTTLS\r\n", "STARTTLS that was not offered"),
    ],
)
def test_it_records_a_protocol_violation(octets: bytes, violation: str) -> None:
    with talking(Relay(extensions=())) as (server, client):
        client.send(octets)

        assert server.wait_until(lambda: violation in server.violations)


@pytest.mark.parametrize(
    ("content", "violation"),
    [
        (b"a\nb\r\n", "content with a bare CR or LF"),
        (b"a\rb\r\n", "content with a bare CR or LF"),
        (b"x" * 999 + b"\r\n", "a content line longer than 998 octets"),
        (b"\xc3\xa9\r\n", "content with octets above 127"),
    ],
)
def test_it_records_a_violation_in_the_content(content: bytes, violation: str) -> None:
    with talking(Relay(extensions=EXTENSIONS)) as (server, client):
        client.send(ENVELOPE + b"BDAT %d LAST\r\n" % len(content) + content)
        codes(client, 3)

    assert server.violations == (violation,)


def test_octets_after_starttls_in_clear_are_a_violation() -> None:
    with talking(Relay(tls=Tls.STARTTLS, context=authority().valid(NAME))) as (server, client):
        client.send(b"STARTTLS\r\nEHLO x\r\n")

        assert server.wait_until(lambda: "octets after STARTTLS in clear" in server.violations)


def test_a_lenient_receiver_obeys_smuggled_commands() -> None:
    smuggled = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<v@example.com>\r\nDATA\r\nx\r\n"

    with talking(Relay(receiver=LENIENT_LF)) as (server, client):
        client.send(ENVELOPE + b"DATA\r\nhi\n.\r\n" + smuggled + b".\r\n")
        assert server.wait_until(lambda: len(server.messages) == 2)

    assert [message.sender for message in server.messages] == [b"a@example.com", b"evil@example.com"]


def after_fault(fault: Fault, phase: Phase, *commands: bytes) -> tuple[HostileRelay, bytes]:
    """Return the server and its answer to the last command within a tenth of a second."""
    with HostileRelay(Relay(faults={phase: fault}, extensions=EXTENSIONS)) as server, connect(server.port) as client:
        if commands:
            client.read_reply()
        for command in commands[:-1]:
            client.ask(command)
        if commands:
            client.send(commands[-1] + b"\r\n")
        received = b""
        client.connection.settimeout(0.1)
        until = time.monotonic() + 0.1
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while time.monotonic() < until and (octets := client.connection.recv(1 << 20)):
                received += octets
    return server, received


UP_TO_MAIL = (b"EHLO x", b"MAIL FROM:<a@example.com>")


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault.FIN, b""),
        (Fault.RST, b""),
        (Fault.HANG, b""),
        (Fault.CLOSING_421, b"421 4.3.2 Service shutting down\r\n"),
        (Fault.TRANSIENT, b"451 4.3.0 Try again later\r\n"),
        (Fault.PERMANENT, b"554 5.0.0 Refused\r\n"),
        (Fault.WRONG_CODE, b"354 Wrong\r\n"),
        (Fault.GARBAGE, b"\x00\x01HTTP/1.1 400 Bad Request\r\n"),
        (Fault.DOUBLE_REPLY, b"250 2.1.0 Sender OK\r\n250 2.1.0 Sender OK\r\n"),
        (Fault.MIXED_CODES, b"250-mixed\r\n550 mixed\r\n"),
        (Fault.NON_ASCII, b"250-\xff\xfe\xc3\xa9 \x1b[31m\x00\r\n250 2.1.0 Sender OK\r\n"),
    ],
)
def test_a_fault_replaces_the_reply(fault: Fault, answer: bytes) -> None:
    assert after_fault(fault, Phase.MAIL, *UP_TO_MAIL)[1] == answer


def test_a_dripped_reply_never_ends() -> None:
    received = after_fault(Fault.DRIP, Phase.MAIL, *UP_TO_MAIL)[1]

    assert received.startswith(b"250-x")
    assert b"\n" not in received


def test_an_overlong_reply_is_too_long() -> None:
    assert len(after_fault(Fault.OVERLONG, Phase.MAIL, *UP_TO_MAIL)[1].split(b"\r\n")[0]) > 64 * 1024


@pytest.mark.parametrize(
    ("phase", "commands"),
    [
        (Phase.BANNER, ()),
        (Phase.EHLO1, (b"EHLO x",)),
        (Phase.MAIL, UP_TO_MAIL),
        (Phase.RCPT, (*UP_TO_MAIL, b"RCPT TO:<b@example.com>")),
        (Phase.DATA, (*UP_TO_MAIL, b"RCPT TO:<b@example.com>", b"DATA")),
        (Phase.BODY, (*UP_TO_MAIL, b"RCPT TO:<b@example.com>", b"DATA", b"x")),
        (Phase.DOT, (*UP_TO_MAIL, b"RCPT TO:<b@example.com>", b"DATA", b".")),
        (Phase.QUIT, (b"QUIT",)),
    ],
)
def test_a_fault_happens_in_its_phase(phase: Phase, commands: tuple[bytes, ...]) -> None:
    assert after_fault(Fault.TRANSIENT, phase, *commands)[1] == b"451 4.3.0 Try again later\r\n"


@pytest.mark.parametrize("fault", Fault)
def test_a_message_is_accepted_unless_the_reply_to_the_dot_refuses_it(fault: Fault) -> None:
    server, _ = after_fault(fault, Phase.DOT, *UP_TO_MAIL, b"RCPT TO:<b@example.com>", b"DATA", b".")

    assert len(server.messages) == (fault not in {Fault.CLOSING_421, Fault.TRANSIENT, Fault.PERMANENT})


def test_a_fault_happens_after_the_spared_transactions() -> None:
    with talking(Relay(extensions=EXTENSIONS, faults={Phase.DOT: Fault.PERMANENT}, spared=1)) as (server, client):
        client.send((ENVELOPE + LAST_CHUNK) * 2)
        assert codes(client, 6) == [b"250"] * 5 + [b"554"]

    assert len(server.messages) == 1


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_in_the_body_prevents_the_end_of_a_message(fault: Fault) -> None:
    server, _ = after_fault(fault, Phase.BODY, *UP_TO_MAIL, b"RCPT TO:<b@example.com>", b"DATA", b"x\r\n.")

    assert server.messages == ()


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_in_the_handshake_prevents_its_end(fault: Fault) -> None:
    relay = Relay(tls=Tls.IMPLICIT, faults={Phase.TLS: fault})

    def handshake() -> None:
        with HostileRelay(relay) as server, connect(server.port) as client:
            client.connection.settimeout(0.1)
            upgrade(client, trusting())

    with pytest.raises(OSError):  # noqa: PT011 -- ssl.SSLError, ConnectionResetError or TimeoutError: each an OSError
        handshake()


def test_a_custom_intervention_replaces_a_reply() -> None:
    relay = Relay(faults={Phase.RSET: Intervention((Send(b"250 once\r\n"),), takes_effect=True)})

    with talking(relay) as (_, client):
        assert client.ask(b"RSET") == b"250 once\r\n"


@pytest.mark.parametrize(
    ("context", "complaint"),
    [
        (authority().valid("other.example.com"), "Hostname mismatch"),
        (authority().common_name_only(NAME, other="other.example.com"), "Hostname mismatch"),
        (authority().valid("127.0.0.1"), "Hostname mismatch"),
        (authority().expired(NAME), "has expired"),
        (authority().not_yet_valid(NAME), "not yet valid"),
        (self_signed(NAME), "self-signed"),
        (unknown_authority().valid(NAME), "unable to get local issuer"),
    ],
    ids=["wrong-name", "common-name-only", "address-only", "expired", "not-yet-valid", "self-signed", "unknown-ca"],
)
def test_each_invalid_certificate_is_invalid_for_its_own_reason(context: ssl.SSLContext, complaint: str) -> None:
    def handshake() -> None:
        with HostileRelay(Relay(tls=Tls.IMPLICIT, context=context)) as server, connect(server.port) as client:
            upgrade(client, trusting())

    with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
        handshake()
