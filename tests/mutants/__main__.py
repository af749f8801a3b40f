"""`python -m tests.mutants`: break copies of the product in every way of the table; exits 1 if a mutant survives."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutation import ROOT, Catcher, Mutation
from tests.mutants.table import MUTATIONS

# A broken product may never end; that is detected, too.
_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Trial:
    """The result of one command in one copy of the tree."""

    name: str
    has_failed: bool
    seconds: float
    last_lines: str


def main(arguments: list[str]) -> int:
    """Try every mutation or a sample, and print the survivors."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("names", nargs="*", help="parts of names; without any, all mutations")
    parser.add_argument("--sample", type=int, help="try this many, chosen by the seed")
    parser.add_argument("--seed", default=time.strftime("%Y-%m-%d"), help="the seed of the sample; today by default")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    chosen = [each for each in MUTATIONS if not options.names or any(part in each.name for part in options.names)]
    if options.sample is not None:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
        print(f"a sample of {len(chosen)} of {len(MUTATIONS)} mutations, seed {options.seed}")
    rotten = [each for each in chosen if each.count() != 1]
    for each in rotten:
        print(f"ROTTEN {each.name}: its text occurs {each.count()} times in {each.file}")
    with tempfile.TemporaryDirectory() as folder:
        survivors = _try_all([each for each in chosen if each.count() == 1], Path(folder), options.workers)
    print(f"{len(chosen) - len(rotten) - survivors} of {len(chosen)} mutants were detected")
    return 1 if rotten or survivors else 0


def _try_all(mutations: Sequence[Mutation], folder: Path, workers: int) -> int:
    """Try the unbroken product, then every mutation, and return the number of survivors."""
    original = folder / "original"
    _copy_tracked(original)
    with ThreadPoolExecutor(workers) as pool:
        controls = dict.fromkeys(each.caught_by for each in mutations)
        working = {
            catcher: not trial.has_failed
            for catcher, trial in zip(controls, pool.map(lambda each: _control(each, original), controls), strict=True)
        }
        trials = pool.map(lambda each: _mutant(each, original, folder), mutations)
        survivors = 0
        for mutation, trial in zip(mutations, trials, strict=True):
            is_caught = working[mutation.caught_by] and trial.has_failed
            survivors += not is_caught
            print(f"{'detected' if is_caught else 'SURVIVED'} {trial.seconds:5.1f} s  {mutation.name}", flush=True)
            if not working[mutation.caught_by]:
                print("         its instrument fails on the unbroken product, too")
        return survivors


def _copy_tracked(target: Path) -> None:
    """Copy the files that git knows, and compile them, so that the copies start quickly."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    compiled = [str(target / name) for name in ("layers", "functions", "local", "tests")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *compiled], check=True)  # noqa: S603


def _control(catcher: Catcher, original: Path) -> Trial:
    trial = _run("", catcher, original)
    if trial.has_failed:
        print(f"FAILED on the unbroken product: {' '.join(catcher.arguments)}\n{trial.last_lines}", flush=True)
    return trial


def _mutant(mutation: Mutation, original: Path, folder: Path) -> Trial:
    copy = Path(tempfile.mkdtemp(dir=folder))
    try:
        shutil.copytree(original, copy, copy_function=os.link, dirs_exist_ok=True)
        mutation.apply(copy)
        return _run(mutation.name, mutation.caught_by, copy)
    finally:
        shutil.rmtree(copy)


def _run(name: str, catcher: Catcher, root: Path) -> Trial:
    """Run the command with the packages of this copy, not those that are installed."""
    paths = [str(root / "layers/mailer/src"), str(root / "cli/src"), str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    began = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603 -- the commands are in the table
            [sys.executable, *catcher.arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Trial(name, True, time.perf_counter() - began, "no end")
    lines = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
    return Trial(name, done.returncode != 0, time.perf_counter() - began, lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
