"""A relay's limit of recipients or messages, and the transactions that follow from it."""

import pytest
from mailer.message.address import parse_address
from mailer.smtp.outcome import Accepted, Attempt, Cause, Deferred, Failure, Phase, Rejected, Unknown, Verdict
from mailer.smtp.recipient_limit import is_over_limit, is_session_full, next_recipients
from mailer.smtp.reply import make_reply
from mailer.smtp.verdict import refusal

A, B, C, D, E = (parse_address(f"{name}@example.com") for name in "abcde")
TAKEN = Accepted(make_reply(250, "2.0.0 Queued"))
OVER = refusal(Phase.RCPT, make_reply(452, "4.5.3 Too many recipients"))
NO = refusal(Phase.RCPT, make_reply(550, "5.1.1 No such user"))
LATER = refusal(Phase.RCPT, make_reply(450, "4.2.0 Greylisted"))


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        (Phase.RCPT, 452, "4.5.3 Too many recipients"),
        (Phase.RCPT, 452, "Too many recipients"),
        (Phase.RCPT, 450, "4.5.3 Too many recipients"),
        (Phase.RCPT, 552, "5.5.3 Too many recipients"),
        (Phase.MAIL, 452, "4.5.3 Too many messages in this session"),
    ],
)
def test_a_recipient_over_the_limit_is_deferred_and_can_be_offered_again(phase: Phase, code: int, text: str) -> None:
    verdict = refusal(phase, make_reply(code, text))

    assert isinstance(verdict, Deferred)
    assert is_over_limit(verdict)
    assert is_session_full(Attempt({A: verdict}))


@pytest.mark.parametrize(
    "verdict",
    [
        TAKEN,
        NO,
        LATER,
        refusal(Phase.RCPT, make_reply(452, "4.3.1 Insufficient system storage")),
        refusal(Phase.RCPT, make_reply(421, "4.5.3 Too many recipients")),
        refusal(Phase.RCPT, make_reply(550, "5.5.3 Too many recipients")),
        refusal(Phase.RCPT, make_reply(552, "5.2.2 Mailbox full")),
        refusal(Phase.RCPT, make_reply(552, "Mailbox full")),
        refusal(Phase.FINAL, make_reply(452, "Insufficient system storage")),
        Deferred(Failure(Phase.RCPT, Cause.TIMEOUT)),
    ],
)
def test_other_refusals_are_no_limit(verdict: Verdict) -> None:
    assert not is_over_limit(verdict)
    assert not is_session_full(Attempt({A: verdict}))


def test_the_next_transaction_has_as_many_recipients_as_the_relay_took() -> None:
    first = next_recipients((A, B, C, D, E), (), {A: TAKEN, B: TAKEN, C: OVER, D: OVER, E: OVER})

    assert first == ((C, D), (E,))
    assert next_recipients(*first, {C: TAKEN, D: TAKEN, E: OVER}) == ((E,), ())


def test_a_refused_recipient_does_not_end_the_transactions() -> None:
    assert next_recipients((A, B, C), (), {A: NO, B: LATER, C: OVER}) == ((C,), ())


def test_a_transaction_that_took_no_recipient_is_the_last() -> None:
    assert next_recipients((A, B), (), {A: OVER, B: OVER}) == ((), ())


def test_a_complete_transaction_is_the_last() -> None:
    assert next_recipients((A, B), (), {A: TAKEN, B: TAKEN}) == ((), ())


@pytest.mark.parametrize(
    "verdict",
    [
        Unknown(Failure(Phase.FINAL, Cause.TIMEOUT)),
        Deferred(Failure(Phase.CONTENT, Cause.CONNECTION_LOST)),
        refusal(Phase.RCPT, make_reply(421, "4.3.2 Closing")),
        Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "5.7.1 Spam"))),
    ],
)
def test_a_failed_transaction_is_the_last(verdict: Verdict) -> None:
    assert next_recipients((A, B), (), {A: verdict, B: OVER}) == ((), ())
