"""Execution environments: each is a process that imports a function's module and runs one invocation at a time.

As in Lambda, environments are processes, not threads. Powertools keeps the current event in class attributes, which two
requests in one process would share. And only a process can be killed when its time is over. A function starts with one
environment, and gets another one if all are busy.
"""

import contextlib
import itertools
import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol, TextIO

from local.deploy import DeployedFunction
from local.option import ROOT

MAX_ENVIRONMENTS = 4
# Lambda's limit for a synchronous event is a little more than 6 MiB.
MAX_EVENT = 6 * 1024 * 1024 + 100

_START_SECONDS = 30.0
# The variables that a process inherits from the shell; all others come from the function's configuration.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")

_log = logging.getLogger(__name__)


class EventTooLarge(Exception):
    """The event is larger than Lambda allows."""


class FunctionFailed(Exception):
    """The handler raised an error, returned an answer that is not JSON, ended its process, or needed too much time."""


class StillRunning(Exception):
    """The caller's time is over; the function continues."""


class FunctionDidNotStart(Exception):
    """The function's module could not be imported."""


class Invoke(Protocol):
    """Calls a function."""

    def __call__(self, event: object, *, patience_seconds: float) -> object:
        """Return the function's answer; raises what `Function.invoke` raises."""


class Function:
    """A deployed function; any thread may invoke it."""

    def __init__(self, deployed: DeployedFunction, code: Path, variables: Mapping[str, str], log: TextIO) -> None:
        """Start the first environment without waiting; `wait_until_ready` waits for it."""
        self.deployed = deployed
        self._code = code
        self._variables = variables
        self._log = log
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._environments = [self._new_environment()]
        self._idle = list(self._environments)
        self._is_stopped = False

    def wait_until_ready(self) -> None:
        """Wait for the first environment; raises `FunctionDidNotStart`."""
        self._environments[0].wait_until_ready()

    def invoke(self, event: object, *, patience_seconds: float) -> object:
        """Run the handler and return its answer.

        Raises `EventTooLarge`, `FunctionFailed`, or `StillRunning` if the caller's time ends first.
        """
        deadline = time.monotonic() + patience_seconds
        payload = json.dumps(event)
        if len(payload) > MAX_EVENT:
            raise EventTooLarge
        environment = self._acquire(deadline)
        finished: Future[str | None] = Future()
        threading.Thread(target=self._run, args=(environment, payload, finished), daemon=True).start()
        try:
            answer = finished.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise StillRunning from None
        if answer is None:
            raise FunctionFailed
        parsed = json.loads(answer)
        if "answer" not in parsed:
            raise FunctionFailed
        return parsed["answer"]

    def stop(self) -> None:
        """Kill every environment, and start no new one."""
        with self._changed:
            self._is_stopped = True
            for environment in self._environments:
                environment.stop()
            self._environments.clear()
            self._idle.clear()
            self._changed.notify_all()

    def _acquire(self, deadline: float) -> "_Environment":
        with self._changed:
            may_run = self._changed.wait_for(
                lambda: self._is_stopped or self._idle or len(self._environments) < MAX_ENVIRONMENTS,
                deadline - time.monotonic(),
            )
            if not may_run:
                raise StillRunning
            if self._is_stopped:
                raise FunctionFailed
            while self._idle:
                environment = self._idle.pop()
                if environment.is_running():
                    return environment
                # The environment ended while it was idle. As in Lambda, the caller gets another one and sees no error.
                self._environments.remove(environment)
                environment.stop()
            environment = self._new_environment()
            self._environments.append(environment)
            return environment

    def _run(self, environment: "_Environment", payload: str, finished: "Future[str | None]") -> None:
        answer = environment.exchange(payload)
        with self._changed:
            if answer is not None and not self._is_stopped:
                self._idle.append(environment)
            elif environment in self._environments:
                self._environments.remove(environment)
                environment.stop()
            self._changed.notify()
        finished.set_result(answer)

    def _new_environment(self) -> "_Environment":
        name = f"{self.deployed.logical_id}-{next(self._numbers)}"
        return _Environment(name, self.deployed, self._code, self._variables, self._log)


class _Environment:
    def __init__(
        self, name: str, deployed: DeployedFunction, code: Path, variables: Mapping[str, str], log: TextIO
    ) -> None:
        self._name = name
        self._deployed = deployed
        self._is_ready = False
        self._in_use = threading.Lock()
        inherited = {variable: os.environ[variable] for variable in _INHERITED if variable in os.environ}
        self._process = subprocess.Popen(  # noqa: S603 -- this interpreter, on this repository's own module
            [sys.executable, "-m", "local.runtime", str(code), deployed.handler],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env={**inherited, **variables},
            # Ctrl-C goes to the stack, which stops its environments itself.
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 -- opened as pipes above
        assert self._process.stdout is not None  # noqa: S101 -- likewise
        self._input, self._output = self._process.stdin, self._process.stdout

    def wait_until_ready(self) -> None:
        """Wait until the module is imported; raises `FunctionDidNotStart`."""
        if not self._is_ready:
            answer = json.loads(self._read_line(_START_SECONDS) or '{"not_ready": "no answer"}')
            if "not_ready" in answer:
                msg = f"{self._deployed.logical_id} did not start: {answer['not_ready']}"
                raise FunctionDidNotStart(msg)
            self._is_ready = True

    def is_running(self) -> bool:
        """Tell whether the process runs."""
        return self._process.poll() is None

    def exchange(self, payload: str) -> str | None:
        """Run one invocation; None if the process is no longer usable."""
        request = (
            f'{{"event": {payload}, "context": {json.dumps(self._context())}, '
            f'"remaining_seconds": {self._deployed.timeout_seconds}}}\n'
        )
        with self._in_use:
            try:
                self.wait_until_ready()
                self._input.write(request.encode())
                self._input.flush()
            except (FunctionDidNotStart, OSError):
                _log.exception("%s has ended", self._name)
                return None
            answer = self._read_line(self._deployed.timeout_seconds)
        if answer is None:
            _log.error("%s ended or ran out of time", self._name)
        return answer

    def stop(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        self._process.wait()
        # A caller that still waits for an answer now reads the end of the pipe.
        with self._in_use, contextlib.suppress(BrokenPipeError):
            self._input.close()
            self._output.close()

    def _context(self) -> dict[str, str]:
        return {
            "function_name": self._deployed.name,
            "arn": self._deployed.arn,
            "memory_megabytes": str(self._deployed.memory_megabytes),
            "request_id": str(uuid.uuid4()),
            "environment": self._name,
        }

    def _read_line(self, timeout_seconds: float) -> str | None:
        descriptor = self._output.fileno()
        deadline = time.monotonic() + timeout_seconds
        line = bytearray()
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            octets = os.read(descriptor, 1 << 16) if readable else b""
            if not octets:
                return None
            line += octets
        return line.decode("utf-8")
