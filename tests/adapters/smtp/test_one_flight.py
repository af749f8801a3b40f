"""When a message leaves in one flight, and when the envelope's replies come first.

Only in one flight the client uses BDAT. Otherwise it sends DATA, and no content before a 354.
"""

from collections.abc import Mapping
from copy import replace

import pytest
from mailer.message.address import Address, parse_address
from mailer.message.message import Message
from mailer.smtp.outcome import Accepted, Deferred, Rejected, RelayError, Unknown, Verdict

from tests.support.certificates import authority
from tests.support.fault import Fault, Intervention, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    NEVER_WARM,
    NO_AUTH,
    RECIPIENT,
    RELAY_NAME,
    large_message,
    make_message,
    relay_at,
    send,
    smtp_transport,
)
from tests.support.steps import Close, Drip, Expect, Hang, ReadChunk, ReadMessage, Send, StartTls, Step

REFUSED = parse_address("refused@example.com")
RELAY = Relay(
    tls=Tls.IMPLICIT,
    context=authority().valid(RELAY_NAME),
    credentials=CREDENTIALS,
    extensions=(b"PIPELINING", b"CHUNKING"),
    answers={str(REFUSED).encode(): b"550 5.1.1 No such user\r\n"},
)
TO_REFUSED = make_message(recipients=(REFUSED,))


def slow(reply: bytes) -> Intervention:
    """Answer in a fraction of a second, octet by octet."""
    return Intervention((Drip(reply, 0.005),), takes_effect=True)


def flights(server: HostileRelay) -> int:
    """Count the messages that were sent in one flight."""
    return server.verbs.count(b"BDAT")


@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "new"])
def test_a_relay_that_has_taken_a_message_gets_the_next_one_in_one_flight(is_warm: bool) -> None:
    with HostileRelay(RELAY) as server, smtp_transport(freshness=None if is_warm else NEVER_WARM) as transport:
        send(transport, relay_at(server), make_message())
        refused = send(transport, relay_at(server), TO_REFUSED).attempt

        assert isinstance(refused.verdicts[REFUSED], Rejected)
        assert flights(server) == 1
        assert len(server.connections) == (1 if is_warm else 2)


def test_an_unproven_relay_gets_no_content_before_it_has_taken_the_envelope() -> None:
    with HostileRelay(RELAY) as server, smtp_transport() as transport:
        refused = send(transport, relay_at(server), TO_REFUSED).attempt

        assert isinstance(refused.verdicts[REFUSED], Rejected)
        assert flights(server) == 0


def test_another_version_of_the_secret_is_unproven() -> None:
    with HostileRelay(RELAY) as server, smtp_transport() as transport:
        send(transport, relay_at(server), make_message(), version_id="v1")
        send(transport, relay_at(server), TO_REFUSED, version_id="v2")

        assert flights(server) == 0


def test_without_a_login_no_content_is_sent_before_the_envelope_is_accepted() -> None:
    without_login = replace(RELAY, credentials=None)
    with HostileRelay(without_login) as server, smtp_transport() as transport:
        relay = relay_at(server, auth=NO_AUTH)
        for _ in range(2):
            assert isinstance(send(transport, relay, make_message()).attempt.verdicts[RECIPIENT], Accepted)
        send(transport, relay, TO_REFUSED)

        assert flights(server) == 0


