"""What a reply to MAIL or RCPT refuses. The replies are those of real servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, RelayError
from mailer.smtp.refused import Refused, what_is_refused
from mailer.smtp.reply import make_reply
from mailer.smtp.verdict import judge_probe, judge_probe_recipient


def failure(phase: Phase, code: int, text: str) -> Failure:
    return Failure(phase, Cause.REPLY, make_reply(code, text))


@pytest.mark.parametrize(
    ("phase", "code", "text", "refused"),
    [
        (Phase.RCPT, 554, "5.7.1 <ada@example.net>: Relay access denied", Refused.LOGIN),
        (Phase.RCPT, 454, "4.7.1 <ada@example.net>: Relay access denied", Refused.LOGIN),
        (Phase.RCPT, 550, "relay not permitted", Refused.LOGIN),
        (Phase.RCPT, 550, "5.7.1 We do not relay", Refused.LOGIN),
        (Phase.RCPT, 530, "5.7.0 Authentication required", Refused.LOGIN),
        (Phase.MAIL, 550, "5.7.9 must be authenticated", Refused.LOGIN),
        (Phase.MAIL, 530, "5.5.1 Invalid command: Must issue an AUTH command first", Refused.LOGIN),
        (Phase.RCPT, 450, "4.1.8 <me@acme.example>: Sender address rejected: Domain not found", Refused.SENDER),
        (Phase.RCPT, 550, "5.1.0 <me@acme.example> Sender rejected", Refused.SENDER),
        (Phase.MAIL, 553, "5.1.8 <me@acme.example>... Domain of sender address does not exist", Refused.SENDER),
        (Phase.MAIL, 517, "Domain does not exist: acme.example.", Refused.SENDER),
        (Phase.MAIL, 550, "5.7.1 no", Refused.SENDER),
        (Phase.RCPT, 550, "5.1.1 <ada@example.net>: Recipient address rejected: User unknown", Refused.RECIPIENT),
        (Phase.RCPT, 550, "5.7.1 Message blocked, see relays.example.org", Refused.RECIPIENT),
        (Phase.RCPT, 552, "5.2.2 Mailbox full", Refused.RECIPIENT),
        (Phase.RCPT, 451, "4.7.1 Greylisted, try again", Refused.RECIPIENT),
        (Phase.MAIL, 552, "5.3.4 Message size exceeds fixed limit", Refused.MESSAGE),
        (Phase.MAIL, 534, "SIZE=Message too big.", Refused.MESSAGE),
        (Phase.MAIL, 555, "5.5.4 Unsupported option: SIZE=10", Refused.MESSAGE),
        (Phase.MAIL, 451, "4.3.0 Temporary failure", Refused.MESSAGE),
        (Phase.FINAL, 550, "5.7.1 Sender address rejected", Refused.MESSAGE),
    ],
)  # fmt: skip
def test_the_code_and_the_text_tell_what_is_refused(phase: Phase, code: int, text: str, refused: Refused) -> None:
    assert what_is_refused(failure(phase, code, text)) is refused


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("554 5.7.1 Relay access denied", RelayError),
        ("553 5.7.1 Sender address rejected: not owned by user", Rejected),
        ("454 4.7.1 Relay access denied", Deferred),
        ("450 4.1.8 Sender address rejected: Domain not found", Deferred),
        ("421 4.3.2 Shutting down", Deferred),
    ],
)
def test_a_probe_fails_if_RCPT_refuses_the_sender_or_the_login(text: str, verdict: type) -> None:
    failed = judge_probe_recipient(make_reply(int(text[:3]), text[4:]))

    assert failed is not None
    assert isinstance(judge_probe(failed), verdict)


@pytest.mark.parametrize("code", [250, 251, 450, 550, 553])
def test_a_probe_passes_if_RCPT_is_accepted_or_refuses_the_recipient(code: int) -> None:
    assert judge_probe_recipient(make_reply(code, "mailbox")) is None


@given(st.sampled_from([Phase.MAIL, Phase.RCPT]), st.integers(400, 599), st.text(max_size=300))
def test_every_reply_refuses_something(phase: Phase, code: int, text: str) -> None:
    refused = what_is_refused(failure(phase, code, text))

    assert refused is not (Refused.RECIPIENT if phase is Phase.MAIL else Refused.MESSAGE)
