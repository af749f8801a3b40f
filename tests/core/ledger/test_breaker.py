"""The circuit breaker and the worker slots of a provider."""

from hypothesis import given
from hypothesis import strategies as st
from mailer.ledger.breaker import FAILURES_TO_OPEN, MAX_WORKERS, Admitted, BreakerState, Paused, admit, leave

NOW = 1_000_000.0


def enter(state: BreakerState, token: str, *, now: float = NOW, version_id: str = "v1") -> Admitted | Paused:
    return admit(state, version_id=version_id, token=token, now=now, until=now + 60)


def fail(state: BreakerState, times: int, *, now: float = NOW, version_id: str = "v1") -> BreakerState:
    for number in range(times):
        entered = enter(state, f"w{number}", now=now, version_id=version_id)
        assert isinstance(entered, Admitted)
        state = leave(entered.state, version_id=version_id, token=f"w{number}", now=now, has_failed=True)
    return state


def test_a_relay_has_five_worker_slots() -> None:
    state = BreakerState()
    for number in range(MAX_WORKERS):
        entered = enter(state, f"w{number}")
        assert isinstance(entered, Admitted)
        state = entered.state
    assert enter(state, "one too many") == Paused(NOW + 5, is_open=False)


def test_an_expired_lease_frees_its_worker_slot() -> None:
    state = BreakerState()
    for number in range(MAX_WORKERS):
        entered = enter(state, f"w{number}")
        assert isinstance(entered, Admitted)
        state = entered.state
    assert isinstance(enter(state, "later", now=NOW + 61), Admitted)


def test_AV2_five_failures_open_the_breaker() -> None:
    assert isinstance(enter(fail(BreakerState(), FAILURES_TO_OPEN - 1), "w"), Admitted)
    assert enter(fail(BreakerState(), FAILURES_TO_OPEN), "w") == Paused(NOW + 60, is_open=True)


def test_AV2_one_worker_tries_for_all_after_the_pause() -> None:
    opened = fail(BreakerState(), FAILURES_TO_OPEN)
    probing = enter(opened, "probe", now=NOW + 61)

    assert isinstance(probing, Admitted)
    assert isinstance(enter(probing.state, "other", now=NOW + 61), Paused)


def test_AV2_a_success_closes_the_breaker() -> None:
    probing = enter(fail(BreakerState(), FAILURES_TO_OPEN), "probe", now=NOW + 61)
    assert isinstance(probing, Admitted)
    closed = leave(probing.state, version_id="v1", token="probe", now=NOW + 62, has_failed=False)

    assert (closed.failures, closed.open_until) == (0, 0.0)


def test_AV2_a_failed_probe_pauses_longer_up_to_a_quarter_of_an_hour() -> None:
    state, now, pauses = fail(BreakerState(), FAILURES_TO_OPEN), NOW, []
    for _ in range(6):
        pauses.append(state.open_until - now)
        now = state.open_until
        state = fail(state, 1, now=now)
    assert pauses == [60, 120, 240, 480, 900, 900]


def test_AV2_a_new_version_of_the_secret_closes_the_breaker_at_once() -> None:
    opened = fail(BreakerState(), FAILURES_TO_OPEN)

    assert isinstance(enter(opened, "w", version_id="v2"), Admitted)


def test_a_worker_of_an_older_version_does_not_count_for_the_newer_one() -> None:
    newer = enter(BreakerState(), "new", version_id="v2")
    assert isinstance(newer, Admitted)
    after = leave(newer.state, version_id="v1", token="old", now=NOW, has_failed=True)

    assert after.failures == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 400)), max_size=60))
def test_there_are_never_more_workers_than_allowed(steps: list[tuple[int, bool, int]]) -> None:
    state, now = BreakerState(), NOW
    inside: dict[str, float] = {}
    for worker, has_failed, seconds in steps:
        now += seconds
        inside = {token: until for token, until in inside.items() if until > now}
        token = f"w{worker}"
        if token in inside:
            state = leave(state, version_id="v1", token=token, now=now, has_failed=has_failed)
            del inside[token]
        elif isinstance(entered := enter(state, token, now=now), Admitted):
            state = entered.state
            inside[token] = now + 60
        assert len(inside) <= MAX_WORKERS
        assert {lease.token for lease in state.leases if lease.until > now} == set(inside)
