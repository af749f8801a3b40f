"""The conversation with real servers: logins, TLS, probes, and a verdict for each recipient."""

import time

import pytest
from mailer.message.address import parse_address
from mailer.relay.relay import PasswordAuth, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Accepted, Failure, Phase, ProbePassed, Rejected, RelayError, RelayFault

from tests.relays.sending import NO_LOGIN, SECONDS, client, relay_of, send_by
from tests.relays.server import USERNAME, RealServer
from tests.support.sending import SENDER, make_message, send

ADA, BOB = parse_address("ada@example.net"), parse_address("bob@example.net")
DEAD, DEAD_TOO = parse_address("dead1@example.net"), parse_address("dead2@example.net")


def demand_login(server: RealServer) -> None:
    if not server.has_login:
        pytest.skip(f"the TLS of {server.name} does not work in a root of its own, so it takes no login")


def test_a_message_is_accepted_over_implicit_tls_and_stored_once(server: RealServer) -> None:
    demand_login(server)
    with client() as transport:
        relay = relay_of(server, tls=TlsMode.IMPLICIT)
        sent = send(transport, relay, make_message(recipients=(ADA,)), budget=SECONDS)

    assert isinstance(sent.attempt.verdicts[ADA], Accepted)
    assert len(server.stored()) == 1


def test_many_messages_leave_on_warm_connections(server: RealServer) -> None:
    with client() as transport:
        for number in range(10):
            message = make_message(recipients=(ADA,), message_id=f"<{number}@example.com>")
            assert isinstance(send_by(transport, server, message)[ADA], Accepted)

    stored = server.stored()
    assert len(stored) == 10
    assert all(sum(f"<{number}@example.com>".encode() in each for each in stored) == 1 for number in range(10))


def test_each_recipient_has_its_own_verdict_on_cold_and_warm_connections(server: RealServer) -> None:
    expected = {ADA: Accepted, DEAD: Rejected, BOB: Accepted, DEAD_TOO: Rejected}
    with client() as transport:
        for _ in range(3):
            verdicts = send_by(transport, server, make_message(recipients=tuple(expected)))
            assert {each: type(verdict) for each, verdict in verdicts.items()} == expected

    assert len(server.stored()) == 3


def test_a_message_whose_recipients_are_all_refused_is_not_stored(server: RealServer) -> None:
    with client() as transport:
        for _ in range(2):
            verdicts = send_by(transport, server, make_message(recipients=(DEAD, DEAD_TOO)))
            assert {type(verdict) for verdict in verdicts.values()} == {Rejected}
        assert isinstance(send_by(transport, server, make_message(recipients=(ADA,)))[ADA], Accepted)

    assert len(server.stored()) == 1


def test_a_wrong_password_is_a_relay_error(server: RealServer) -> None:
    demand_login(server)
    wrong = PasswordAuth(USERNAME, SecretStr("wrong"))
    with client() as transport:
        verdict = send_by(transport, server, make_message(recipients=(ADA,)), auth=wrong)[ADA]

    assert isinstance(verdict, RelayError)
    assert verdict.fault is RelayFault.AUTH_REJECTED
    assert server.stored() == []


def probe(server: RealServer, sender: str) -> Failure | ProbePassed:
    with client() as transport:
        return transport.probe(
            relay_of(server), envelope_sender=sender, recipient=sender, deadline=time.monotonic() + SECONDS
        )


@pytest.mark.parametrize("sender", [SENDER, DEAD], ids=["known", "unknown"])
def test_a_probe_passes_also_if_the_own_address_is_unknown_and_stores_nothing(
    server: RealServer, sender: object
) -> None:
    assert probe(server, str(sender)) == ProbePassed(is_protected=server.has_login)
    assert server.stored() == []


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_probe_finds_a_refused_sender_that_the_server_names_at_RCPT(
    name: str, request: pytest.FixtureRequest
) -> None:
    failure = probe(request.getfixturevalue(name), "forged@example.com")

    assert isinstance(failure, Failure)
    assert failure.phase is Phase.RCPT


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_a_message_without_a_login_leaves_over_a_port_that_trusts_the_network(
    name: str, request: pytest.FixtureRequest
) -> None:
    server: RealServer = request.getfixturevalue(name)
    with client() as transport:
        for _ in range(3):
            assert isinstance(send_by(transport, server, make_message(recipients=(ADA,)), auth=NO_LOGIN)[ADA], Accepted)

    assert len(server.stored()) == 3
