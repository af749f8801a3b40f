"""The lifecycle of a message: the next state after each outcome, due times and expiry."""

from copy import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.ledger.lifecycle import (
    MAX_CLAIMS,
    QUEUE_GUARD_SECONDS,
    REPEAT_AFTER_SECONDS,
    Assessment,
    Reason,
    assess,
    claim,
    conclude,
    hold,
    judge,
    mark_sending,
    postpone,
    recheck,
    requeue,
    requeue_busy,
    retry,
    settle,
    settle_lost,
)
from mailer.ledger.recipients import MAX_ATTEMPTS_KEPT, note_failover, recipients_to_serve
from mailer.ledger.record import (
    FINAL_STATES,
    MAX_AGE_SECONDS,
    AttemptRecord,
    AttemptResult,
    OnUnknown,
    RecipientRecord,
    Record,
    SenderRecord,
    State,
)
from mailer.message.address import Address
from mailer.smtp.outcome import (
    Accepted,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import Reply

from tests.fakes import ACCEPTED
from tests.support.projects import ACME

NOW = 1_000_000.0
ADA, BOB = Address("ada", "example.net"), Address("bob", "example.net")
SENDER = SenderRecord(None, "hello@acme.example", "default")
DEFERRED = Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450)))
REJECTED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))
UNKNOWN = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))
THROTTLED = Deferred(Failure(Phase.FINAL, Cause.THROTTLED, Reply(451)))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))
VERDICTS: tuple[Verdict, ...] = (ACCEPTED, DEFERRED, REJECTED, UNKNOWN, THROTTLED, AUTH_REJECTED)


def record(*recipients: Address, **changes: object) -> Record:
    fresh = Record(
        id="0" * 32,
        project_id=ACME,
        state=State.QUEUED,
        created_at=NOW,
        updated_at=NOW,
        expires_at=NOW + MAX_AGE_SECONDS,
        recipients=tuple(map(RecipientRecord, recipients or (ADA,))),
        due_at=NOW,
        has_content=True,
    )
    return msgspec.structs.replace(fresh, **changes)


def attempt(at: float = NOW) -> AttemptRecord:
    return AttemptRecord(at, "project-smtp", "version-1", "mail.acme.example:587")


def sending(of: Record, at: float = NOW) -> Record:
    return mark_sending(
        claim(of, now=at, lease_until=at + 60), attempt(at), message_id="<1@acme.example>", sender=SENDER
    )


def settled(of: Record, *verdicts: Verdict, at: float = NOW) -> Record:
    addresses = [each.address for each in of.recipients]
    judged = judge(sending(of, at), attempt(at), dict(zip(addresses, verdicts, strict=False)), now=at, chance=0.0)
    return settle(judged, now=at, chance=0.0)


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (ACCEPTED, State.SENT),
        (REJECTED, State.REJECTED),
        (UNKNOWN, State.UNKNOWN),
        (DEFERRED, State.DEFERRED),
        (AUTH_REJECTED, State.HELD),
    ],
)
def test_each_verdict_leads_to_its_state(verdict: Verdict, state: State) -> None:
    assert settled(record(), verdict).state is state


@pytest.mark.parametrize("verdict", [DEFERRED, AUTH_REJECTED])
def test_an_unaccepted_message_without_content_has_failed(verdict: Verdict) -> None:
    after = settled(record(has_content=False), verdict)

    assert (after.state, after.is_final) == (State.FAILED, True)


def test_a_message_with_some_accepted_recipients_is_partially_sent() -> None:
    assert settled(record(ADA, BOB), ACCEPTED, REJECTED).state is State.PARTIALLY_SENT


def test_HR21_only_the_deferred_recipient_is_tried_again() -> None:
    after = settled(record(ADA, BOB), ACCEPTED, DEFERRED)

    assert (after.state, recipients_to_serve(after, now=NOW)) == (State.DEFERRED, (BOB,))


def test_the_backoff_grows_from_one_minute_to_two_hours() -> None:
    waits = []
    current, now = record(), NOW
    for _ in range(5):
        current = settled(current, DEFERRED, at=now)
        assert current.due_at is not None
        waits.append(current.due_at - now)
        now = current.due_at
    assert waits == [60, 300, 1800, 7200, 7200]


def test_no_backoff_goes_beyond_the_expiry() -> None:
    after = settled(record(expires_at=NOW + 30), DEFERRED)

    assert after.due_at == NOW + 30
    assert assess(after, now=NOW + 30) is Assessment.OVERDUE


def test_a_throttled_message_waits_only_seconds() -> None:
    first = settled(record(), THROTTLED)
    second = settled(first, THROTTLED)

    assert first.due_at is not None
    assert second.due_at is not None
    assert (first.due_at - NOW, second.due_at - NOW) == (2.5, 5.0)


def test_throttling_does_not_lengthen_the_backoff() -> None:
    current = record()
    for _ in range(5):
        current = settled(current, THROTTLED)
    assert settled(current, DEFERRED).due_at == NOW + 60


