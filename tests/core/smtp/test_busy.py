"""A relay that takes no further connection is busy: deferred, and not counted as broken. The replies are real ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.smtp.busy import name_busy
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase
from mailer.smtp.reply import make_reply
from mailer.smtp.verdict import judge_session, refusal


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        (Phase.GREETING, 421, "4.7.0 relay.example.com Error: too many connections from 192.0.2.1"),
        (Phase.GREETING, 421, "Too many concurrent SMTP connections; please try again later."),
        (Phase.GREETING, 421, "4.3.2 Service not available"),
        (Phase.EHLO, 421, "4.3.2 Too many open connections."),
        (Phase.AUTH, 421, "4.3.2 Maximum number of connections from user+IP exceeded"),
        (Phase.AUTH, 432, "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending"),
        (Phase.MAIL, 421, "4.7.0 Too many simultaneous connections from this address"),
        (Phase.FINAL, 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"),
    ],
)
def test_a_relay_that_says_so_is_busy(phase: Phase, code: int, text: str) -> None:
    reply = make_reply(code, text)

    assert name_busy(Failure(phase, Cause.REPLY, reply)) == Failure(phase, Cause.TOO_MANY_CONNECTIONS, reply)


def test_a_relay_that_closes_the_connection_at_the_greeting_is_busy() -> None:
    assert name_busy(Failure(Phase.GREETING, Cause.CONNECTION_LOST)).cause is Cause.TOO_MANY_CONNECTIONS


@pytest.mark.parametrize(
    "failure",
    [
        Failure(Phase.CONNECT, Cause.REFUSED),
        Failure(Phase.GREETING, Cause.TIMEOUT),
        Failure(Phase.EHLO, Cause.CONNECTION_LOST),
        Failure(Phase.MAIL, Cause.CONNECTION_LOST),
        Failure(Phase.GREETING, Cause.REPLY, make_reply(554, "5.7.1 too many connections")),
        Failure(Phase.GREETING, Cause.REPLY, make_reply(451, "4.3.0 Temporary failure")),
        Failure(Phase.AUTH, Cause.REPLY, make_reply(454, "4.7.0 Too many login attempts")),
        Failure(Phase.MAIL, Cause.REPLY, make_reply(421, "4.7.0 Too many messages in this session")),
        Failure(Phase.RCPT, Cause.REPLY, make_reply(452, "4.5.3 Too many recipients")),
    ],
)
def test_any_other_failure_keeps_its_cause(failure: Failure) -> None:
    assert name_busy(failure) == failure


@given(st.sampled_from(list(Phase)), st.integers(400, 499), st.text(max_size=200))
def test_a_busy_relay_changes_no_verdict(phase: Phase, code: int, text: str) -> None:
    failure = name_busy(Failure(phase, Cause.REPLY, make_reply(code, text)))

    assert isinstance(judge_session(failure), Deferred)
    assert isinstance(refusal(phase, make_reply(code, text)), Deferred)
