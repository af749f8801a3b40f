"""Hostile replies of a relay: too long, too slow, doubled or ambiguous."""

import base64
import tracemalloc
from copy import replace

import pytest
from mailer.message.address import parse_address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Rejected, RelayError, RelayFault, Unknown, Verdict

from tests.support.certificates import authority
from tests.support.fault import Fault, Intervention, Phase
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    PASSWORD,
    PATIENT,
    RECIPIENT,
    RELAY_NAME,
    USERNAME,
    large_message,
    make_message,
    send_once,
)
from tests.support.steps import Close, Drip, Flood, Hang, Send, StopReading

EXTENSIONS = {
    "one-flight": (b"PIPELINING", b"CHUNKING"),
    "pipelined": (b"PIPELINING",),
    "plain": (),
}
EVERY_MODE = pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
GOOD = Relay(tls=Tls.IMPLICIT, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS)
OK = b"250 2.0.0 OK\r\n"
MEBIBYTE = 1024 * 1024
RECIPIENTS = tuple(parse_address(f"{name}@example.com") for name in ("first", "second", "third"))


def faulty(phase: Phase, fault: Fault | Intervention, extensions: tuple[bytes, ...] = ()) -> Relay:
    return replace(GOOD, extensions=extensions, faults={phase: fault})


def saying(octets: bytes, *, takes_effect: bool = True) -> Intervention:
    return Intervention((Send(octets),), takes_effect=takes_effect)


def verdict_of(server: HostileRelay) -> Verdict:
    return send_once(server).attempt.verdicts[RECIPIENT]


FLOODS = {
    "lines": Flood((b"250-" + b"x" * 1018 + b"\r\n") * 64, 1600),
    "one-line": Flood(b"2" * 65536, 1600),
    "short-lines": Flood(b"250-\r\n" * 10_000, 1600),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("phase", [Phase.BANNER, Phase.EHLO1, Phase.AUTH, Phase.MAIL, Phase.DOT])
def test_hr1_an_endless_reply_costs_neither_time_nor_memory(phase: Phase, flood: Flood) -> None:
    with HostileRelay(faulty(phase, Intervention((flood, Hang()), takes_effect=True))) as server:
        tracemalloc.start()
        sent = send_once(server)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Unknown if phase is Phase.DOT else Deferred)
    assert peak < 5 * MEBIBYTE
    assert sent.seconds < PATIENT / 2


def test_hr2_li12_slow_replies_do_not_extend_the_deadline() -> None:
    def dripped(reply: bytes) -> Intervention:
        return Intervention((Drip(reply, 0.01),), takes_effect=True)

    relay = replace(
        GOOD,
        extensions=(),
        faults={
            phase: dripped(b"%d just in time........\r\n" % code)
            for phase, code in [
                (Phase.BANNER, 220),
                (Phase.EHLO1, 250),
                (Phase.AUTH, 235),
                (Phase.MAIL, 250),
                (Phase.RCPT, 250),
                (Phase.DATA, 354),
                (Phase.DOT, 250),
            ]
        },
    )
    # EHLO must offer AUTH, or the session would end there.
    relay = replace(relay, faults={**relay.faults, Phase.EHLO1: dripped(b"250-just in time\r\n250 AUTH PLAIN\r\n")})

    with HostileRelay(relay) as server:
        sent = send_once(server, budget=0.7, timeout=0.5)

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Deferred)
    assert sent.seconds <= 0.7 + 0.5
    assert server.messages == ()


@EVERY_MODE
def test_hr3_a_second_reply_to_mail_does_not_count_for_a_recipient(extensions: tuple[bytes, ...]) -> None:
    answers = {str(RECIPIENT).encode(): b"550 5.1.1 No such user\r\n"}

    with HostileRelay(replace(faulty(Phase.MAIL, Fault.DOUBLE_REPLY, extensions), answers=answers)) as server:
        verdict = verdict_of(server)

    assert not isinstance(verdict, Accepted)
    assert server.messages == ()


