"""Tasks that every client runs in interleaved rounds, and their results."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.rig import ROUND_TRIP, Client, Observation, Rig, Task


@dataclass(frozen=True, slots=True)
class Scenario:
    """A task: its printed name, its messages per round, and its messages for warming up, which are not measured."""

    name: str
    task: Task
    messages: int
    warmup: int


@dataclass(frozen=True, slots=True)
class Effort:
    """The number of rounds, and the share of a scenario's messages that each round sends."""

    rounds: int
    share: float

    def scale(self, messages: int) -> int:
        """Return the number of messages to send, at least two."""
        return max(2, round(messages * self.share))


@dataclass(frozen=True, slots=True)
class Summary:
    """Medians of the rounds; the 99th percentile is that of all messages in all rounds."""

    round_trips: float
    round_trips_p99: float
    flights: float | None
    per_second: float
    cpu_milliseconds: float
    peak_rss_mib: float


type Outcomes = Mapping[tuple[str, Client], Summary]


def run_scenarios(rig: Rig, scenarios: tuple[Scenario, ...], effort: Effort) -> Outcomes:
    """Run every scenario with every client. In each round the clients run one after the other."""
    observed: dict[tuple[str, Client], list[Observation]] = {}
    for scenario, client in _turns(rig, scenarios, effort):
        observation = rig.send(
            client,
            scenario.task,
            messages=effort.scale(scenario.messages),
            warmup=effort.scale(scenario.warmup),
        )
        observed.setdefault((scenario.name, client), []).append(observation)
    return {key: _summarise(observations) for key, observations in observed.items()}


def _turns(rig: Rig, scenarios: tuple[Scenario, ...], effort: Effort) -> Iterator[tuple[Scenario, Client]]:
    for _ in range(effort.rounds):
        for scenario in scenarios:
            for client in rig.clients:
                yield scenario, client


def _summarise(observations: list[Observation]) -> Summary:
    reports = [observation.report for observation in observations]
    everything = sorted(second for report in reports for second in report.seconds)
    flights = [observation.flights for observation in observations if observation.flights is not None]
    return Summary(
        round_trips=statistics.median(statistics.median(report.seconds) for report in reports) / ROUND_TRIP,
        round_trips_p99=everything[min(len(everything) - 1, round(len(everything) * 0.99))] / ROUND_TRIP,
        flights=statistics.median(flights) if flights else None,
        per_second=statistics.median(len(report.seconds) / report.wall_seconds for report in reports),
        cpu_milliseconds=statistics.median(report.cpu_seconds / len(report.seconds) for report in reports) * 1000,
        peak_rss_mib=statistics.median(report.peak_rss_kib for report in reports) / 1024,
    )
