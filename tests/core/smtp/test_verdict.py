"""What replies mean: by code and phase, recipient by recipient."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.message.address import parse_address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Phase, Rejected, RelayError, RelayFault, Unknown
from mailer.smtp.reply import Reply
from mailer.smtp.verdict import judge_envelope, judge_final, refusal

ADA, BOB, EVE = (parse_address(f"{name}@example.net") for name in ("ada", "bob", "eve"))


@given(st.sampled_from(list(Phase)), st.integers(200, 599))
def test_a_refusal_is_never_an_acceptance(phase: Phase, code: int) -> None:
    match refusal(phase, Reply(code)):
        case RelayError(fault=fault):
            assert code in (530, 534, 535, 538)
            assert fault is RelayFault.AUTH_REJECTED
        case Rejected():
            assert 500 <= code <= 599
        case Deferred(failure=failure):
            assert 400 <= code <= 499 or (code < 400 and failure.cause is Cause.PROTOCOL_VIOLATION)
        case verdict:
            pytest.fail(f"{type(verdict).__name__} for a refusal")


@given(st.integers(200, 599))
def test_HR7_after_the_end_only_2yz_is_an_acceptance_and_3yz_proves_nothing(code: int) -> None:
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


def test_HR18_421_defers_every_recipient_even_those_accepted_before_it() -> None:
    envelope = judge_envelope((ADA, BOB, EVE), Reply(250), [Reply(250), Reply(421)])

    assert envelope.accepted == ()
    assert {type(verdict) for verdict in envelope.verdicts.values()} == {Deferred}


@pytest.mark.parametrize("code", [250, 251, 252, 200])
def test_an_accepted_recipient_is_not_sent_to_again_whatever_the_second_digit(code: int) -> None:
    assert judge_envelope((ADA,), Reply(250), [Reply(code)]).accepted == (ADA,)


def test_HR23_551_is_a_refusal_and_never_followed() -> None:
    envelope = judge_envelope((ADA,), Reply(250), [Reply(551, "User not local; please try <bob@elsewhere.example>")])

    assert isinstance(envelope.verdicts[ADA], Rejected)
