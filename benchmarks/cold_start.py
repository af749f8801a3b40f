"""Cold starts: the CPU time of a new process until its imports end, compared with plain imports."""

import statistics
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environment import function_environment
from benchmarks.helper_process import python, run


class Start(StrEnum):
    """The modules of `benchmarks.imports`."""

    NOTHING = "nothing"
    PLAIN_SEND = "plain_send"
    SEND = "send"
    PLAIN_PROJECT_CONFIG = "plain_project_config"
    PROJECT_CONFIG = "project_config"
    PLAIN_AUTHORIZE = "plain_authorize"
    AUTHORIZE = "authorize"


PLAIN = {
    Start.SEND: Start.PLAIN_SEND,
    Start.PROJECT_CONFIG: Start.PLAIN_PROJECT_CONFIG,
    Start.AUTHORIZE: Start.PLAIN_AUTHORIZE,
}

type Starts = Mapping[Start, float]


def measure_starts(*, rounds: int) -> Starts:
    """Return the median CPU milliseconds of each start. The rounds are interleaved; a first round fills the caches."""
    seen: dict[Start, list[float]] = {start: [] for start in Start}
    with TemporaryDirectory(prefix="benchmarks-bytecode-") as bytecode:
        environment = function_environment(Path(bytecode))
        for number in range(rounds + 1):
            for start in Start:
                command = python("benchmarks.imports.run", f"benchmarks.imports.{start}")
                seconds = run(command, float, environment=environment)
                if number:
                    seen[start].append(seconds * 1000)
    return {start: statistics.median(milliseconds) for start, milliseconds in seen.items()}