def test_smuggled_commands_never_reach_a_relay_that_requires_a_login() -> None:
    # Dovecot 2.3.19 reads the lines of a chunk as commands until the client has logged in.
    demands_login = (
        Send(b"220 hello\r\n"),
        Expect(b"EHLO"),
        Send(b"250-hello\r\n250-PIPELINING\r\n250 CHUNKING\r\n"),
        Expect(b"MAIL"),
        Expect(b"RCPT"),
        Send(b"530 5.7.0 Authentication required\r\n530 5.7.0 Authentication required\r\n"),
        Expect(b""),
    )
    implicit: tuple[Step, ...] = (StartTls(authority().valid(RELAY_NAME)), *demands_login)
    message = make_message(text=b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nMAIL FROM:<smuggler@example.com>\r\n")

    with HostileRelay(implicit) as server, smtp_transport() as transport:
        verdict = send(transport, relay_at(server, auth=NO_AUTH), message).attempt.verdicts[RECIPIENT]
        assert server.wait_until_left()

    assert isinstance(verdict, RelayError)
    assert server.verbs == [b"EHLO", b"MAIL", b"RCPT", b"DATA"]


@pytest.mark.parametrize(
    "message",
    [
        make_message(recipients=(REFUSED, parse_address("refused@EXAMPLE.com"))),
        replace(large_message(20_000), recipients=(REFUSED,)),
    ],
    ids=["several recipients", "more than one TLS record"],
)
def test_other_messages_wait_for_the_replies_to_the_envelope(message: Message) -> None:
    with HostileRelay(RELAY) as server, smtp_transport() as transport:
        send(transport, relay_at(server), make_message())
        send(transport, relay_at(server), message)

        assert flights(server) == 0


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT])
def test_a_relay_that_was_slow_gets_no_content_before_the_envelope_is_accepted(phase: Phase) -> None:
    reply = b"250 2.1.0 Sender OK\r\n" if phase is Phase.MAIL else b"250 2.1.5 Recipient OK\r\n"
    with (
        HostileRelay(replace(RELAY, faults={phase: slow(reply)})) as server,
        smtp_transport(slow_envelope_seconds=0.03) as transport,
    ):
        for _ in range(2):
            send(transport, relay_at(server), make_message())
        send(transport, relay_at(server), TO_REFUSED)

        assert flights(server) == 0
        assert len(server.messages) == 2


def test_a_relay_that_is_fast_again_gets_one_flight_again() -> None:
    reply = slow(b"250 2.1.5 Recipient OK\r\n")
    with (
        HostileRelay(lambda number: replace(RELAY, faults={} if number else {Phase.RCPT: reply})) as server,
        smtp_transport(slow_envelope_seconds=0.05, freshness=NEVER_WARM) as transport,
    ):
        for _ in range(2):
            send(transport, relay_at(server), make_message())
        send(transport, relay_at(server), TO_REFUSED)

        assert flights(server) == 1


def test_recipients_of_a_relay_that_slows_down_at_rcpt_are_deferred_and_not_unknown() -> None:
    # Postfix waits a second before each reply after ten errors.
    recipients = tuple(parse_address(f"r{number}@example.com") for number in range(50))
    dead = {str(recipient).encode(): b"550 5.1.1 No such user\r\n" for recipient in recipients[:12]}
    slows_down = replace(RELAY, answers=dead, faults={Phase.RCPT: slow(b"250 2.1.5 Recipient OK\r\n")}, spared=1)

    with HostileRelay(slows_down) as server, smtp_transport(final_reply_seconds=5.0) as transport:
        assert isinstance(send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT], Accepted)
        sent = send(transport, relay_at(server), make_message(recipients=recipients), budget=5.6)
        verdicts = sent.attempt.verdicts

        # Without time for the content, the attempt does not wait for the other replies.
        assert sent.seconds < 2.0
        assert [type(verdicts[recipient]) for recipient in recipients] == [Rejected] * 12 + [Deferred] * 38
        assert len(server.messages) == 1


def serving(
    *last: Step,
    sender: bytes = b"2.1.0 Sender OK",
    recipient: bytes = b"2.1.5 Recipient OK",
    end: bytes = b"2.0.0 Queued",
) -> tuple[Step, ...]:
    """Return a script that takes one message and then performs the last steps on the same connection."""
    return (
        StartTls(authority().valid(RELAY_NAME)),
        Send(b"220 hello\r\n"),
        Expect(b"EHLO"),
        Send(b"250-hello\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n"),
        Expect(b"AUTH PLAIN"),
        Send(b"235 welcome\r\n"),
        Expect(b"MAIL"),
        Expect(b"RCPT"),
        Expect(b"DATA"),
        Send(b"250 %b\r\n250 %b\r\n354 Go on\r\n" % (sender, recipient)),
        ReadMessage(),
        Send(b"250 %b\r\n" % end),
        *last,
    )


