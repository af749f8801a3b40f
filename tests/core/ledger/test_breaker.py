"""The circuit breaker and the slots of a provider."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.ledger.breaker import (
    FAILURES_TO_OPEN,
    MAX_SLOTS,
    SLOTS_FOR_CALLERS,
    Admitted,
    AttemptReport,
    BreakerState,
    Left,
    Paused,
    SlotRequest,
    admit,
    leave,
)

NOW = 1_000_000.0
ACCEPTED = AttemptReport(has_accepted=True)
ANSWERED = AttemptReport()
UNREACHABLE = AttemptReport(failure="timeout")
FAULT = AttemptReport(failure="relay-auth-rejected", is_fault=True)


def enter(
    state: BreakerState, token: str, *, now: float = NOW, version_id: str = "v1", is_caller: bool = False
) -> Admitted | Paused:
    return admit(state, SlotRequest(version_id, token, now + 60, is_caller), now=now)


def report(state: BreakerState, result: AttemptReport, *, now: float = NOW, version_id: str = "v1") -> Left:
    """Make one attempt with this result."""
    entered = enter(state, "w", now=now, version_id=version_id)
    assert isinstance(entered, Admitted)
    return leave(entered.state, version_id=version_id, token="w", now=now, report=result)


def fail(state: BreakerState, times: int, *, now: float = NOW, version_id: str = "v1") -> BreakerState:
    for _ in range(times):
        state = report(state, UNREACHABLE, now=now, version_id=version_id).state
    return state


def full(slots: int = MAX_SLOTS) -> BreakerState:
    state = BreakerState()
    for number in range(slots):
        entered = enter(state, f"w{number}")
        assert isinstance(entered, Admitted)
        state = entered.state
    return state


def test_a_relay_has_five_slots() -> None:
    assert enter(full(), "one too many") == Paused(NOW + 5, is_open=False)


def test_one_slot_is_only_for_workers() -> None:
    assert enter(full(SLOTS_FOR_CALLERS), "caller", is_caller=True) == Paused(NOW + 5, is_open=False)
    assert isinstance(enter(full(SLOTS_FOR_CALLERS), "worker"), Admitted)


def test_a_repeated_request_keeps_its_slot() -> None:
    again = enter(full(), "w0")

    assert isinstance(again, Admitted)
    assert len(again.state.leases) == MAX_SLOTS


def test_an_expired_lease_frees_its_slot() -> None:
    assert isinstance(enter(full(), "later", now=NOW + 61), Admitted)


def test_AV2_five_failures_open_the_breaker() -> None:
    assert isinstance(enter(fail(BreakerState(), FAILURES_TO_OPEN - 1), "w"), Admitted)
    assert enter(fail(BreakerState(), FAILURES_TO_OPEN), "w") == Paused(NOW + 60, is_open=True, last_failure="timeout")


def test_AV2_one_worker_probes_after_the_pause() -> None:
    opened = fail(BreakerState(), FAILURES_TO_OPEN)
    probing = enter(opened, "probe", now=NOW + 61)

    assert isinstance(probing, Admitted)
    assert isinstance(enter(probing.state, "other", now=NOW + 61), Paused)


def test_AV2_a_success_closes_the_breaker() -> None:
    probing = enter(fail(BreakerState(), FAILURES_TO_OPEN), "probe", now=NOW + 61)
    assert isinstance(probing, Admitted)
    closed = leave(probing.state, version_id="v1", token="probe", now=NOW + 62, report=ACCEPTED).state

    assert closed == BreakerState("v1", last_success_at=NOW + 62)


def test_a_rejected_message_closes_the_breaker_but_is_no_success() -> None:
    closed = report(fail(BreakerState(), FAILURES_TO_OPEN), ANSWERED, now=NOW + 61).state

    assert closed == BreakerState("v1")


def test_AV2_each_failed_probe_doubles_the_pause_up_to_fifteen_minutes() -> None:
    state, now, pauses = fail(BreakerState(), FAILURES_TO_OPEN), NOW, []
    for _ in range(6):
        pauses.append(state.open_until - now)
        now = state.open_until
        state = fail(state, 1, now=now)
    assert pauses == [60, 120, 240, 480, 900, 900]


def test_AV2_a_new_version_of_the_secret_closes_the_breaker_at_once() -> None:
    opened = fail(BreakerState(), FAILURES_TO_OPEN)

    assert isinstance(enter(opened, "w", version_id="v2"), Admitted)


def test_a_failure_with_an_older_version_does_not_count_for_a_newer_one() -> None:
    newer = enter(BreakerState(), "new", version_id="v2")
    assert isinstance(newer, Admitted)
    after = leave(newer.state, version_id="v1", token="new", now=NOW, report=UNREACHABLE)

    assert after.state.failures == 0


def test_failures_are_counted_from_the_first_one_on() -> None:
    state = fail(fail(BreakerState(), 1), 2, now=NOW + 10)

    assert (state.failures, state.failing_since, state.last_failure) == (3, NOW, "timeout")


def test_an_attempt_is_counted_once() -> None:
    entered = enter(BreakerState(), "w")
    assert isinstance(entered, Admitted)
    left = leave(entered.state, version_id="v1", token="w", now=NOW, report=UNREACHABLE)

    assert leave(left.state, version_id="v1", token="w", now=NOW, report=UNREACHABLE) == left


def asked(*results: tuple[float, AttemptReport]) -> list[float]:
    """Return the times of the attempts that ask for a validation."""
    state, times = BreakerState(), []
    for at, result in results:
        left = report(state, result, now=NOW + at)
        state = left.state
        if left.asks_for_validation:
            times.append(at)
    return times


def test_the_first_fault_asks_for_a_validation_and_the_next_ones_do_not() -> None:
    assert asked((0, FAULT), (1, FAULT), (2, FAULT), (3, FAULT)) == [0]


def test_lasting_faults_ask_again_after_a_quarter_of_an_hour() -> None:
    assert asked((0, FAULT), (899, FAULT), (900, FAULT), (901, FAULT)) == [0, 900]


def test_a_recovery_asks_for_a_validation() -> None:
    assert asked((0, FAULT), (100, ACCEPTED), (200, ACCEPTED), (300, FAULT)) == [0, 100, 300]


def test_a_recovery_shortly_after_a_fault_asks_a_minute_later() -> None:
    assert asked((0, FAULT), (10, ACCEPTED), (59, ACCEPTED), (60, ACCEPTED), (130, ACCEPTED)) == [0, 60]


def test_a_flapping_relay_asks_at_most_once_a_minute() -> None:
    flapping = [(float(at), FAULT if at % 2 else ACCEPTED) for at in range(600)]

    times = asked(*flapping)

    assert min(later - earlier for earlier, later in pairwise(times)) >= 60


@pytest.mark.parametrize("result", [UNREACHABLE, ANSWERED, ACCEPTED])
def test_only_a_fault_asks_for_a_validation(result: AttemptReport) -> None:
    assert asked((0, result), (100, result)) == []


def test_a_refused_sender_asks_for_a_validation_and_opens_no_breaker() -> None:
    refused = AttemptReport(is_fault=True)

    assert asked((0, refused), (100, refused), (900, refused), (950, ACCEPTED), (1000, ACCEPTED)) == [0, 900, 1000]
    state = BreakerState("v1")
    for _ in range(2 * FAILURES_TO_OPEN):
        state = report(state, refused).state
    assert (state.failures, state.open_until) == (0, 0.0)


RESULTS = (FAULT, UNREACHABLE, ANSWERED, ACCEPTED, AttemptReport(is_fault=True), AttemptReport(is_busy=True))


@given(st.lists(st.tuples(st.sampled_from(RESULTS), st.integers(0, 100)), max_size=30))
def test_a_calm_breaker_is_changed_only_by_failures(steps: list[tuple[AttemptReport, int]]) -> None:
    state, now = BreakerState("v1"), NOW
    for result, seconds in steps:
        now += seconds
        if isinstance(enter(state, "w", now=now), Paused):
            continue
        left = report(state, result, now=now)
        if state.is_calm and result.is_calm:
            before = state.last_success_at
            at = now if result.has_accepted else before
            assert left == Left(BreakerState("v1", last_success_at=at, validation_at=state.validation_at))
        state = left.state


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 400)), max_size=60))
def test_there_are_never_more_slots_than_allowed(steps: list[tuple[int, bool, int]]) -> None:
    state, now = BreakerState(), NOW
    inside: dict[str, float] = {}
    for worker, has_failed, seconds in steps:
        now += seconds
        inside = {token: until for token, until in inside.items() if until > now}
        token = f"w{worker}"
        if token in inside:
            state = leave(
                state, version_id="v1", token=token, now=now, report=UNREACHABLE if has_failed else ACCEPTED
            ).state
            del inside[token]
        elif isinstance(entered := enter(state, token, now=now), Admitted):
            state = entered.state
            inside[token] = now + 60
        assert len(inside) <= MAX_SLOTS
        assert {lease.token for lease in state.leases if lease.until > now} == set(inside)
