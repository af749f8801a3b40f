"""One run: a number of events, until every message is final, and one more day; and its result."""

import time
from dataclasses import dataclass

from mailer.ledger.record import State

from tests.chaos.callers import SPAN_SECONDS, Plan, schedule_events
from tests.chaos.checker import account, extra_copies, violations
from tests.chaos.facts import Told
from tests.chaos.world import START, World

HOUR = 3600.0
# After all faults ended the longest backoff is two hours plus a fifth.
REST_SECONDS = 4 * HOUR
# Held messages have expired then: no message lives longer than a day.
END_SECONDS = 27 * HOUR


@dataclass(frozen=True)
class Result:
    """A run's result; it passed if `wrong` is empty."""

    seed: str
    seconds: float
    submissions: int
    accepted: int
    refused: int
    unanswered: int
    at_rest: dict[str, int]
    at_the_end: dict[str, int]
    extra_copies: int
    unknown_attempts: int
    counts: dict[str, int]
    wrong: tuple[str, ...]


def run(world: World, events: int) -> Result:
    """Run a new world."""
    began = time.perf_counter()
    schedule_events(world, Plan(events))
    world.tick()
    wrong: list[str] = []
    for hour in range(1, int(SPAN_SECONDS / HOUR) + 1):
        world.schedule.run_until(START + hour * HOUR)
        wrong += [f"hour {hour}: {each}" for each in violations(world.facts, world.memory.records, at_rest=False)]
    world.calm()
    world.schedule.run_until(START + SPAN_SECONDS + REST_SECONDS)
    at_rest = account(world.memory.records)
    wrong += [f"at rest: {each}" for each in violations(world.facts, world.memory.records, at_rest=True)]
    world.schedule.run_until(START + SPAN_SECONDS + END_SECONDS)
    wrong += [f"at the end: {each}" for each in violations(world.facts, world.memory.records, at_rest=True)]
    wrong += [f"still held: {record.id}" for record in world.memory.records if record.state is State.HELD]
    submissions = world.facts.submissions.values()
    with_record = {world.facts.event_of[record.id] for record in world.memory.records}
    without = [each for each in submissions if each.event not in with_record]
    wrong += [f"event {each.event} vanished: {each.told}" for each in without if each.named]
    accepted = {identity for each in submissions for identity in each.named}
    for record in world.memory.records:
        told = "told" if record.id in accepted else "not told"
        if record.state in {State.FAILED, State.EXPIRED}:
            world.facts.counts[f"ended {record.state} {record.reason} ({told})"] += 1
    refused = sum(each.told[-1][0] is Told.REFUSED for each in without)
    return Result(
        seed=world.seed,
        seconds=time.perf_counter() - began,
        submissions=len(submissions),
        accepted=len(with_record),
        refused=refused,
        unanswered=len(without) - refused,
        at_rest=at_rest,
        at_the_end=account(world.memory.records),
        extra_copies=extra_copies(world.facts),
        unknown_attempts=sum(
            attempt.result is not None and attempt.result.value == "unknown"
            for record in world.memory.records
            for attempt in record.attempts
        ),
        counts=dict(sorted(world.facts.counts.items())),
        wrong=tuple(dict.fromkeys(wrong)),
    )
