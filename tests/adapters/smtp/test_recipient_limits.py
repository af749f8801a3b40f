"""A relay's limits for a transaction and a session: the rest goes at once, in the same attempt."""

import time
from collections import Counter
from copy import replace

import pytest
from mailer.message.address import Address, parse_address
from mailer.smtp.outcome import Accepted, Deferred, Rejected

from tests.support.certificates import authority
from tests.support.fault import Intervention, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    PATIENT,
    PROJECT,
    RECIPIENT,
    RELAY_NAME,
    make_message,
    relay_at,
    send,
    send_once,
    smtp_transport,
)
from tests.support.steps import Close, Drip, Send

EXTENSIONS = {
    "one-flight": (b"PIPELINING", b"CHUNKING"),
    "pipelined": (b"PIPELINING",),
    "plain": (),
}
EVERY_MODE = pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
RELAY = Relay(tls=Tls.IMPLICIT, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)
FULL = b"452 4.5.3 Too many messages\r\n"


def addresses(count: int) -> tuple[Address, ...]:
    return tuple(parse_address(f"r{number}@example.com") for number in range(count))


def deliveries(server: HostileRelay) -> Counter[str]:
    """Count the copies for each recipient."""
    return Counter(recipient.decode() for message in server.messages for recipient in message.recipients)


@EVERY_MODE
@pytest.mark.parametrize(("count", "maximum"), [(150, 100), (7, 1), (9, 4)])
def test_hr22_recipients_over_the_limit_get_the_message_in_the_same_attempt(
    extensions: tuple[bytes, ...], count: int, maximum: int
) -> None:
    message = make_message(recipients=addresses(count))

    with HostileRelay(replace(RELAY, extensions=extensions, maximum_recipients=maximum)) as server:
        attempt = send_once(server, message).attempt

    assert all(isinstance(verdict, Accepted) for verdict in attempt.verdicts.values())
    assert tuple(attempt.verdicts) == message.recipients
    assert deliveries(server) == Counter(map(str, message.recipients))
    assert {taken.content for taken in server.messages} == {message.as_bytes()}
    assert len(server.messages) == -(-count // maximum)
    assert len(server.connections) == 1
    assert server.violations == ()


def test_hr22_a_relay_with_a_limit_is_not_offered_all_recipients_again_and_again() -> None:
    with HostileRelay(replace(RELAY, maximum_recipients=1)) as server:
        send_once(server, make_message(recipients=addresses(40)))

    assert server.verbs.count(b"RCPT") == 40 + 39


@EVERY_MODE
def test_hr22_refused_and_deferred_recipients_are_not_offered_again(extensions: tuple[bytes, ...]) -> None:
    first, second, third, fourth = addresses(4)
    answers = {str(first).encode(): b"550 5.1.1 No such user\r\n", str(third).encode(): b"450 4.2.1 Greylisted\r\n"}
    relay = replace(RELAY, extensions=extensions, answers=answers, maximum_recipients=1)

    with HostileRelay(relay) as server:
        verdicts = send_once(server, make_message(recipients=(first, second, third, fourth))).attempt.verdicts

    assert [type(verdicts[who]) for who in (first, second, third, fourth)] == [Rejected, Accepted, Deferred, Accepted]
    assert deliveries(server) == Counter([str(second), str(fourth)])


@EVERY_MODE
@pytest.mark.parametrize("ending", [(), (Close(),)], ids=["stays", "closes"])
def test_a_session_that_takes_no_more_messages_is_replaced_at_once(
    extensions: tuple[bytes, ...], ending: tuple[Close, ...]
) -> None:
    # OpenSMTPD answers the 101st message of a session so.
    full = Intervention((Send(FULL), *ending))
    relay = replace(RELAY, extensions=extensions, faults={Phase.MAIL: full}, spared=2)

    with HostileRelay(relay) as server, smtp_transport() as transport:
        for _ in range(5):
            assert isinstance(send(transport, relay_at(server), make_message()).attempt.verdicts[RECIPIENT], Accepted)

    assert [len(connection.messages) for connection in server.connections] == [2, 2, 1]


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT])
def test_a_relay_that_takes_nothing_on_a_new_connection_is_not_asked_again(phase: Phase) -> None:
    with HostileRelay(replace(RELAY, faults={phase: Intervention((Send(FULL),))})) as server:
        attempt = send_once(server, make_message(recipients=addresses(3))).attempt

    assert all(isinstance(verdict, Deferred) for verdict in attempt.verdicts.values())
    assert len(server.connections) == 1
    assert server.messages == ()


def test_the_deadline_ends_the_transactions_and_defers_the_rest() -> None:
    slow = Intervention((Drip(b"250 2.1.0 Sender OK\r\n", 0.01),), takes_effect=True)
    relay = replace(RELAY, maximum_recipients=1, faults={Phase.MAIL: slow})

    with HostileRelay(relay) as server:
        sent = send_once(server, make_message(recipients=addresses(30)), budget=1.2)

    kinds = [type(verdict) for verdict in sent.attempt.verdicts.values()]
    assert 0 < kinds.count(Accepted) == len(server.messages) < 30
    assert kinds.count(Deferred) == 30 - kinds.count(Accepted)
    assert sent.seconds <= 1.2 + 0.5
    assert max(deliveries(server).values()) == 1


def test_the_mark_before_the_end_is_made_once_for_all_transactions() -> None:
    marks: list[int] = []
    with HostileRelay(replace(RELAY, maximum_recipients=1)) as server, smtp_transport() as transport:
        attempt = transport.send(
            make_message(recipients=addresses(3)),
            relay_at(server),
            project_id=PROJECT,
            version_id="v1",
            deadline=time.monotonic() + PATIENT,
            before_end=lambda: marks.append(len(server.messages)),
        )

    assert all(isinstance(verdict, Accepted) for verdict in attempt.verdicts.values())
    assert marks == [0]
