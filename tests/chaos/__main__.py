"""`python -m tests.chaos --events 10000 1 2 3`: the chaos run for these seeds; exits 1 if any accounting is wrong."""

import argparse
import functools
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.chaos.faults import HARSH, Rates
from tests.chaos.run import Result, run
from tests.chaos.world import World


def main(arguments: list[str]) -> int:
    """Run every seed and print the results."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("seeds", nargs="*", default=["1", "2", "3"], help="any text; the same text is the same run")
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument(
        "--harsh", action="store_true", help="many more workers stop, and many more messages are doubled"
    )
    parser.add_argument("--verbose", action="store_true", help="print what was counted on the way")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many seeds run at the same time")
    options = parser.parse_args(arguments)
    one = functools.partial(_run, rates=HARSH if options.harsh else Rates(), events=options.events)
    with ProcessPoolExecutor(min(options.workers, len(options.seeds))) as pool:
        return max([_show(result, verbose=options.verbose) for result in pool.map(one, options.seeds)])


def _run(seed: str, *, rates: Rates, events: int) -> Result:
    logging.disable()
    return run(World(seed, rates=rates), events)


def _show(result: Result, *, verbose: bool) -> int:
    total = sum(result.at_rest.values())
    told = " + ".join(f"{number} {state}" for state, number in result.at_rest.items())
    print(f"seed {result.seed}, {result.seconds:.1f} s: {result.submissions} handed in", end=" = ")
    print(f"{result.accepted} in the ledger + {result.refused} refused + {result.unanswered} never accepted")
    print(f"  at rest: {total} messages = {told}")
    print(f"  a day later: {' + '.join(f'{number} {state}' for state, number in result.at_the_end.items())}")
    print(f"  {result.sent} sent, and nothing hindered {result.floor}")
    print(f"  {result.unknown_attempts} unknown attempts, {result.extra_copies} extra copies")
    if verbose:
        for name, number in result.counts.items():
            print(f"    {name}: {number}")
    for each in result.wrong[:20]:
        print(f"  WRONG {each}")
    print(f"  {'exact and live' if not result.wrong else f'{len(result.wrong)} violations'}", flush=True)
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