def second_message(script: tuple[Step, ...], message: Message) -> Mapping[Address, Verdict]:
    with HostileRelay(script) as server, smtp_transport() as transport:
        assert isinstance(send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT], Accepted)
        return send(transport, relay_at(server), message).attempt.verdicts


FIRST, SECOND = parse_address("first@example.com"), parse_address("second@example.com")


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (b"250 2.1.0 OK\r\n550 5.7.1 Listed\r\n", [Rejected, Deferred]),
        (b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n550 5.7.1 Listed\r\n", [Deferred, Rejected]),
    ],
    ids=["at the first", "at the last"],
)
def test_a_relay_that_hangs_up_at_a_recipient_defers_the_others(replies: bytes, expected: list[type[Verdict]]) -> None:
    # Exim's "drop" answers 550 and closes the connection.
    drops = serving(Expect(b"MAIL"), Expect(b"RCPT"), Expect(b"RCPT"), Send(replies), Close())

    verdicts = second_message(drops, make_message(recipients=(FIRST, SECOND)))

    assert [type(verdicts[recipient]) for recipient in (FIRST, SECOND)] == expected


def test_a_relay_that_hangs_up_at_the_only_recipient_of_one_flight_has_refused_it() -> None:
    drops = serving(Expect(b"MAIL"), Expect(b"RCPT"), ReadChunk(keep=False), Send(b"250 2.1.0 OK\r\n"), DROP, Close())

    assert isinstance(second_message(drops, make_message())[RECIPIENT], Rejected)


DROP = Send(b"550 5.7.1 Listed\r\n")
IN_FLIGHT = (Expect(b"MAIL"), Expect(b"RCPT"), ReadChunk(keep=False))
AT_ONCE = b"250 2.1.0 Sender OK\r\n250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n"


@pytest.mark.parametrize(
    "late",
    [
        (Drip(b"554 5.7.1 Spam\r\n", 0.01), Expect(b"QUIT"), Close()),
        (Drip(b"250 2.0.0 Queued\r\n", 0.01), Expect(b"QUIT"), Send(b"221 Bye\r\n"), Close()),
        (Close(),),
    ],
    ids=["554", "250", "closed"],
)
def test_hr3_a_doubled_reply_to_mail_is_noticed_although_the_final_reply_is_late(late: tuple[Step, ...]) -> None:
    verdict = second_message(serving(*IN_FLIGHT, Send(AT_ONCE), *late), make_message())[RECIPIENT]

    assert isinstance(verdict, Unknown)


@pytest.mark.parametrize(
    "envelope",
    [
        b"250 2.1.5 Recipient OK\r\n250 2.1.5 Recipient OK\r\n",
        b"550 5.1.1 No such user\r\n250 2.1.5 Recipient OK\r\n",
        b"250 2.1.5 Recipient OK\r\n550 5.1.1 No such user\r\n",
        b"550 5.1.1 No such user\r\n550 5.1.1 No such user\r\n",
    ],
    ids=["accepted", "first refused", "second refused", "refused"],
)
def test_hr3_a_doubled_reply_to_mail_swaps_no_verdicts_of_two_recipients(envelope: bytes) -> None:
    replies = b"250 2.1.0 Sender OK\r\n" * 2 + envelope + b"354 Go on\r\n"
    doubled = serving(Expect(b"MAIL"), Expect(b"RCPT"), Expect(b"RCPT"), Expect(b"DATA"), Send(replies), Hang())

    verdicts = second_message(doubled, make_message(recipients=(FIRST, SECOND)))

    assert [type(verdict) for verdict in verdicts.values()] == [Deferred, Deferred]


PLAIN = b"250 sender ok\r\n250 recipient ok\r\n"
SHIFTED = {
    "before MAIL": b"250 message 1 delivered\r\n" + PLAIN,
    "before RCPT": b"250 sender ok\r\n250 message 1 delivered\r\n250 recipient ok\r\n",
    "before the end": PLAIN + b"250 message 1 delivered\r\n",
}


