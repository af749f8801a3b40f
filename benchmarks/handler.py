"""The CPU time of one call of the whole `send` handler, with a relay without latency and without AWS."""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.environment import function_environment
from benchmarks.helper_process import python, run
from benchmarks.rig import Rig, Task
from benchmarks.spec import Report

_CALLS = 300
_WARMUP = 100


def measure_handler(rig: Rig, *, rounds: int) -> float:
    """Return the CPU milliseconds of a warm call: the median of the rounds."""
    job = msgspec.json.encode(rig.job(Task(), messages=_CALLS, warmup=_WARMUP)).decode()
    command = python("benchmarks.clients.send_handler", job)
    with TemporaryDirectory(prefix="benchmarks-bytecode-") as bytecode:
        environment = function_environment(Path(bytecode))
        reports = [run(command, Report, environment=environment) for _ in range(rounds)]
    return statistics.median(report.cpu_seconds / _CALLS for report in reports) * 1000