def test_hr3_a_second_reply_to_a_single_command_is_noticed_before_the_next() -> None:
    answers = {str(RECIPIENT).encode(): b"550 5.1.1 No such user\r\n"}

    with HostileRelay(replace(faulty(Phase.MAIL, Fault.DOUBLE_REPLY), answers=answers)) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.PROTOCOL_VIOLATION
    assert b"RCPT" not in server.verbs


@pytest.mark.parametrize("extensions", [(b"PIPELINING",), ()], ids=["pipelined", "plain"])
def test_hr3_a_second_reply_to_mail_ends_the_connection_before_the_content(extensions: tuple[bytes, ...]) -> None:
    answers = {b"first@example.com": b"550 5.1.1 No such user\r\n"}
    message = make_message(recipients=RECIPIENTS[:2])

    with HostileRelay(replace(faulty(Phase.MAIL, Fault.DOUBLE_REPLY, extensions), answers=answers)) as server:
        attempt = send_once(server, message).attempt

    assert not any(isinstance(verdict, Accepted | Unknown) for verdict in attempt.verdicts.values())
    assert server.messages == ()


@pytest.mark.parametrize("reply", [b"250-a\r\n550 b\r\n", b"550-a\r\n250 b\r\n", b"250-a\r\n251 b\r\n"], ids=repr)
@pytest.mark.parametrize(("phase", "expected"), [(Phase.MAIL, Deferred), (Phase.RCPT, Deferred), (Phase.DOT, Unknown)])
def test_hr5_a_reply_with_two_codes_is_a_violation(phase: Phase, expected: type[Verdict], reply: bytes) -> None:
    with HostileRelay(faulty(phase, saying(reply))) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, expected)
    assert isinstance(verdict, Deferred | Unknown)
    assert verdict.failure.cause is Cause.PROTOCOL_VIOLATION


NO_CODES = [
    b"000 ok", b"099 ok", b"150 ok", b"600 ok", b"999 ok", b"25 ok", b"2_5 ok", b"+25 ok", b" 250 ok", b"250ok",
    b"250\tok", b"2500 ok", "\uff12\uff15\uff10 ok".encode(), b"", b"\xb2\xb50 ok", b"-250 ok",
]  # fmt: skip


@pytest.mark.parametrize("line", NO_CODES, ids=repr)
@pytest.mark.parametrize(("phase", "expected"), [(Phase.MAIL, Deferred), (Phase.DOT, Unknown)])
def test_hr6_only_three_digits_and_a_separator_are_a_reply(phase: Phase, expected: type[Verdict], line: bytes) -> None:
    with HostileRelay(faulty(phase, saying(line + b"\r\n"))) as server:
        assert isinstance(verdict_of(server), expected)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"200 ok\r\n", Accepted),
        (b"250\r\n", Accepted),
        (b"251 ok\r\n", Accepted),
        (b"299 ok\r\n", Accepted),
        (b"354 go on\r\n", Unknown),
        (b"334 \r\n", Unknown),
        (b"ok\r\n", Unknown),
    ],
    ids=repr,
)
@EVERY_MODE
def test_hr7_after_the_end_of_the_message_any_2yz_accepts_and_only_that(
    extensions: tuple[bytes, ...], reply: bytes, expected: type[Verdict]
) -> None:
    with HostileRelay(faulty(Phase.DOT, saying(reply), extensions)) as server:
        assert isinstance(verdict_of(server), expected)


@pytest.mark.parametrize(("reply", "expected"), [(b"250 5.1.1 ok\r\n", Accepted), (b"451 5.7.1 later\r\n", Deferred)])
def test_hr8_the_reply_code_decides_over_an_enhanced_code(reply: bytes, expected: type[Verdict]) -> None:
    with HostileRelay(faulty(Phase.DOT, saying(reply, takes_effect=reply.startswith(b"2")))) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, expected)
    reported = verdict.reply if isinstance(verdict, Accepted) else verdict.failure.reply
    assert reported is not None
    assert reported.enhanced_code is None


