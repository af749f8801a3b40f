"""The tables that a run prints."""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.cold_start import PLAIN, Start, Starts
from benchmarks.goals import Goal
from benchmarks.rig import Client
from benchmarks.scenarios import Outcomes, Scenario, Summary

type Cell = Callable[[Summary], str]


def print_title(title: str, *notes: str) -> None:
    """Print a section's heading and its explanation."""
    print(f"\n## {title}\n")
    for note in notes:
        print(note)
    if notes:
        print()


def print_outcomes(scenarios: Sequence[Scenario], clients: Sequence[Client], outcomes: Outcomes, cell: Cell) -> None:
    """Print a row for each scenario and a column for each client."""
    rows = [[scenario.name, *(cell(outcomes[scenario.name, client]) for client in clients)] for scenario in scenarios]
    _print_table(["", *clients], rows)


def print_starts(starts: Starts) -> None:
    """Print each start with its CPU time."""
    rows = [
        [start, f"{starts[start]:.0f}", *([f"{starts[start] / starts[PLAIN[start]]:.2f}x"] if start in PLAIN else [""])]
        for start in Start
    ]
    _print_table(["imported in a fresh process", "CPU ms", "of the plain imports"], rows)


def print_goals(goals: Iterable[Goal]) -> None:
    """Print the goals."""
    words = {True: "met", False: "NOT MET", None: "-"}
    _print_table(
        ["goal", "", "measured", ""], [[goal.number, goal.text, goal.measured, words[goal.met]] for goal in goals]
    )


def trips_cell(summary: Summary) -> str:
    """Return p50 / p99 in round trips, and the flights that the proxy counted."""
    flights = "" if summary.flights is None else f", {summary.flights:.2f} flights"
    return f"{summary.round_trips:.2f} / {summary.round_trips_p99:.2f}{flights}"


def work_cell(summary: Summary) -> str:
    """Return messages per second, CPU and memory."""
    return f"{summary.per_second:.0f}/s, {summary.cpu_milliseconds:.2f} ms, {summary.peak_rss_mib:.0f} MiB"


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |")
