"""A busy provider gets fewer slots; it is not counted as failed, and its queue is drained."""

import heapq
import itertools
import random
from collections.abc import Iterator

import pytest
from mailer.ledger import breaker
from mailer.ledger.breaker import MAX_SLOTS, Admitted, AttemptReport, BreakerState, Paused, SlotRequest
from mailer.ledger.lifecycle import claim, judge, requeue_busy, settle
from mailer.ledger.record import AttemptRecord, Record, State
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase, Verdict
from mailer.smtp.reply import Reply

from tests.core.ledger.test_lifecycle import ADA
from tests.core.ledger.test_lifecycle import record as waiting_record

NOW = 1_000_000.0
BUSY = AttemptReport(is_busy=True)


def admit(state: BreakerState, token: str, *, now: float = NOW, is_caller: bool = False) -> Admitted | Paused:
    return breaker.admit(state, SlotRequest("v1", token, now + 60, is_caller), now=now)


def leave(state: BreakerState, token: str, report: AttemptReport, *, now: float = NOW) -> BreakerState:
    return breaker.leave(state, version_id="v1", token=token, now=now, report=report).state


def enter(state: BreakerState, *tokens: str, now: float = NOW) -> BreakerState:
    for token in tokens:
        admission = admit(state, token, now=now)
        assert isinstance(admission, Admitted)
        state = admission.state
    return state


def free_slots(state: BreakerState, *, now: float = NOW) -> Iterator[str]:
    for number in itertools.count():
        admission = admit(state, f"free{number}", now=now)
        if isinstance(admission, Paused):
            return
        state = admission.state
        yield f"free{number}"


def test_a_busy_provider_gets_as_many_slots_as_it_had_connections() -> None:
    state = enter(BreakerState(), "a", "b", "c", "d", "e")
    for token in "cde":
        state = leave(state, token, BUSY)
    for token in "ab":
        state = leave(state, token, AttemptReport(has_accepted=True))

    assert len(list(free_slots(state))) == 2


def test_a_busy_provider_keeps_one_slot_for_workers_and_callers() -> None:
    state = BreakerState()
    for _ in range(10):
        state = leave(enter(state, "a"), "a", BUSY)

    assert len(list(free_slots(state))) == 1
    assert isinstance(admit(state, "caller", is_caller=True), Admitted)


def test_the_last_slot_of_a_busy_provider_is_for_workers() -> None:
    state = enter(BreakerState(), "a", "b", "c")
    state = leave(enter(leave(state, "c", BUSY), *()), "b", AttemptReport(has_accepted=True))

    assert isinstance(admit(state, "caller", is_caller=True), Paused)
    assert isinstance(admit(state, "worker"), Admitted)


def test_each_minute_a_busy_provider_gets_one_more_slot() -> None:
    state = leave(enter(BreakerState(), "a"), "a", BUSY)

    counts = [len(list(free_slots(state, now=NOW + 60 * minute))) for minute in range(6)]

    assert counts == [1, 2, 3, 4, 5, 5]


def test_a_provider_that_was_busy_is_calm_again() -> None:
    state = leave(enter(BreakerState(), "a"), "a", BUSY)

    assert not state.is_calm
    assert enter(state, "b", now=NOW + 60 * MAX_SLOTS).is_calm


def test_a_busy_provider_opens_no_breaker() -> None:
    state = BreakerState()
    for _ in range(20):
        state = leave(enter(state, "a"), "a", BUSY)

    assert (state.failures, state.open_until) == (0, 0.0)


def test_a_new_version_of_the_secret_gets_all_slots() -> None:
    state = leave(enter(BreakerState(), "a"), "a", BUSY)
    admission = breaker.admit(state, SlotRequest("v2", "b", NOW + 60), now=NOW)

    assert isinstance(admission, Admitted)
    assert admission.state.slots(NOW) == MAX_SLOTS


@pytest.mark.parametrize("connections", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_queue_of_a_relay_with_few_connections_is_drained(connections: int, seed: int) -> None:
    relay = _Relay(connections, random.Random(seed))
    waiting = [(NOW + number * 0.01, number, waiting_record(id=f"{number:032}")) for number in range(100)]
    heapq.heapify(waiting)
    sent_at: list[float] = []
    while waiting:
        now, number, record = heapq.heappop(waiting)
        assert now < NOW + 420, f"{100 - len(sent_at)} messages wait for an idle relay"
        record = relay.deliver(record, f"w{number}", now)
        if record.state is State.SENT:
            sent_at.append(now)
        else:
            assert record.due_at is not None
            heapq.heappush(waiting, (relay.due(record), number, record))

    assert len(sent_at) == 100


class _Relay:
    """A relay that takes some connections at a time, each for a second, and its workers."""

    def __init__(self, connections: int, chances: random.Random) -> None:
        self._connections = connections
        self._chances = chances
        self._state = BreakerState()
        self._running: list[tuple[float, str]] = []
        self._delays: dict[str, float] = {}

    def deliver(self, record: Record, token: str, now: float) -> Record:
        while self._running and self._running[0][0] <= now:
            ended, done = heapq.heappop(self._running)
            self._state = leave(self._state, done, AttemptReport(has_accepted=True), now=ended)
        chance = self._chances.random()
        admission = admit(self._state, token, now=now)
        if isinstance(admission, Paused):
            assert not admission.is_open
            record, delay = requeue_busy(record, now=now, chance=chance)
            self._delays[record.id] = now + delay
            return record
        self._state = admission.state
        claimed = claim(record, now=now, lease_until=now + 60)
        verdict: Verdict = Accepted(Reply(250))
        if len(self._running) >= self._connections:
            self._state = leave(self._state, token, BUSY, now=now)
            verdict = Deferred(Failure(Phase.GREETING, Cause.TOO_MANY_CONNECTIONS))
        else:
            heapq.heappush(self._running, (now + 1.0, token))
        attempt = AttemptRecord(now, "project-smtp", "v1", None)
        judged = judge(claimed, attempt, {ADA: verdict}, now=now, chance=chance)
        settled = settle(judged, now=now, chance=chance)
        if settled.due_at is not None:
            self._delays[settled.id] = settled.due_at
        return settled

    def due(self, record: Record) -> float:
        """Return when a worker is called for the message."""
        return self._delays[record.id]
