import ssl
import threading

import pytest

from tests.support.certificates import authority
from tests.support.content import LENIENT_LF
from tests.support.hostile_relay import HostileRelay, ScriptMismatch
from tests.support.raw_client import connect, upgrade
from tests.support.steps import (
    Await,
    Close,
    Drip,
    Expect,
    Flood,
    HalfClose,
    Hang,
    ReadChunk,
    ReadMessage,
    Reset,
    Send,
    Signal,
    Split,
    StartTls,
    Step,
    StopReading,
)

NAME = "relay.example.com"


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority().pem)


def test_it_sends_exactly_the_octets_of_the_script() -> None:
    with HostileRelay([Send(b"220 \xff\x00\n"), Close()]) as relay, connect(relay.port) as client:
        assert client.read_all() == b"220 \xff\x00\n"


def test_it_records_each_line_with_its_line_end_and_its_protection() -> None:
    script: list[Step] = [Expect(b"EHLO"), Expect(b"NOOP"), Hang()]

    with HostileRelay(script) as relay, connect(relay.port) as client:
        client.send(b"ehlo x\r\nNOOP\n")
        assert relay.wait_until(lambda: relay.verbs == [b"EHLO", b"NOOP"])

    assert [(line.octets, line.tls) for line in relay.connections[0].lines] == [
        (b"ehlo x\r\n", False),
        (b"NOOP\n", False),
    ]


def test_it_records_a_fragment_that_the_client_left_without_a_line_end() -> None:
    with HostileRelay([Hang()]) as relay:
        with connect(relay.port) as client:
            client.send(b"AUTH PLA")
        assert relay.wait_until_left()

    assert relay.connections[0].commands == [b"AUTH PLA"]
    assert relay.auth_in_clear


def test_an_unexpected_command_fails_the_test() -> None:
    def exchange() -> None:
        with HostileRelay([Expect(b"MAIL")]) as relay, connect(relay.port) as client:
            client.send(b"RCPT TO:<a@example.com>\r\n")
            client.read_all()

    with pytest.raises(ScriptMismatch, match="RCPT"):
        exchange()


def test_a_bug_in_a_conversation_fails_the_test() -> None:
    def script(number: int) -> list[Step]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), HostileRelay(script) as relay, connect(relay.port) as client:
        client.read_all()


def test_a_client_that_leaves_early_does_not_fail_the_test() -> None:
    with HostileRelay([Expect(b"MAIL")]) as relay:
        with connect(relay.port):
            pass
        assert relay.wait_until_left()


def test_a_function_of_the_connection_number_rotates_scripts() -> None:
    with HostileRelay(lambda number: [Send(b"%d" % number), Close()]) as relay:
        greetings = []
        for _ in range(3):
            with connect(relay.port) as client:
                greetings.append(client.read_all())

    assert greetings == [b"0", b"1", b"2"]
    assert len(relay.connections) == 3


