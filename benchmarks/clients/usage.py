"""The measurements that a client makes of itself."""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.spec import Report

_STATUS = Path("/proc/self/status")


def measure(send: Callable[[], None], *, warmup: int, messages: int) -> Report:
    """Call `send` for each message and report the measured ones."""
    for _ in range(warmup):
        send()
    seconds: list[float] = []
    cpu, begin = cpu_seconds(), time.perf_counter()
    before = begin
    for _ in range(messages):
        send()
        after = time.perf_counter()
        seconds.append(after - before)
        before = after
    return Report(
        seconds=seconds,
        cpu_seconds=cpu_seconds() - cpu,
        wall_seconds=before - begin,
        peak_rss_kib=peak_rss_kib(),
    )


def cpu_seconds() -> float:
    """Return the user and system time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_rss_kib() -> int:
    """Return the peak resident size in KiB. `ru_maxrss` is not used: it would include the parent process."""
    if _STATUS.exists():
        for line in _STATUS.read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def say(report: Report) -> None:
    """Print the report for the parent process."""
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
