"""Virtual time: what is to happen happens in order, in one thread, and nobody waits.

While a worker waits, in a conversation or for the ledger, whatever is due happens inside its wait: so workers
interleave at every port they touch. A worker that has been killed can do nothing more, not even clean up.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from mailer.project import ProjectId
from mailer.secret.resolution import SecretAnswer

# One wait inside the other: the outermost worker is late by all that the inner ones wait.
MAX_DEPTH = 4


class Killed(BaseException):
    """The worker's process is gone; only the schedule may notice."""


@dataclass(eq=False)
class Worker:
    """One invocation: what happens to it is decided by its own randomness; it is killed at its deadline.

    `event` is what it works on, `answers` what it was last told of each project's secret.
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
    """The clock and everything that is still to happen; `disturbed` is told what a killed worker worked on."""

    def __init__(self, start: float, disturbed: set[int | None]) -> None:
        self.now = start
        self._disturbed = disturbed
        self._events: list[_Event] = []
        self._numbers = itertools.count()
        self._workers: list[Worker] = []

    @property
    def worker(self) -> Worker:
        """Who is working at the moment."""
        return self._workers[-1]

    @property
    def is_empty(self) -> bool:
        """Nothing is to happen any more."""
        return not self._events

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Let something happen at a time, after everything that was to happen then."""
        heapq.heappush(self._events, _Event(time, next(self._numbers), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        self.at(self.now + seconds, action)

    def run_until(self, time: float) -> None:
        """Let everything happen that is due until then."""
        while self._events and self._events[0].at <= time:
            event = heapq.heappop(self._events)
            self.now = max(self.now, event.at)
            event.action()
        self.now = max(self.now, time)

    def work(self, worker: Worker, task: Callable[[], None]) -> bool:
        """Let a worker work; False where it was killed."""
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
        """Let time pass for the worker; whatever is due meanwhile happens first."""
        wake_at = self.now + seconds
        if len(self._workers) < MAX_DEPTH:
            self.run_until(wake_at)
        self.now = max(self.now, wake_at)
        self.live()

    def live(self) -> None:
        """Raise `Killed` for a worker that is dead or has lived too long; every port asks before it does anything."""
        worker = self.worker
        if worker.is_dead or self.now > worker.deadline:
            self.kill()

    def kill(self) -> None:
        """Kill the worker."""
        self.worker.is_dead = True
        raise Killed