def test_a_possible_copy_is_known_after_many_more_attempts() -> None:
    current = settled(record(on_unknown=OnUnknown.RETRY), UNKNOWN)
    for _ in range(MAX_ATTEMPTS_KEPT + 5):
        current = settled(current, THROTTLED, at=NOW + REPEAT_AFTER_SECONDS)

    assert len(current.attempts) == MAX_ATTEMPTS_KEPT
    assert any(each.result is AttemptResult.UNKNOWN for each in current.attempts)
    assert conclude(current, State.EXPIRED, "expired", now=NOW).state is State.UNKNOWN


def test_the_number_of_unknown_attempts_is_limited() -> None:
    current = record()
    for _ in range(MAX_ATTEMPTS_KEPT + 5):
        current = settled(retry(current, now=NOW), UNKNOWN)

    assert len(current.attempts) == MAX_ATTEMPTS_KEPT


def failed_over(of: Record, verdict: Verdict) -> Record:
    return note_failover(judge(of, attempt(), {ADA: verdict}, now=NOW, chance=0.0), now=NOW)


def test_several_failovers_count_as_one_try_for_the_backoff() -> None:
    current = sending(record())
    for _ in range(3):
        current = failed_over(current, DEFERRED)
    after = settled(current, DEFERRED)

    assert after.due_at == NOW + 60


def test_the_number_of_failover_attempts_is_limited() -> None:
    current = settled(record(on_unknown=OnUnknown.RETRY), UNKNOWN)
    for _ in range(MAX_ATTEMPTS_KEPT + 5):
        current = failed_over(current, THROTTLED)

    assert len(current.attempts) == MAX_ATTEMPTS_KEPT
    assert any(each.result is AttemptResult.UNKNOWN for each in current.attempts)


def test_an_unknown_outcome_is_final_under_hold() -> None:
    after = settled(record(), UNKNOWN)

    assert (after.is_final, assess(after, now=NOW + 10**6)) == (True, Assessment.DONE)


def test_an_unknown_outcome_is_repeated_once_under_retry() -> None:
    first = settled(record(on_unknown=OnUnknown.RETRY), UNKNOWN)

    assert (first.state, first.is_final, first.due_at) == (State.UNKNOWN, False, NOW + REPEAT_AFTER_SECONDS)
    assert assess(first, now=NOW + REPEAT_AFTER_SECONDS - 1) is Assessment.WAIT
    assert assess(first, now=NOW + REPEAT_AFTER_SECONDS) is Assessment.READY
    due = NOW + REPEAT_AFTER_SECONDS
    assert recipients_to_serve(first, now=due - 1) == ()
    assert recipients_to_serve(first, now=due) == (ADA,)
    assert settled(first, UNKNOWN, at=due).is_final


def test_an_unknown_outcome_is_final_if_its_repeat_would_come_after_expiry() -> None:
    assert settled(record(on_unknown=OnUnknown.RETRY, expires_at=NOW + 60), UNKNOWN).is_final


def test_a_repeat_that_is_rejected_leaves_the_message_unknown() -> None:
    first = settled(record(on_unknown=OnUnknown.RETRY), UNKNOWN)
    second = settled(first, REJECTED)

    assert (second.state, second.is_final) == (State.UNKNOWN, True)


def test_DU6_an_expired_claim_is_ready_again() -> None:
    claimed = claim(record(), now=NOW, lease_until=NOW + 60)

    assert assess(claimed, now=NOW + 59) is Assessment.WAIT
    assert assess(claimed, now=NOW + 60) is Assessment.READY


def test_an_expired_claim_without_content_is_abandoned() -> None:
    claimed = claim(record(has_content=False), now=NOW, lease_until=NOW + 60)

    assert assess(claimed, now=NOW + 60) is Assessment.ABANDONED


def test_DU6_an_expired_sending_mark_means_lost_and_never_ready() -> None:
    assert assess(sending(record()), now=NOW + 59) is Assessment.WAIT
    assert assess(sending(record()), now=NOW + 10**9) is Assessment.LOST


def test_a_lost_worker_makes_only_its_recipients_unknown() -> None:
    waiting = settled(record(ADA, BOB), ACCEPTED, DEFERRED)
    lost = settle_lost(sending(waiting), now=NOW + 60, chance=0.0)

    verdicts = {each.address: type(each.verdict) for each in lost.recipients}
    assert verdicts == {ADA: Accepted, BOB: Unknown}
    assert lost.attempts[-1].result is AttemptResult.UNKNOWN


def test_a_worker_lost_during_a_repeat_makes_the_unknown_outcome_final() -> None:
    repeating = settled(record(on_unknown=OnUnknown.RETRY), UNKNOWN)

    due = NOW + REPEAT_AFTER_SECONDS

    lost = settle_lost(sending(requeue(repeating, now=due), due), now=due + 60, chance=0.0)

    assert (lost.state, lost.is_final) == (State.UNKNOWN, True)
    assert [each.result for each in lost.attempts] == [AttemptResult.UNKNOWN, AttemptResult.UNKNOWN]


