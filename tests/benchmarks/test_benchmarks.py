"""The benchmarks work: flights are counted, every message arrives, goals follow from the figures."""

from collections.abc import Iterator
from copy import replace
from pathlib import Path

import pytest

from benchmarks import round_trips, work
from benchmarks.environment import function_environment
from benchmarks.goals import Goal, Results, judge
from benchmarks.rig import Client, Rig, Task, running_rig
from benchmarks.scenarios import Summary
from tests.support.sam_template import at, mapping, read_template

SUMMARY = Summary(
    round_trips=1.0, round_trips_p99=1.0, flights=1.0, per_second=1.0, cpu_milliseconds=1.0, peak_rss_mib=100.0
)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with running_rig() as running:
        yield running


@pytest.mark.parametrize(("task", "flights"), [(Task(slow=True), 1.0), (Task(slow=True, chunking=False), 2.0)])
def test_a_warm_message_is_one_flight_with_chunking_and_two_without(rig: Rig, task: Task, flights: float) -> None:
    observation = rig.send(Client.MAILER, task, messages=2, warmup=1)

    assert observation.flights == flights


def test_a_client_measures_each_message_except_warm_up_messages(rig: Rig) -> None:
    observation = rig.send(Client.MAILER, Task(), messages=3, warmup=2)

    assert len(observation.report.seconds) == 3


def test_a_goal_without_its_comparison_is_not_decided() -> None:
    outcomes = {(scenario.name, Client.MAILER): SUMMARY for scenario in work.SCENARIOS}

    assert {goal.met for goal in judge(Results(work=outcomes))} == {None}


@pytest.mark.parametrize(("theirs", "met"), [(5.0, True), (4.9, False)])
def test_a_ratio_decides_whether_a_goal_is_met(theirs: float, met: bool) -> None:
    outcomes = {(scenario.name, Client.MAILER): SUMMARY for scenario in work.SCENARIOS}
    outcomes[work.SMALL, Client.NODEMAILER] = replace(SUMMARY, cpu_milliseconds=theirs)

    first: Goal = next(judge(Results(work=outcomes)))

    assert first.met is met


def test_starttls_may_cost_two_round_trips_more() -> None:
    outcomes = {(scenario.name, Client.MAILER): SUMMARY for scenario in round_trips.SCENARIOS}
    outcomes[round_trips.COLD_STARTTLS, Client.MAILER] = replace(SUMMARY, round_trips=3.5)

    assert [goal.number for goal in judge(Results(trips=outcomes)) if not goal.met] == ["3"]


@pytest.mark.parametrize("function", ["AuthorizeFunction", "SendFunction", "ProjectConfigFunction"])
def test_a_measured_function_gets_every_variable_of_the_template(function: str, tmp_path: Path) -> None:
    template = read_template()
    own = mapping(at(template, "Resources", function, "Properties")).get("Environment", {"Variables": {}})
    variables = mapping(at(template, "Globals", "Function", "Environment", "Variables")) | mapping(at(own, "Variables"))

    assert variables.keys() <= function_environment(tmp_path).keys()