@pytest.mark.parametrize("replies", SHIFTED.values(), ids=SHIFTED)
def test_hr3_an_extra_reply_with_a_text_of_its_own_is_noticed_although_the_refusal_is_late(replies: bytes) -> None:
    late = Drip(b"554 spam\r\n", 0.01)
    script = serving(
        *IN_FLIGHT, Send(replies), late, Hang(), sender=b"sender ok", recipient=b"recipient ok", end=b"queued as A1"
    )

    assert isinstance(second_message(script, make_message())[RECIPIENT], Unknown)


def test_replies_that_differ_only_in_ids_and_addresses_are_the_known_ones() -> None:
    replies = b"250 sender <b2@example.com> ok\r\n250 recipient ada@example.com ok\r\n250 queued as B2\r\n"
    known = {
        "sender": b"sender <a1@example.com> ok",
        "recipient": b"recipient bob@example.com ok",
        "end": b"queued as A1",
    }
    script = serving(*IN_FLIGHT, Send(replies), Hang(), **known)
    with HostileRelay(script) as server, smtp_transport() as transport:
        for _ in range(2):
            assert isinstance(send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT], Accepted)

        assert flights(server) == 1
        assert b"QUIT" not in server.verbs


def test_a_final_reply_in_doubt_is_accepted_if_only_the_reply_to_quit_follows() -> None:
    odd = (Send(b"250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n250 2.1.5 Queued\r\n"), Expect(b"QUIT"))
    script = serving(*IN_FLIGHT, *odd, Send(b"221 2.0.0 Bye\r\n"), Close())

    assert isinstance(second_message(script, make_message())[RECIPIENT], Accepted)


def test_a_relay_with_equal_replies_never_gets_one_flight_and_keeps_its_connection() -> None:
    same = Intervention((Send(b"250 OK\r\n"),), takes_effect=True)
    equal = replace(RELAY, faults=dict.fromkeys((Phase.MAIL, Phase.RCPT, Phase.DOT), same))

    with HostileRelay(equal) as server, smtp_transport() as transport:
        for _ in range(3):
            assert isinstance(send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT], Accepted)

        assert (len(server.connections), len(server.messages)) == (1, 3)
        assert flights(server) == 0
        assert server.violations == ()


def test_hr18_a_relay_with_a_limit_of_messages_for_each_connection_takes_all_of_them() -> None:
    # Exim's smtp_accept_max_per_connection: 421 to MAIL, and 503 to every command that follows.
    enough = Intervention((Send(b"421 4.7.0 Too many messages in this connection\r\n"),))

    with HostileRelay(replace(RELAY, faults={Phase.MAIL: enough}, spared=3)) as server, smtp_transport() as transport:
        for _ in range(10):
            assert isinstance(send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT], Accepted)

        assert [len(connection.messages) for connection in server.connections] == [3, 3, 3, 1]


def test_hr18_a_relay_that_is_silent_after_421_gets_no_second_copy() -> None:
    silent = serving(Expect(b"MAIL"), Expect(b"RCPT"), ReadChunk(keep=True), Send(b"421 4.3.2 Closing\r\n"), Hang())

    with HostileRelay(lambda number: RELAY if number else silent) as server, smtp_transport() as transport:
        assert isinstance(send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT], Accepted)
        verdict = send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT]

        assert isinstance(verdict, Unknown)
        assert [len(connection.messages) for connection in server.connections] == [2]


@pytest.mark.parametrize("fault", [Fault.FIN, Fault.HANG], ids=["closes", "hangs"])
def test_a_relay_that_failed_in_one_flight_is_unproven(fault: Fault) -> None:
    failing = replace(RELAY, faults={Phase.MAIL: fault}, spared=1)
    with HostileRelay(lambda number: RELAY if number else failing) as server, smtp_transport() as transport:
        send(transport, relay_at(server), make_message())
        assert isinstance(
            send(transport, relay_at(server), make_message(), budget=0.5).attempt.verdicts[RECIPIENT], Unknown
        )
        send(transport, relay_at(server), TO_REFUSED)

        assert b"BDAT" not in server.connections[1].verbs
