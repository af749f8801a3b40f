"""Virtual time: actions run in order, in one thread, without real waiting.

While a worker waits, for SMTP or the ledger, all due actions run inside its wait, so workers interleave at every port
call. A killed worker can do nothing more, not even clean up.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from mailer.project import ProjectId
from mailer.secret.resolution import SecretAnswer

# Waits are nested: the outermost worker is delayed by all inner waits.
MAX_DEPTH = 4


class Killed(BaseException):
    """The worker's process is gone; only the schedule may catch this."""


@dataclass(eq=False)
class Worker:
    """One invocation with its own random generator; it is killed at its deadline.

    `event` is its current event, `answers` has the last reading of each project's secret.
    """

    name: str
    random: random.Random
    deadline: float
    is_dead: bool = False
    event: int | None = None
    answers: dict[ProjectId, SecretAnswer] = field(default_factory=dict)


@dataclass(order=True)
class _Event:
    at: float
    number: int
    action: Callable[[], None] = field(compare=False)


class Schedule:
    """The clock and the pending actions; `disturbed` is called with the event of a killed worker."""

    def __init__(self, start: float, disturbed: set[int | None]) -> None:
        self.now = start
        self._disturbed = disturbed
        self._events: list[_Event] = []
        self._numbers = itertools.count()
        self._workers: list[Worker] = []

    @property
    def worker(self) -> Worker:
        """The current worker."""
        return self._workers[-1]

    @property
    def is_empty(self) -> bool:
        """Whether no action is pending."""
        return not self._events

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Schedule an action at a time, after the actions already scheduled for it."""
        heapq.heappush(self._events, _Event(time, next(self._numbers), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule an action this many seconds from now."""
        self.at(self.now + seconds, action)

    def run_until(self, time: float) -> None:
        """Run all actions that are due until this time."""
        while self._events and self._events[0].at <= time:
            event = heapq.heappop(self._events)
            self.now = max(self.now, event.at)
            event.action()
        self.now = max(self.now, time)

    def work(self, worker: Worker, task: Callable[[], None]) -> bool:
        """Run a worker; return False if it was killed."""
        self._workers.append(worker)
        try:
            task()
        except Killed:
            worker.is_dead = True
            self._disturbed.add(worker.event)
            return False
        finally:
            self._workers.pop()
        return True

    def wait(self, seconds: float) -> None:
        """Let time pass for the worker; actions that are due meanwhile run first."""
        wake_at = self.now + seconds
        if len(self._workers) < MAX_DEPTH:
            self.run_until(wake_at)
        self.now = max(self.now, wake_at)
        self.live()

    def live(self) -> None:
        """Raise `Killed` for a worker that is dead or over its deadline; every port calls this first."""
        worker = self.worker
        if worker.is_dead or self.now > worker.deadline:
            self.kill()

    def kill(self) -> None:
        """Kill the worker."""
        self.worker.is_dead = True
        raise Killed
