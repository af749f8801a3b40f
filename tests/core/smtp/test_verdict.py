"""Verdicts: the meaning of a reply by its code and phase, for each recipient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.message.address import parse_address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase, Rejected, RelayError, RelayFault, Unknown
from mailer.smtp.reply import Reply
from mailer.smtp.verdict import judge_envelope, judge_final, judge_session, refusal

ADA, BOB, EVE = (parse_address(f"{name}@example.net") for name in ("ada", "bob", "eve"))


def judge_reply(phase: Phase, code: int) -> Deferred | RelayError:
    return judge_session(Failure(phase, Cause.REPLY, Reply(code)))


@given(st.sampled_from(list(Phase)), st.integers(200, 599))
def test_no_refusal_counts_as_accepted(phase: Phase, code: int) -> None:
    match refusal(phase, Reply(code)):
        case RelayError(fault=fault):
            assert code == 530 or (phase, code) == (Phase.MAIL, 535)
            assert fault is RelayFault.AUTH_REJECTED
        case Rejected():
            assert 500 <= code <= 599
        case Deferred(failure=failure):
            assert 400 <= code <= 499 or (code < 400 and failure.cause is Cause.PROTOCOL_VIOLATION)
        case verdict:
            pytest.fail(f"{type(verdict).__name__} for a refusal")


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL])
@pytest.mark.parametrize("code", [534, 538])
def test_534_and_538_outside_AUTH_refuse_the_message(phase: Phase, code: int) -> None:
    assert isinstance(refusal(phase, Reply(code)), Rejected)


@pytest.mark.parametrize("phase", [Phase.GREETING, Phase.EHLO])
def test_before_AUTH_only_530_asks_for_a_login(phase: Phase) -> None:
    asks = {code for code in (530, 534, 535, 538) if isinstance(judge_reply(phase, code), RelayError)}

    assert asks == {530}


def test_535_to_MAIL_asks_for_a_login() -> None:
    assert refusal(Phase.MAIL, Reply(535)) == RelayError(
        RelayFault.AUTH_REJECTED, Failure(Phase.MAIL, Cause.REPLY, Reply(535))
    )
    assert isinstance(refusal(Phase.RCPT, Reply(535)), Rejected)


@given(st.integers(200, 599))
def test_HR7_after_the_end_only_2yz_means_accepted_and_3yz_means_unknown(code: int) -> None:
    verdict = judge_final(Reply(code))

    assert isinstance(verdict, Accepted) == (code < 300)
    assert isinstance(verdict, Unknown) == (300 <= code < 400)


def test_HR21_each_recipient_has_its_own_verdict() -> None:
    envelope = judge_envelope((ADA, BOB, EVE), Reply(250), [Reply(250), Reply(550), Reply(450)])

    assert envelope.accepted == (ADA,)
    assert isinstance(envelope.verdicts[BOB], Rejected)
    assert isinstance(envelope.verdicts[EVE], Deferred)


def test_a_refused_sender_rejects_every_recipient() -> None:
    envelope = judge_envelope((ADA, BOB), Reply(550), [Reply(250), Reply(250)])

    assert envelope.accepted == ()
    assert all(isinstance(verdict, Rejected) for verdict in envelope.verdicts.values())


def test_HR18_421_defers_every_recipient_including_accepted_ones() -> None:
    envelope = judge_envelope((ADA, BOB, EVE), Reply(250), [Reply(250), Reply(421)])

    assert envelope.accepted == ()
    assert {type(verdict) for verdict in envelope.verdicts.values()} == {Deferred}


@pytest.mark.parametrize("code", [250, 251, 252, 200])
def test_any_2yz_reply_accepts_a_recipient(code: int) -> None:
    assert judge_envelope((ADA,), Reply(250), [Reply(code)]).accepted == (ADA,)


def test_HR23_551_rejects_the_recipient_and_is_not_followed() -> None:
    envelope = judge_envelope((ADA,), Reply(250), [Reply(551, "User not local; please try <bob@elsewhere.example>")])

    assert isinstance(envelope.verdicts[ADA], Rejected)
