"""Starts the programs of a run, each on its own core where the machine has several."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT_SECONDS = 600


class ProgramFailed(Exception):
    """A program of the run ended with an error; its output is above."""


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def run[T](command: Sequence[str], answer: type[T], *, environment: Mapping[str, str] | None = None) -> T:
    """Run a program on the clients' core and return the JSON line that it prints."""
    with _pinned(client=True):
        done = subprocess.run(  # noqa: S603 -- this repository's programs
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, timeout=_TIMEOUT_SECONDS, check=False
        )
    if done.returncode:
        raise ProgramFailed(f"{' '.join(command[:3])} ended with {done.returncode}")
    return msgspec.json.decode(done.stdout, type=answer)


class HelperProcess:
    """A program that serves while the block runs, on the core that the clients do not use."""

    def __init__(self, command: Sequence[str]) -> None:
        with _pinned(client=False):
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        self.ports = self._read(dict[str, int])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def take[T](self, answer: type[T]) -> T:
        """Return its counts since the last call."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self._read(answer)

    def _read[T](self, answer: type[T]) -> T:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProgramFailed(f"{self._process.args!r} ended early")
        return msgspec.json.decode(line, type=answer)


@contextmanager
def _pinned(*, client: bool) -> Iterator[None]:
    # A child inherits the affinity, and with it every thread that V8 starts.
    if sys.platform != "linux" or len(cores := sorted(os.sched_getaffinity(0))) < 2:
        yield
        return
    os.sched_setaffinity(0, {cores[-1] if client else cores[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
