"""The limits of real servers delay no message for long, and make no outcome unknown."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from mailer.message.address import parse_address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Rejected, Unknown, Verdict

from tests.relays.sending import client, send_by
from tests.relays.server import RealServer
from tests.support.sending import make_message

ADA = parse_address("ada@example.net")


def message_ids(server: RealServer) -> list[bytes]:
    lines = (line for content in server.stored() for line in content.split(b"\r\n"))
    return sorted(line.removeprefix(b"Message-ID: ") for line in lines if line.startswith(b"Message-ID: "))


def send_all(server: RealServer, count: int) -> list[bytes]:
    """Send messages one after another, and return their ids; every one must be accepted."""
    ids = [f"<{number}@example.com>" for number in range(count)]
    with client() as transport:
        for each in ids:
            verdict = send_by(transport, server, make_message(recipients=(ADA,), message_id=each))[ADA]
            assert isinstance(verdict, Accepted), verdict
    return sorted(each.encode() for each in ids)


def test_exim_takes_three_messages_on_each_connection(exim: RealServer) -> None:
    exim.fresh(smtp_accept_max_per_connection="3")

    assert send_all(exim, 20) == message_ids(exim)


def test_opensmtpd_takes_a_hundred_messages_on_each_connection(opensmtpd: RealServer) -> None:
    assert send_all(opensmtpd, 120) == message_ids(opensmtpd)


def test_exim_may_drop_the_connection_at_a_recipient(exim: RealServer) -> None:
    dropped = parse_address("drop@example.net")
    with client() as transport:
        for _ in range(3):
            verdicts = send_by(transport, exim, make_message(recipients=(ADA, dropped)))
            assert (type(verdicts[ADA]), type(verdicts[dropped])) == (Deferred, Rejected)
            assert isinstance(send_by(transport, exim, make_message(recipients=(ADA,)))[ADA], Accepted)

    assert len(exim.stored()) == 3


@pytest.mark.parametrize(("count", "expected"), [(6, Accepted), (40, Deferred)])
def test_postfix_slows_down_after_some_refused_recipients(
    postfix: RealServer, count: int, expected: type[Verdict]
) -> None:
    postfix.fresh(smtpd_soft_error_limit="3", smtpd_error_sleep_time="1s")
    good = tuple(parse_address(f"good{number}@example.net") for number in range(count))
    dead = tuple(parse_address(f"dead{number}@example.net") for number in range(6))
    with client() as transport:
        assert isinstance(send_by(transport, postfix, make_message(recipients=(ADA,)))[ADA], Accepted)
        verdicts = send_by(transport, postfix, make_message(recipients=dead + good))
        assert {type(verdicts[each]) for each in good} == {expected}
        assert Unknown not in {type(verdict) for verdict in verdicts.values()}
        again = send_by(transport, postfix, make_message(recipients=good))

    assert {type(verdict) for verdict in again.values()} == {Accepted}
    assert len(postfix.stored()) == 2 + (expected is Accepted)


def test_postfix_takes_two_connections_at_a_time(postfix: RealServer) -> None:
    postfix.fresh(smtpd_client_connection_count_limit="2", smtpd_client_event_limit_exceptions="")

    def send_one(number: int) -> bool:
        with client() as transport:
            message = make_message(recipients=(ADA,), message_id=f"<{number}@example.com>")
            verdict = send_by(transport, postfix, message)[ADA]
        if isinstance(verdict, Deferred):
            assert verdict.failure.cause is Cause.TOO_MANY_CONNECTIONS
        return isinstance(verdict, Accepted)

    with ThreadPoolExecutor(8) as pool:
        accepted = sum(pool.map(send_one, range(16)))

    assert accepted >= 8
    assert len(postfix.stored()) == accepted