def test_QD6_a_message_that_crashes_its_workers_fails() -> None:
    current = record()
    for _ in range(MAX_CLAIMS):
        assert assess(current, now=NOW) is Assessment.READY
        current = claim(current, now=NOW, lease_until=NOW)
    assert assess(current, now=NOW) is Assessment.CRASHING


def test_a_finished_attempt_resets_the_claims() -> None:
    assert settled(record(claims=3), DEFERRED).claims == 0


def test_the_current_attempt_gets_its_result() -> None:
    after = settled(record(), ACCEPTED)

    assert [each.result for each in after.attempts] == [AttemptResult.ACCEPTED]
    assert after.attempts[0].failure is None


@pytest.mark.parametrize("state", [State.QUEUED, State.DEFERRED, State.HELD])
def test_an_expired_message_is_overdue(state: State) -> None:
    late = record(state=state, due_at=NOW)

    assert assess(late, now=late.expires_at) is Assessment.OVERDUE


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_a_final_record_is_done(state: State) -> None:
    assert assess(record(state=state, due_at=None), now=NOW + 10**9) is Assessment.DONE


def test_a_conclusion_keeps_accepted_and_unknown_recipients() -> None:
    partly = settled(record(ADA, BOB), ACCEPTED, DEFERRED)
    perhaps = settled(record(on_unknown=OnUnknown.RETRY), UNKNOWN)

    assert conclude(partly, State.EXPIRED, Reason.EXPIRED, now=NOW).state is State.PARTIALLY_SENT
    assert conclude(perhaps, State.CANCELLED, "cancelled", now=NOW).state is State.UNKNOWN
    assert conclude(record(), State.EXPIRED, Reason.EXPIRED, now=NOW).state is State.EXPIRED


def test_a_retry_serves_every_recipient_without_acceptance() -> None:
    unknown = settled(record(ADA, BOB), UNKNOWN, ACCEPTED)
    again = retry(unknown, now=NOW + 10)

    assert (again.state, recipients_to_serve(again, now=NOW)) == (State.QUEUED, (ADA,))
    assert again.attempts == unknown.attempts


def test_a_retry_extends_the_expiry_by_a_day_within_the_validity() -> None:
    ended = record(state=State.EXPIRED, due_at=None, expires_at=NOW - 1)

    assert retry(ended, now=NOW).expires_at == NOW + MAX_AGE_SECONDS
    assert retry(replace(ended, valid_until=NOW + 60), now=NOW).expires_at == NOW + 60


def test_each_wait_for_a_busy_transport_is_longer_and_counts_no_attempt() -> None:
    delays = []
    current = record()
    for _ in range(9):
        current, delay = requeue_busy(current, now=NOW, chance=0.5)
        delays.append(delay)
    assert delays == [5, 10, 20, 40, 80, 120, 120, 120, 120]
    assert current.attempts == ()
    assert current.due_at == NOW + 120 + QUEUE_GUARD_SECONDS


@given(
    verdicts=st.lists(st.sampled_from(VERDICTS), min_size=2, max_size=2),
    on_unknown=st.sampled_from(OnUnknown),
    has_content=st.booleans(),
    chance=st.floats(0, 0.999),
)
def test_only_records_that_are_not_final_have_a_due_time(
    verdicts: list[Verdict], on_unknown: OnUnknown, has_content: bool, chance: float
) -> None:
    before = sending(record(ADA, BOB, on_unknown=on_unknown, has_content=has_content))
    judged = judge(before, attempt(), dict(zip((ADA, BOB), verdicts, strict=True)), now=NOW, chance=chance)
    after = settle(judged, now=NOW, chance=chance)

    if after.state in FINAL_STATES - {State.UNKNOWN}:
        assert after.due_at is None
    elif after.state is not State.UNKNOWN:
        assert after.due_at is not None
        assert NOW < after.due_at <= after.expires_at
    assert after.is_final == (after.due_at is None)
    assert not after.is_final or not (has_content and any(verdict in (DEFERRED, THROTTLED) for verdict in verdicts))


@pytest.mark.parametrize(
    "waiting",
    [
        hold(record(), "project-smtp-invalid", now=NOW, recheck_at=NOW + 10**9),
        postpone(record(), now=NOW, until=NOW + 10**9),
        recheck(record(state=State.HELD, expires_at=NOW + 5), now=NOW),
    ],
)
def test_no_message_waits_beyond_its_expiry(waiting: Record) -> None:
    assert waiting.due_at == waiting.expires_at


def test_a_message_is_not_ready_before_its_wait_for_a_busy_transport_ends() -> None:
    waiting, delay = requeue_busy(record(), now=NOW, chance=0.5)

    assert assess(waiting, now=NOW) is Assessment.WAIT
    assert assess(waiting, now=NOW + delay) is Assessment.READY


def test_a_queued_message_is_due_again_if_no_worker_comes() -> None:
    assert requeue(record(), now=NOW).due_at == NOW + QUEUE_GUARD_SECONDS