@pytest.mark.parametrize("code", [535, 534, 538, 530, 550])
def test_hr9_rejected_credentials_are_tried_once(code: int) -> None:
    relay = replace(
        faulty(Phase.AUTH, saying(b"%d 5.7.8 No\r\n" % code, takes_effect=False)),
        mechanisms=(b"CRAM-MD5", b"PLAIN", b"LOGIN"),
    )

    with HostileRelay(relay) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, RelayError)
    assert verdict.fault is RelayFault.AUTH_REJECTED
    assert server.auth_attempts == 1
    assert len(server.connections) == 1


@pytest.mark.parametrize("mechanisms", [(b"CRAM-MD5",), (b"NTLM", b"GSSAPI"), (b"PLAIN-CLIENTTOKEN", b"XOAUTH2")])
def test_hr10_unsupported_mechanisms_are_named_and_not_tried(mechanisms: tuple[bytes, ...]) -> None:
    with HostileRelay(replace(GOOD, mechanisms=mechanisms)) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, RelayError)
    assert verdict.failure.cause is Cause.AUTH_MECHANISM_UNSUPPORTED
    assert server.auth_attempts == 0


def test_hr10_login_is_used_if_plain_is_not_offered() -> None:
    with HostileRelay(replace(GOOD, mechanisms=(b"CRAM-MD5", b"LOGIN"))) as server:
        assert isinstance(verdict_of(server), Accepted)

    assert server.messages[0].authenticated_as == USERNAME


BLOB = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode())
ECHOES = {
    "blob": BLOB,
    "command": b"AUTH PLAIN " + BLOB,
    "password": PASSWORD.encode(),
    "login": base64.b64encode(PASSWORD.encode()),
    "cut-blob": BLOB[4:],
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("phase", [Phase.AUTH, Phase.MAIL, Phase.DOT])
def test_hr11_credentials_that_a_relay_echoes_are_withheld(phase: Phase, echo: bytes) -> None:
    reply = saying(b"535 5.7.8 Not accepted: " + echo + b"\r\n", takes_effect=False)

    with HostileRelay(faulty(phase, reply)) as server:
        shown = repr(send_once(server).attempt)

    assert "535" in shown
    for secret in (PASSWORD, BLOB.decode(), base64.b64encode(PASSWORD.encode()).decode(), echo.decode()):
        assert secret not in shown


@EVERY_MODE
def test_hr12_a_refusal_of_the_message_counts_if_the_relay_hangs_after_it(extensions: tuple[bytes, ...]) -> None:
    no, hang = saying(b"554 5.7.1 Spam\r\n", takes_effect=False), Intervention((Hang(),))
    relay = replace(GOOD, extensions=extensions, faults={Phase.DOT: no, Phase.RSET: hang, Phase.QUIT: hang})

    with HostileRelay(relay) as server:
        sent = send_once(server)

    verdict = sent.attempt.verdicts[RECIPIENT]
    assert isinstance(verdict, Rejected)
    assert verdict.failure.reply is not None
    assert verdict.failure.reply.code == 554
    assert sent.seconds < PATIENT / 2


@EVERY_MODE
def test_hr13_a_hanging_quit_does_not_change_the_verdict(extensions: tuple[bytes, ...]) -> None:
    with HostileRelay(faulty(Phase.QUIT, Intervention((Hang(),)), extensions)) as server:
        sent = send_once(server)
        assert server.wait_until(lambda: b"QUIT" in server.verbs)

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Accepted)
    assert sent.seconds < PATIENT / 2


@pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=["chunked", "pipelined", "plain"])
def test_hr14_a_refusal_during_the_content_stops_it(extensions: tuple[bytes, ...]) -> None:
    message = large_message(9 * MEBIBYTE)
    no = Intervention((Send(b"552 5.3.4 Too big\r\n"), StopReading()))

    with HostileRelay(faulty(Phase.BODY, no, extensions), receive_buffer=16384) as server:
        sent = send_once(server, message)

    assert isinstance(sent.attempt.verdicts[RECIPIENT], Rejected | Deferred)
    assert server.connections[0].received < message.size
    assert sent.seconds < PATIENT / 2


@pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=["chunked", "pipelined", "plain"])
def test_hr15_a_relay_that_stops_reading_is_deferred_in_time_and_memory(extensions: tuple[bytes, ...]) -> None:
    message = large_message(15 * MEBIBYTE)

    with HostileRelay(faulty(Phase.BODY, Intervention((StopReading(),)), extensions), receive_buffer=16384) as server:
        tracemalloc.start()
        sent = send_once(server, message, budget=0.8)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    verdict = sent.attempt.verdicts[RECIPIENT]
    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.TIMEOUT
    assert sent.seconds <= 0.8 + 0.5
    assert peak < message.size / 3


def test_hr19_helo_after_a_refused_ehlo_is_not_enough() -> None:
    with HostileRelay(faulty(Phase.EHLO1, saying(b"502 5.5.1 No EHLO\r\n", takes_effect=False))) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, Deferred)
    assert b"MAIL" not in server.verbs


@EVERY_MODE
def test_hr21_each_recipient_has_its_own_verdict(extensions: tuple[bytes, ...]) -> None:
    answers = {b"second@example.com": b"550 5.1.1 No such user\r\n", b"third@example.com": b"450 4.2.1 Busy\r\n"}
    message = make_message(recipients=RECIPIENTS)

    with HostileRelay(replace(GOOD, extensions=extensions, answers=answers)) as server:
        attempt = send_once(server, message).attempt

    assert [type(attempt.verdicts[recipient]) for recipient in RECIPIENTS] == [Accepted, Rejected, Deferred]
    assert [taken.recipients for taken in server.messages] == [(b"first@example.com",)]
    assert server.violations == ()


@EVERY_MODE
def test_hr21_no_content_is_sent_after_all_recipients_are_refused(extensions: tuple[bytes, ...]) -> None:
    answers = {str(recipient).encode(): b"550 5.1.1 No such user\r\n" for recipient in RECIPIENTS}
    message = make_message(recipients=RECIPIENTS)

    with HostileRelay(replace(GOOD, extensions=extensions, answers=answers)) as server:
        attempt = send_once(server, message).attempt

    assert {type(verdict) for verdict in attempt.verdicts.values()} == {Rejected}
    assert server.messages == ()
    assert server.violations == ()


def test_hr23_another_host_named_by_a_relay_is_ignored() -> None:
    answers = {str(RECIPIENT).encode(): b"551 5.1.6 User not local; please try <r@evil.example>\r\n"}

    with HostileRelay(replace(GOOD, answers=answers)) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, Rejected)
    assert len(server.connections) == 1
    assert server.verbs.count(b"RCPT") == 1


@pytest.mark.parametrize("phase", [Phase.BANNER, Phase.EHLO1, Phase.AUTH, Phase.MAIL, Phase.RCPT, Phase.DOT])
def test_hr24_reply_text_is_kept_printable_and_short(phase: Phase) -> None:
    line = b"451-\x00\x1b[31m\xff\xc3\xa9 evil\x7f\t" + b"y" * 1000 + b"\r\n"
    reply = Intervention((Send(line * 8 + b'451 {"level":"INFO"}\r\n'), Close()))

    with HostileRelay(faulty(phase, reply)) as server:
        verdict = verdict_of(server)

    assert isinstance(verdict, Deferred)
    assert verdict.failure.reply is not None
    text = verdict.failure.reply.text
    assert len(text) <= 200
    assert text.isascii()
    assert text.isprintable()
