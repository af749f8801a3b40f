"""The goals: ratios of values of one run. Each goal has its measured value, and tells whether it is met."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import round_trips, work
from benchmarks.cold_start import PLAIN, Start, Starts
from benchmarks.rig import Client
from benchmarks.scenarios import Outcomes, Summary


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table; `met` is None if the compared value was not measured."""

    number: str
    text: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Results:
    """All measurements; a measurement that was left out is None."""

    trips: Outcomes | None = None
    work: Outcomes | None = None
    starts: Starts | None = None
    handler_milliseconds: float | None = None


def judge(results: Results) -> Iterator[Goal]:
    """Yield the goals that can be judged from the results."""
    if results.trips is not None:
        yield from _judge_trips(results.trips)
    if results.work is not None:
        yield from _judge_work(results.work)
    if results.starts is not None:
        yield from _judge_starts(results.starts)
    if results.handler_milliseconds is not None:
        value = results.handler_milliseconds
        yield Goal("8", "`send` handler, warm, CPU without AWS calls ≤ 3 ms", f"{value:.2f} ms", value <= 3)


def _judge_trips(trips: Outcomes) -> Iterator[Goal]:
    def p50(scenario: str) -> float:
        return trips[scenario, Client.MAILER].round_trips

    warm = trips[round_trips.WARM, Client.MAILER]
    yield Goal("1", "warm, TLS, CHUNKING: p50 ≤ 1.10 round trips", _trips(warm.round_trips), warm.round_trips <= 1.10)
    yield Goal("1", "… p99 ≤ 1.2", _trips(warm.round_trips_p99), warm.round_trips_p99 <= 1.2)
    for number, scenario, bound in (
        ("2", round_trips.WARM_WITHOUT_CHUNKING, 2.15),
        ("3", round_trips.COLD, 6.6),
        ("4", round_trips.WARM_50_RECIPIENTS, 2.25),
    ):
        yield Goal(number, f"{scenario}: ≤ {bound} round trips", _trips(p50(scenario)), p50(scenario) <= bound)
    more = p50(round_trips.COLD_STARTTLS) - p50(round_trips.COLD)
    yield Goal("3", "STARTTLS: at most two more", f"{more:.2f} more", more <= 2.2)


def _judge_work(outcomes: Outcomes) -> Iterator[Goal]:
    def cpu(summary: Summary) -> float:
        return summary.cpu_milliseconds

    def rss(summary: Summary) -> float:
        return summary.peak_rss_mib

    for number, scenario, rival, bound in (
        ("5", work.SMALL, Client.NODEMAILER, 5.0),
        ("5", work.SMALL, Client.AIOSMTPLIB, 10.0),
        ("5", work.SMALL_WITHOUT_CHUNKING, Client.NODEMAILER, 3.0),
        ("6", work.LARGE, Client.NODEMAILER, 2.0),
    ):
        less = _ratio(outcomes, scenario, rival, cpu)
        text = f"{scenario}: CPU ≥ {bound:g}x less than {rival}"
        yield Goal(number, text, _times(less), None if less is None else less >= bound)
    more = _ratio(outcomes, work.LARGE, Client.NODEMAILER, rss)
    text = f"{work.LARGE}: peak memory ≤ 0.4x of {Client.NODEMAILER}"
    yield Goal("6", text, _times(more and 1 / more), None if more is None else 1 / more <= 0.4)


def _ratio(outcomes: Outcomes, scenario: str, rival: Client, of: Callable[[Summary], float]) -> float | None:
    """Return the rival's value divided by the value of this project."""
    theirs = outcomes.get((scenario, rival))
    return None if theirs is None else of(theirs) / of(outcomes[scenario, Client.MAILER])


def _judge_starts(starts: Starts) -> Iterator[Goal]:
    send = starts[Start.SEND] / starts[Start.PLAIN_SEND]
    yield Goal("7", "import of `send`, SMTP and SDK included, ≤ 0.5x of the plain imports", _times(send), send <= 0.5)
    for start in (Start.PROJECT_CONFIG, Start.AUTHORIZE):
        ratio = starts[start] / starts[PLAIN[start]]
        yield Goal("7", f"import of `{start}` ≤ 0.6x of the plain imports", _times(ratio), ratio <= 0.6)


def _trips(value: float) -> str:
    return f"{value:.2f}"


def _times(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}x"
