"""TLS faults and attacks by a relay, or by an attacker on the network."""

import ssl
from collections.abc import Callable
from copy import replace

import pytest
from mailer.relay.relay import RelayAuth, TlsMode
from mailer.smtp.outcome import Accepted, Cause, Deferred, RelayError, RelayFault, Verdict

from tests.support import certificates
from tests.support.certificates import authority
from tests.support.fault import Fault, Intervention, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    NO_AUTH,
    PATIENT,
    RECIPIENT,
    RELAY_NAME,
    make_message,
    relay_at,
    send,
    send_once,
    smtp_transport,
)
from tests.support.steps import Close, Expect, Hang, Send, StartTls, Step

BOTH_MODES = pytest.mark.parametrize("tls", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
GREETING = Send(b"220 relay.example.com ESMTP\r\n")


def good(tls: TlsMode) -> Relay:
    return Relay(tls=Tls(tls.value), context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)


def verdict_of(server: HostileRelay, *, tls: TlsMode = TlsMode.IMPLICIT, auth: RelayAuth | None = None) -> Verdict:
    return send_once(server, tls=tls, auth=auth).attempt.verdicts[RECIPIENT]


def said_nothing(server: HostileRelay) -> bool:
    """Assert that no credentials, envelope or message was sent, in clear or under TLS."""
    return not server.auth_in_clear and not {b"AUTH", b"MAIL", b"RCPT", b"DATA", b"BDAT"} & set(server.verbs)


def test_tl1_a_relay_without_starttls_gets_no_credentials() -> None:
    offers_auth: list[Step] = [GREETING, Expect(b"EHLO"), Send(b"250-hi\r\n250 AUTH PLAIN LOGIN\r\n"), Hang()]

    with HostileRelay(offers_auth) as server:
        verdict = verdict_of(server, tls=TlsMode.STARTTLS)

    assert isinstance(verdict, RelayError)
    assert verdict.fault is RelayFault.TLS_FAILED
    assert verdict.failure.cause is Cause.STARTTLS_NOT_OFFERED
    assert said_nothing(server)


def test_tl1_credentials_are_never_sent_in_clear_even_with_optional_tls() -> None:
    offers_auth: list[Step] = [GREETING, Expect(b"EHLO"), Send(b"250-hi\r\n250 AUTH PLAIN LOGIN\r\n"), Hang()]

    with HostileRelay(offers_auth) as server:
        verdict = verdict_of(server, tls=TlsMode.STARTTLS_IF_OFFERED)

    assert isinstance(verdict, RelayError)
    assert said_nothing(server)


def test_tl1_a_message_without_credentials_is_sent_in_clear_only_with_optional_tls() -> None:
    with HostileRelay(Relay()) as server:
        optional = verdict_of(server, tls=TlsMode.STARTTLS_IF_OFFERED, auth=NO_AUTH)
    with HostileRelay(Relay()) as strict_server:
        required = verdict_of(strict_server, tls=TlsMode.STARTTLS, auth=NO_AUTH)

    assert isinstance(optional, Accepted)
    assert isinstance(required, RelayError)
    assert said_nothing(strict_server)


def test_tl1_optional_tls_is_used_if_it_is_offered() -> None:
    with HostileRelay(good(TlsMode.STARTTLS)) as server:
        assert isinstance(verdict_of(server, tls=TlsMode.STARTTLS_IF_OFFERED), Accepted)

    assert server.messages[0].tls


@pytest.mark.parametrize(
    "keyword",
    [b"XXXXXXXX", b"STARTTLSX", b"X-STARTTLS", b"START TLS", b"AUTH STARTTLS"],
    ids=lambda keyword: keyword.decode(),
)
def test_tl2_a_stripped_or_renamed_starttls_is_not_offered(keyword: bytes) -> None:
    script: list[Step] = [
        GREETING,
        Expect(b"EHLO"),
        Send(b"250-hi\r\n250-" + keyword + b"\r\n250 AUTH PLAIN\r\n"),
        Hang(),
    ]

    with HostileRelay(script) as server:
        verdict = verdict_of(server, tls=TlsMode.STARTTLS)

    assert isinstance(verdict, RelayError)
    assert verdict.failure.cause is Cause.STARTTLS_NOT_OFFERED
    assert said_nothing(server)


@pytest.mark.parametrize(
    "answer", [b"454 4.7.0 TLS not available\r\n", b"500 5.5.1 What?\r\n", b"garbage\r\n", b"220\r\n"]
)
def test_tl3_a_refused_starttls_ends_the_session(answer: bytes) -> None:
    script: list[Step] = [GREETING, Expect(b"EHLO"), Send(b"250-hi\r\n250 STARTTLS\r\n"), Expect(b"STARTTLS")]

    with HostileRelay([*script, Send(answer), Send(b"250-hi\r\n250 AUTH PLAIN\r\n"), Close()]) as server:
        verdict = verdict_of(server, tls=TlsMode.STARTTLS)

    assert isinstance(verdict, Deferred | RelayError)
    assert said_nothing(server)


@pytest.mark.parametrize("plain", [b"250-hi\r\n250 AUTH PLAIN\r\n", b"220 hi again\r\n", b"\n"])
def test_tl3_plaintext_in_place_of_the_handshake_ends_the_session(plain: bytes) -> None:
    script: list[Step] = [GREETING, Expect(b"EHLO"), Send(b"250-hi\r\n250 STARTTLS\r\n"), Expect(b"STARTTLS")]

    with HostileRelay([*script, Send(b"220 go\r\n"), Expect(b"\x16\x03"), Send(plain), Close()]) as server:
        verdict = verdict_of(server, tls=TlsMode.STARTTLS)

    assert isinstance(verdict, Deferred | RelayError)
    assert b"AUTH" not in server.connections[0].clear


@pytest.mark.parametrize(
    "injected", [b"250-evil\r\n250-CHUNKING\r\n250 PIPELINING\r\n", b"250-evil\r\n250-CHUNK", b"250 ", b"535 no\r\n"]
)
def test_tl4_octets_injected_behind_the_answer_to_starttls_have_no_effect(injected: bytes) -> None:
    injection = Intervention((Send(b"220 2.0.0 Go ahead\r\n" + injected),), takes_effect=True)
    relay = replace(good(TlsMode.STARTTLS), extensions=(b"8BITMIME",), faults={Phase.STARTTLS: injection})

    with HostileRelay(relay) as server:
        verdict = verdict_of(server, tls=TlsMode.STARTTLS)

    assert isinstance(verdict, Accepted)
    assert b"BDAT" not in server.verbs
    assert server.violations == ()


CERTIFICATES: dict[str, tuple[Callable[[], ssl.SSLContext], Cause]] = {
    "wrong-name": (lambda: authority().valid("other.example.com"), Cause.CERTIFICATE_HOST_MISMATCH),
    "parent-domain": (lambda: authority().valid("example.com"), Cause.CERTIFICATE_HOST_MISMATCH),
    "name-as-subject-only": (
        lambda: authority().common_name_only(RELAY_NAME, other="other.example.com"),
        Cause.CERTIFICATE_HOST_MISMATCH,
    ),
    "address-only": (lambda: authority().valid("127.0.0.1"), Cause.CERTIFICATE_HOST_MISMATCH),
    "expired": (lambda: authority().expired(RELAY_NAME), Cause.CERTIFICATE_EXPIRED),
    "not-yet-valid": (lambda: authority().not_yet_valid(RELAY_NAME), Cause.CERTIFICATE_NOT_YET_VALID),
    "self-signed": (lambda: certificates.self_signed(RELAY_NAME), Cause.CERTIFICATE_UNTRUSTED),
    "unknown-authority": (lambda: certificates.unknown_authority().valid(RELAY_NAME), Cause.CERTIFICATE_UNTRUSTED),
}


@BOTH_MODES
@pytest.mark.parametrize("kind", CERTIFICATES)
def test_tl5_tl6_a_bad_certificate_is_named_and_gets_no_credentials(tls: TlsMode, kind: str) -> None:
    make_context, cause = CERTIFICATES[kind]

    with HostileRelay(replace(good(tls), context=make_context())) as server:
        verdict = verdict_of(server, tls=tls)

    assert isinstance(verdict, RelayError)
    assert verdict.fault is RelayFault.TLS_FAILED
    assert verdict.failure.cause is cause
    assert said_nothing(server)


@BOTH_MODES
def test_tl7_the_certificate_is_verified_for_the_name_and_not_the_address(tls: TlsMode) -> None:
    with HostileRelay(good(tls)) as server:
        assert isinstance(verdict_of(server, tls=tls), Accepted)

    assert server.connections[0].server_name == RELAY_NAME


def test_tl9_a_relay_that_speaks_plaintext_on_an_implicit_tls_port_is_named() -> None:
    with HostileRelay([GREETING, Hang()]) as server:
        verdict = verdict_of(server, tls=TlsMode.IMPLICIT)

    assert isinstance(verdict, RelayError)
    assert verdict.failure.cause is Cause.TLS_MISMATCH


def test_tl9_a_relay_that_waits_for_tls_on_a_starttls_port_is_bounded() -> None:
    with HostileRelay(good(TlsMode.IMPLICIT)) as server:
        sent = send_once(server, tls=TlsMode.STARTTLS, budget=0.6, timeout=0.3)

    verdict = sent.attempt.verdicts[RECIPIENT]
    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.TIMEOUT
    assert sent.seconds < 1.1


@BOTH_MODES
def test_tl10_http_in_place_of_a_handshake_ends_the_session_at_once(tls: TlsMode) -> None:
    answer = Intervention((Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Close()))

    with HostileRelay(replace(good(tls), faults={Phase.TLS: answer})) as server:
        sent = send_once(server, tls=tls)

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Deferred | RelayError)
    assert sent.seconds < PATIENT / 2


