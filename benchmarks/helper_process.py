"""Starts the programs of a run. If the machine has several cores, clients and helpers use different ones."""

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
    """A program that runs during the block, on a core that the clients do not use."""

    def __init__(self, command: Sequence[str]) -> None:
        with _pinned(client=False):
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        self.ports = self._read(dict[str, int])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def take[T](self, answer: type[T]) -> T:
        """Return the program's counts since the last call."""
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
    # A child process inherits the affinity, and so do all threads that V8 starts in it.
    if sys.platform != "linux" or len(cores := sorted(os.sched_getaffinity(0))) < 2:
        yield
        return
    os.sched_setaffinity(0, {cores[-1] if client else cores[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