def test_close_sends_a_fin_even_with_unread_octets() -> None:
    with HostileRelay([Expect(b"MAIL"), Close()]) as relay, connect(relay.port) as client:
        client.send(b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n")

        assert client.read_all() == b""


def test_reset_sends_an_rst() -> None:
    with HostileRelay([Expect(b"MAIL"), Reset()]) as relay, connect(relay.port) as client:
        client.send(b"MAIL FROM:<a@example.com>\r\n")

        with pytest.raises(ConnectionResetError):
            client.read_all()


def test_a_half_close_still_reads() -> None:
    with HostileRelay([HalfClose(), Expect(b"MAIL"), Hang()]) as relay, connect(relay.port) as client:
        assert client.read_all() == b""
        client.send(b"MAIL FROM:<a@example.com>\r\n")

        assert relay.wait_until(lambda: relay.verbs == [b"MAIL"])


def test_hang_sends_no_answer_and_continues_recording() -> None:
    with HostileRelay([Hang()]) as relay, connect(relay.port) as client:
        client.send(b"A\r\nB\r\n")
        assert relay.wait_until(lambda: relay.verbs == [b"A", b"B"])
        client.connection.settimeout(0.05)

        with pytest.raises(TimeoutError):
            client.read_line()


def test_a_relay_that_stops_reading_makes_the_clients_writes_block() -> None:
    with HostileRelay([StopReading()], receive_buffer=4096) as relay, connect(relay.port) as client:
        client.connection.settimeout(0.2)

        with pytest.raises(TimeoutError):
            client.send(bytes(16 * 1024 * 1024))

    assert relay.connections[0].received == 0


def test_a_drip_arrives_octet_by_octet() -> None:
    with HostileRelay([Drip(b"220 hi\r\n", 0.005), Close()]) as relay, connect(relay.port) as client:
        pieces = []
        while piece := client.connection.recv(100):
            pieces.append(piece)

    assert b"".join(pieces) == b"220 hi\r\n"
    assert len(pieces) > 4


def test_a_flood_has_the_given_length() -> None:
    with HostileRelay([Flood(b"250-" + b"x" * 1020, 2048), Close()]) as relay, connect(relay.port) as client:
        assert len(client.read_all()) == 2 * 1024 * 1024


def test_split_writes_small_segments_and_changes_no_octet() -> None:
    script: list[Step] = [Split(1), Send(b"220-a\r\n220 b\r\n"), Split(None), Send(b"x"), Close()]

    with HostileRelay(script) as relay, connect(relay.port) as client:
        assert client.read_all() == b"220-a\r\n220 b\r\nx"


def test_one_send_is_one_segment() -> None:
    with HostileRelay([Send(b"250 a\r\n250 b\r\n"), Hang()]) as relay, connect(relay.port) as client:
        assert client.connection.recv(100) == b"250 a\r\n250 b\r\n"


def test_starttls_separates_clear_from_protected_lines() -> None:
    script: list[Step] = [
        Expect(b"STARTTLS"),
        Send(b"220 go\r\n"),
        StartTls(authority().valid(NAME)),
        Expect(b"AUTH"),
        Send(b"235 ok\r\n"),
        Hang(),
    ]

    with HostileRelay(script) as relay, connect(relay.port) as client:
        client.ask(b"STARTTLS")
        under_tls = upgrade(client, trusting())
        assert under_tls.ask(b"AUTH PLAIN AGEAYg==") == b"235 ok\r\n"
        under_tls.connection.close()

    connection = relay.connections[0]
    assert [line.tls for line in connection.lines] == [False, True]
    assert connection.server_name == NAME
    assert b"STARTTLS" in connection.clear
    assert b"AUTH" not in connection.clear
    assert not relay.auth_in_clear


def test_octets_injected_after_starttls_travel_in_clear_in_the_same_segment() -> None:
    script: list[Step] = [
        Expect(b"STARTTLS"),
        Send(b"220 go\r\n250 injected\r\n"),
        StartTls(authority().valid(NAME)),
        Hang(),
    ]

    with HostileRelay(script) as relay, connect(relay.port) as client:
        client.send(b"STARTTLS\r\n")

        assert client.connection.recv(100) == b"220 go\r\n250 injected\r\n"
        with upgrade(client, trusting()).connection:
            pass


def test_a_client_that_refuses_the_certificate_leaves_the_connection_in_clear() -> None:
    with HostileRelay([StartTls(authority().valid("other.example.com"))]) as relay:
        with pytest.raises(ssl.SSLCertVerificationError), connect(relay.port, tls=trusting()):
            pass
        assert relay.wait_until_left()

    assert not relay.connections[0].tls


def test_a_close_under_tls_has_no_close_notify() -> None:
    script: list[Step] = [StartTls(authority().valid(NAME)), Send(b"220 hi\r\n"), Close()]

    with HostileRelay(script) as relay, connect(relay.port, tls=trusting()) as client:
        assert client.read_line() == b"220 hi\r\n"

        with pytest.raises(ssl.SSLEOFError):
            client.read_all()


def test_credentials_in_clear_are_recorded_without_the_auth_command() -> None:
    with HostileRelay([Hang()]) as relay, connect(relay.port) as client:
        client.send(b"AHVzZXIAc2VjcmV0\r\n")
        assert relay.wait_until(lambda: len(relay.verbs) == 1)

        assert relay.auth_in_clear


ENVELOPE = b"MAIL FROM:<a@example.com> SIZE=7\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\n"
READ_ENVELOPE: list[Step] = [Expect(b"MAIL"), Expect(b"RCPT"), Expect(b"RCPT")]


def test_a_message_is_kept_with_its_envelope() -> None:
    with HostileRelay([*READ_ENVELOPE, Expect(b"DATA"), ReadMessage(), Hang()]) as relay, connect(relay.port) as client:
        client.send(ENVELOPE + b"DATA\r\nhi\r\n..dot\r\n.\r\nQUIT\r\n")
        assert relay.wait_until(lambda: relay.verbs[-1:] == [b"QUIT"])

    (message,) = relay.messages
    assert message.sender == b"a@example.com"
    assert message.recipients == (b"b@example.com", b"c@example.com")
    assert message.mail_parameters == b"SIZE=7"
    assert message.wire == b"hi\r\n..dot\r\n"
    assert message.content == b"hi\r\n.dot\r\n"
    assert not message.tls


def test_a_message_is_read_in_any_segmentation() -> None:
    with HostileRelay([*READ_ENVELOPE, Expect(b"DATA"), ReadMessage(), Hang()]) as relay, connect(relay.port) as client:
        for octet in ENVELOPE + b"DATA\r\n.\r\n.x\r\n\r\n.\r\nQUIT\r\n":
            client.send(bytes([octet]))
        assert relay.wait_until(lambda: len(relay.messages) == 1)

    assert relay.messages[0].content == b""


def test_a_lenient_receiver_reads_the_rest_as_commands() -> None:
    script: list[Step] = [*READ_ENVELOPE, Expect(b"DATA"), ReadMessage(LENIENT_LF), Hang()]

    with HostileRelay(script) as relay, connect(relay.port) as client:
        client.send(ENVELOPE + b"DATA\r\nhi\n.\r\nMAIL FROM:<evil@example.com>\r\n")
        assert relay.wait_until(lambda: relay.commands[-1:] == [b"MAIL FROM:<evil@example.com>"])

    assert relay.messages[0].content == b"hi\n"


def test_chunks_are_joined_into_one_message() -> None:
    with HostileRelay([*READ_ENVELOPE, ReadChunk(), ReadChunk(), Hang()]) as relay, connect(relay.port) as client:
        client.send(ENVELOPE + b"BDAT 5\r\n.\r\n.\rBDAT 2 LAST\r\n\n\n")
        assert relay.wait_until(lambda: len(relay.messages) == 1)

    assert relay.messages[0].content == b".\r\n.\r\n\n"


def test_a_message_can_be_read_without_keeping_it() -> None:
    script: list[Step] = [*READ_ENVELOPE, Expect(b"DATA"), ReadMessage(keep=False), Send(b"554 no\r\n"), Hang()]

    with HostileRelay(script) as relay, connect(relay.port) as client:
        client.send(ENVELOPE + b"DATA\r\nhi\r\n.\r\n")
        assert client.read_line() == b"554 no\r\n"

    assert relay.messages == ()


def test_a_script_and_its_test_wait_for_each_other() -> None:
    go, gone = threading.Event(), threading.Event()
    script: list[Step] = [Send(b"a"), Await(go), Send(b"b"), Signal(gone), Hang()]

    with HostileRelay(script) as relay, connect(relay.port) as client:
        assert client.connection.recv(2) == b"a"
        go.set()
        assert gone.wait(5)
        assert client.connection.recv(2) == b"b"