@BOTH_MODES
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIP])
def test_tl10_a_handshake_that_never_ends_is_deferred_in_time(tls: TlsMode, fault: Fault) -> None:
    with HostileRelay(replace(good(tls), faults={Phase.TLS: fault})) as server:
        sent = send_once(server, tls=tls, budget=0.4, timeout=5)

    verdict = sent.attempt.verdicts[RECIPIENT]
    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.TIMEOUT
    assert sent.seconds < 0.9


@pytest.mark.parametrize(
    ("in_clear", "under_tls"), [((b"PIPELINING", b"CHUNKING", b"SIZE 1"), ()), ((), (b"PIPELINING", b"CHUNKING"))]
)
def test_tl11_only_capabilities_announced_under_tls_count(
    in_clear: tuple[bytes, ...], under_tls: tuple[bytes, ...]
) -> None:
    relay = replace(good(TlsMode.STARTTLS), extensions=under_tls, extensions_in_clear=in_clear)

    with HostileRelay(relay) as server, smtp_transport() as transport:
        # The second message is sent in one flight if the relay offers what it needs.
        for _ in range(2):
            sent = send(transport, relay_at(server, tls=TlsMode.STARTTLS), make_message())
            assert isinstance(sent.attempt.verdicts[RECIPIENT], Accepted)

    assert (b"BDAT" in server.verbs) == (b"CHUNKING" in under_tls)
    assert server.violations == ()


