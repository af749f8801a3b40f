"""One run: a number of events, until every message is final, and one more day; and its result."""

import time
from dataclasses import dataclass, field

from mailer.ledger.record import AttemptResult, State

from tests.chaos.callers import SPAN_SECONDS, Plan, schedule_events
from tests.chaos.checker import account, extra_copies, violations
from tests.chaos.facts import Told
from tests.chaos.limits import leaks
from tests.chaos.liveness import floor, lifeless
from tests.chaos.world import START, World

HOUR = 3600.0
# After all faults ended the longest backoff is two hours plus a fifth.
REST_SECONDS = 4 * HOUR
# Held messages have expired then: no message lives longer than a day.
END_SECONDS = 27 * HOUR


@dataclass(frozen=True)
class Result:
    """A run's result; it passed if `wrong` is empty. `floor` is how many messages nothing hindered."""

    seed: str
    seconds: float
    submissions: int
    accepted: int
    refused: int
    unanswered: int
    floor: int
    sent: int
    extra_copies: int
    unknown_attempts: int
    at_rest: dict[str, int] = field(default_factory=dict)
    at_the_end: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


def run(world: World, events: int) -> Result:
    """Run a new world."""
    try:
        return _run(world, events)
    finally:
        world.schedule.close()


def _run(world: World, events: int) -> Result:
    began = time.perf_counter()
    schedule_events(world, Plan(events))
    world.tick()
    wrong: list[str] = []
    for hour in range(1, int(SPAN_SECONDS / HOUR) + 1):
        world.schedule.run_until(START + hour * HOUR)
        wrong += [f"hour {hour}: {each}" for each in violations(world.facts, world.records, at_rest=False)]
    world.calm()
    world.schedule.run_until(START + SPAN_SECONDS + REST_SECONDS)
    at_rest = account(world.records)
    wrong += [f"at rest: {each}" for each in violations(world.facts, world.records, at_rest=True)]
    world.schedule.run_until(START + SPAN_SECONDS + END_SECONDS)
    records = world.records
    wrong += [f"at the end: {each}" for each in violations(world.facts, records, at_rest=True)]
    wrong += [f"still held: {record.id}" for record in records if record.state is State.HELD]
    wrong += lifeless(world.facts, records, suppresses=world.deployment.settings.stage.suppresses)
    wrong += leaks(world.facts, world.network, records, world.items("count#"))
    return _result(world, time.perf_counter() - began, at_rest, wrong)


def _result(world: World, seconds: float, at_rest: dict[str, int], wrong: list[str]) -> Result:
    facts, records = world.facts, world.records
    with_record = {facts.event_of[record.id] for record in records}
    without = [each for each in facts.submissions.values() if each.event not in with_record]
    refused = sum(any(answer.told is Told.REFUSED for answer in each.answers) for each in without)
    wrong += [f"event {each.event} vanished: {each.answers}" for each in without if each.named]
    return Result(
        seed=world.seed,
        seconds=seconds,
        submissions=len(facts.submissions),
        accepted=len(with_record),
        refused=refused,
        unanswered=len(without) - refused,
        floor=floor(facts),
        sent=sum(record.accepted > 0 for record in records),
        extra_copies=extra_copies(facts),
        unknown_attempts=sum(
            attempt.result is AttemptResult.UNKNOWN for record in records for attempt in record.attempts
        ),
        at_rest=at_rest,
        at_the_end=account(records),
        counts=dict(sorted(facts.counts.items())),
        wrong=tuple(dict.fromkeys(wrong)),
    )
