"""Run the measurements and print the results: `python -m benchmarks [--quick] [--only NAME]… [--postfix]`."""

import argparse
import os
import platform
import sys
from enum import StrEnum

from benchmarks import report, round_trips, work
from benchmarks.cold_start import Starts, measure_starts
from benchmarks.goals import Results, judge
from benchmarks.handler import measure_handler
from benchmarks.helper_process import ProgramFailed
from benchmarks.nodemailer import NodemailerMissing, prepare_nodemailer
from benchmarks.postfix import PostfixNotRunning
from benchmarks.rig import ROUND_TRIP, Rig, running_rig
from benchmarks.scenarios import Effort, Outcomes, run_scenarios


class Measurement(StrEnum):
    """The measurements that can be run separately."""

    ROUND_TRIPS = "round-trips"
    WORK = "work"
    COLD_START = "cold-start"
    HANDLER = "handler"


def main() -> int:
    """Measure and print. The exit status tells whether the programs ran, not whether the goals were met."""
    options = _parser().parse_args()
    wanted = [Measurement(name) for name in options.only or Measurement]
    quick: bool = options.quick
    node = _node()
    try:
        with running_rig(node=node, postfix=options.postfix) as rig:
            _print_machine(rig)
            results = Results(
                trips=_round_trips(rig, quick=quick) if Measurement.ROUND_TRIPS in wanted else None,
                work=_work(rig, quick=quick) if Measurement.WORK in wanted else None,
                starts=_cold_start(quick=quick) if Measurement.COLD_START in wanted else None,
                handler_milliseconds=_handler(rig, quick=quick) if Measurement.HANDLER in wanted else None,
            )
    except (PostfixNotRunning, ProgramFailed) as error:
        print(error, file=sys.stderr)
        return 1
    report.print_title("Goals", "Ratios within this run; times belong to this machine.")
    report.print_goals(judge(results))
    return 0


def _round_trips(rig: Rig, *, quick: bool) -> Outcomes:
    outcomes = run_scenarios(rig, round_trips.SCENARIOS, Effort(rounds=1, share=0.3) if quick else Effort(3, 1.0))
    report.print_title(
        f"Round trips a message, {ROUND_TRIP * 1000:.0f} ms each",
        "Time divided by the round trip, p50 / p99; a flight is what a client sends before it waits.",
    )
    report.print_outcomes(round_trips.SCENARIOS, rig.clients, outcomes, report.trips_cell)
    return outcomes


def _work(rig: Rig, *, quick: bool) -> Outcomes:
    outcomes = run_scenarios(rig, work.SCENARIOS, Effort(rounds=1, share=0.5) if quick else Effort(5, 1.0))
    report.print_title(
        "Compose and send, no delay",
        "Messages a second on one connection, the client's CPU a message, its peak memory.",
    )
    report.print_outcomes(work.SCENARIOS, rig.clients, outcomes, report.work_cell)
    return outcomes


def _cold_start(*, quick: bool) -> Starts:
    starts = measure_starts(rounds=3 if quick else 9)
    report.print_title("Cold start", "CPU of a fresh process when its imports are done, medians.")
    report.print_starts(starts)
    return starts


def _handler(rig: Rig, *, quick: bool) -> float:
    milliseconds = measure_handler(rig, rounds=1 if quick else 5)
    report.print_title("`send` handler, warm", "CPU a call, from the event to the answer; the AWS calls are not made.")
    print(f"{milliseconds:.2f} ms")
    return milliseconds


def _print_machine(rig: Rig) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; sink: ", end="")
    print("Postfix" if rig.is_postfix else "benchmarks.sink")


def _node() -> str | None:
    try:
        return prepare_nodemailer()
    except NodemailerMissing as missing:
        print(f"Nodemailer is SKIPPED: {missing}. What is compared with it is missing below.")
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of fewer messages: a look, not a measurement")
    parser.add_argument(
        "--only", action="append", choices=list(Measurement), metavar="NAME", help=", ".join(Measurement)
    )
    parser.add_argument("--postfix", action="store_true", help="send to a real Postfix, if it is installed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
