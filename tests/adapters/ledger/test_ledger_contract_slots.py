"""Contract tests for the slots and breakers of providers: as the pure functions say, also under concurrency."""

from concurrent.futures import ThreadPoolExecutor

from mailer.ledger.breaker import (
    FAILURES_TO_OPEN,
    MAX_SLOTS,
    SLOTS_FOR_CALLERS,
    AttemptReport,
    BreakerState,
    Paused,
    SlotLease,
    SlotRequest,
)
from mailer.ports import Ledger

from tests.support.ledger_setup import ACME, NOW, OTHER

ACCEPTED = AttemptReport(has_accepted=True)
FAILED = AttemptReport(failure="timeout")
REJECTED_LOGIN = AttemptReport(failure="relay-auth-rejected", is_fault=True)


def take(
    ledger: Ledger, token: str, *, now: float = NOW, version_id: str = "v1", is_caller: bool = False
) -> Paused | None:
    return ledger.take_slot(ACME, "smtp", SlotRequest(version_id, token, now + 60, is_caller), now=now)


def leave(
    ledger: Ledger, token: str, report: AttemptReport | None = ACCEPTED, *, now: float = NOW, version_id: str = "v1"
) -> bool:
    return ledger.leave_slot(ACME, "smtp", version_id=version_id, token=token, report=report, now=now)


def fail(ledger: Ledger, times: int, report: AttemptReport = FAILED, *, now: float = NOW) -> None:
    for number in range(times):
        assert take(ledger, f"w{number}", now=now) is None
        leave(ledger, f"w{number}", report, now=now)


def test_a_provider_without_a_stored_breaker_has_a_new_one(ledger: Ledger) -> None:
    assert ledger.breaker(ACME, "smtp") == BreakerState()


def test_a_slot_is_taken_and_left(ledger: Ledger) -> None:
    assert take(ledger, "a") is None
    assert take(ledger, "b") is None
    assert ledger.breaker(ACME, "smtp").leases == (SlotLease("a", NOW + 60), SlotLease("b", NOW + 60))

    assert not leave(ledger, "a", now=NOW + 0.5)

    assert ledger.breaker(ACME, "smtp") == BreakerState(
        "v1", last_success_at=NOW + 0.5, leases=(SlotLease("b", NOW + 60),)
    )
    assert ledger.breaker(OTHER, "smtp") == BreakerState()


def test_an_attempt_without_an_acceptance_is_no_success(ledger: Ledger) -> None:
    for token, report in (("a", None), ("b", AttemptReport())):
        take(ledger, token)
        leave(ledger, token, report)

    assert ledger.breaker(ACME, "smtp") == BreakerState("v1")


def test_there_are_as_many_slots_as_allowed(ledger: Ledger) -> None:
    taken = [take(ledger, f"w{number}") for number in range(MAX_SLOTS + 1)]

    assert taken == [None] * MAX_SLOTS + [Paused(NOW + 5, is_open=False)]
    leave(ledger, "w0")
    assert take(ledger, "next") is None


def test_the_last_slot_is_not_for_callers(ledger: Ledger) -> None:
    taken = [take(ledger, f"c{number}", is_caller=True) for number in range(SLOTS_FOR_CALLERS + 1)]

    assert [each is None for each in taken] == [True] * SLOTS_FOR_CALLERS + [False]
    assert take(ledger, "worker") is None


def test_expired_leases_free_their_slots(ledger: Ledger) -> None:
    for number in range(MAX_SLOTS):
        take(ledger, f"w{number}")

    assert take(ledger, "later", now=NOW + 60) is None
    assert [lease.token for lease in ledger.breaker(ACME, "smtp").leases] == ["later"]


def test_concurrent_requests_never_take_more_slots_than_allowed(ledger: Ledger) -> None:
    take(ledger, "first")
    leave(ledger, "first")
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda number: take(ledger, f"w{number}"), range(8)))

    assert taken.count(None) == MAX_SLOTS
    assert len(ledger.breaker(ACME, "smtp").leases) == MAX_SLOTS


def test_concurrent_failures_are_all_counted(ledger: Ledger) -> None:
    for number in range(MAX_SLOTS):
        take(ledger, f"w{number}")
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda number: leave(ledger, f"w{number}", FAILED), range(MAX_SLOTS)))

    assert ledger.breaker(ACME, "smtp").failures == MAX_SLOTS


def test_failures_open_the_breaker_until_the_pause_ends(ledger: Ledger) -> None:
    fail(ledger, FAILURES_TO_OPEN)

    assert take(ledger, "w") == Paused(NOW + 60, is_open=True, last_failure="timeout")
    assert take(ledger, "probe", now=NOW + 60) is None
    assert take(ledger, "other", now=NOW + 60) == Paused(NOW + 65, is_open=True, last_failure="timeout")
    leave(ledger, "probe", now=NOW + 61)
    assert ledger.breaker(ACME, "smtp") == BreakerState("v1", last_success_at=NOW + 61)


def test_a_new_version_of_the_secret_is_tried_at_once(ledger: Ledger) -> None:
    fail(ledger, FAILURES_TO_OPEN)

    assert take(ledger, "w", version_id="v2") is None
    assert ledger.breaker(ACME, "smtp") == BreakerState("v2", leases=(SlotLease("w", NOW + 60),))


def test_an_attempt_with_an_older_version_does_not_count_for_a_newer_one(ledger: Ledger) -> None:
    take(ledger, "old")
    take(ledger, "new", version_id="v2")
    leave(ledger, "old", FAILED)

    assert ledger.breaker(ACME, "smtp") == BreakerState("v2", leases=(SlotLease("new", NOW + 60),))


def test_the_first_fault_and_the_recovery_ask_for_a_validation(ledger: Ledger) -> None:
    asked = []
    for number, report in enumerate((REJECTED_LOGIN, REJECTED_LOGIN, ACCEPTED, ACCEPTED)):
        now = NOW + 100 * number
        take(ledger, "w", now=now)
        asked.append(leave(ledger, "w", report, now=now))

    assert asked == [True, False, True, False]


def test_a_slot_that_was_left_is_not_left_again(ledger: Ledger) -> None:
    take(ledger, "w")
    leave(ledger, "w", FAILED)
    leave(ledger, "w", FAILED)

    assert ledger.breaker(ACME, "smtp").failures == 1


def test_a_busy_provider_gets_fewer_slots_for_a_while(ledger: Ledger) -> None:
    for token in "abc":
        assert take(ledger, token) is None
    leave(ledger, "c", AttemptReport(is_busy=True))
    leave(ledger, "b")

    assert take(ledger, "d") is None
    assert take(ledger, "e") == Paused(NOW + 5, is_open=False)
    assert take(ledger, "caller", is_caller=True) == Paused(NOW + 5, is_open=False)

    later = NOW + 60
    assert take(ledger, "e", now=later - 1) == Paused(later + 4, is_open=False)
    assert take(ledger, "e", now=later) is None


def test_a_provider_that_was_busy_has_all_slots_again(ledger: Ledger) -> None:
    assert take(ledger, "a") is None
    leave(ledger, "a", AttemptReport(is_busy=True))
    later = NOW + 60 * MAX_SLOTS
    for number in range(MAX_SLOTS):
        assert take(ledger, f"w{number}", now=later) is None

    assert ledger.breaker(ACME, "smtp").is_calm
