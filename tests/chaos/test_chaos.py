"""A small chaos run, and that it detects faults."""

from collections.abc import Callable

import pytest

from tests.chaos import mutations
from tests.chaos.run import run
from tests.chaos.world import Rates, World

EVENTS = 600
HARSH = Rates(crash=0.02, duplicated=0.5)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_DU20_QD15_the_accounting_is_exact(seed: str) -> None:
    result = run(World(seed), EVENTS)

    assert result.wrong == (), f"python -m tests.chaos --events {EVENTS} {seed}"
    assert sum(result.at_rest.values()) == sum(result.at_the_end.values())
    assert result.submissions == result.accepted + result.refused + result.unanswered


def test_a_run_covers_each_kind_of_fault() -> None:
    result = run(World("1"), EVENTS)

    assert {"sent", "partially_sent", "rejected", "unknown", "held", "failed", "cancelled"} <= result.at_rest.keys()
    assert "expired" in result.at_the_end
    assert result.counts["released"] > 0
    assert result.unknown_attempts > 0
    assert any(name.startswith("killed after ledger") for name in result.counts)


def test_the_same_seed_is_the_same_run() -> None:
    first, second = run(World("3"), EVENTS), run(World("3"), EVENTS)

    assert (first.counts, first.at_the_end) == (second.counts, second.at_the_end)


@pytest.mark.parametrize(
    ("mutate", "complaint"),
    [
        pytest.param(mutations.sending_again, "copies under", id="a transport that sends again after an unknown"),
        pytest.param(
            lambda world: mutations.with_ledger(world, mutations.ForgetsTheMark),
            "copies under",
            id="a ledger that forgets the mark",
        ),
        pytest.param(
            lambda world: mutations.with_ledger(world, mutations.LosesReleased),
            "cancelled without a request",
            id="a release that loses a message",
        ),
        pytest.param(
            lambda world: mutations.with_ledger(world, mutations.TakesTwice),
            "copies under",
            id="a ledger whose writes are not conditional",
        ),
    ],
)
def test_a_fault_in_the_system_is_detected(mutate: Callable[[World], World], complaint: str) -> None:
    worlds = (mutate(World(seed, rates=HARSH)) for seed in ("1", "2", "3", "4"))

    assert any(complaint in each for world in worlds for each in run(world, EVENTS).wrong)