@BOTH_MODES
def test_tl12_an_attempt_after_a_tls_failure_is_no_weaker(tls: TlsMode) -> None:
    relays = [replace(good(tls), faults={Phase.TLS: Fault.RST}), good(tls)]

    with HostileRelay(lambda number: relays[number]) as server, smtp_transport() as transport:
        first = send(transport, relay_at(server, tls=tls), make_message())
        connections_after_first = len(server.connections)
        second = send(transport, relay_at(server, tls=tls), make_message())

    assert isinstance(first.attempt.verdicts[RECIPIENT], Deferred)
    assert isinstance(second.attempt.verdicts[RECIPIENT], Accepted)
    assert connections_after_first == 1
    assert [message.tls for message in server.messages] == [True]


@BOTH_MODES
def test_tl13_a_relay_that_drops_tls_after_accepting_has_still_accepted(tls: TlsMode) -> None:
    yes_and_gone = Intervention((Send(b"250 2.0.0 OK\r\n"), Close()), takes_effect=True)

    with HostileRelay(replace(good(tls), faults={Phase.DOT: yes_and_gone})) as server:
        assert isinstance(verdict_of(server, tls=tls), Accepted)


def test_an_old_tls_version_is_refused() -> None:
    context = authority().valid(RELAY_NAME)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with HostileRelay([StartTls(context), Hang()]) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, RelayError)
