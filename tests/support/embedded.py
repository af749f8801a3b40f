"""The embedded stack as users run it: as a separate process that is called over HTTP."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.client import Caller
from local.option import ROOT
from local.state import Stack, read_state

READY = "The stack is ready."
STOP_SECONDS = 15.0

# The tests' environment has a function's variables; the stack must set its own.
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Running:
    """A running stack and its process."""

    process: subprocess.Popen[str]
    directory: Path
    stack: Stack

    def caller(self, project_id: str, *, token_of: str | None = None) -> Caller:
        """Return a caller for a project, with the project's token or another project's token."""
        return Caller(self.stack, project_id, self.stack.tokens[token_of or project_id])


def environment(directory: Path, **variables: str) -> dict[str, str]:
    """Return the environment for a command of the stack: free ports, a separate folder, no variables of the tests."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, "API_PORT": "0", "AWS_PORT": "0", "LOCAL_DIR": str(directory), **variables}


def command(*arguments: str) -> list[str]:
    """Return a command line of the stack."""
    return [sys.executable, "-m", "local", *arguments]


def run_command(*arguments: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the stack to its end."""
    return subprocess.run(  # noqa: S603 -- this interpreter, on this repository's own module
        command(*arguments), cwd=ROOT, env=dict(variables), capture_output=True, text=True, timeout=120, check=False
    )


@contextlib.contextmanager
def running(directory: Path, **variables: str) -> Iterator[Running]:
    """Start a stack, wait until it is ready, and stop it as Ctrl-C does."""
    with subprocess.Popen(  # noqa: S603 -- as above
        command("run"), cwd=ROOT, env=environment(directory, **variables), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            printed = process.stdout.readline()
            assert printed.strip() == READY, printed
            yield Running(process, directory, read_state(directory))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=STOP_SECONDS)
