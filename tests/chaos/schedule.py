"""Virtual time: workers run one at a time and take turns whenever one of them waits, so nothing waits in reality.

Each worker has a thread, but only one thread runs at any moment: the schedule hands control to it and gets it back when
the worker waits or ends. The order depends only on the times, so the same seed is the same run. A killed worker can do
nothing more, not even clean up.
"""

import heapq
import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """The worker's process is gone; only the schedule may catch this."""


@dataclass(eq=False)
class Worker:
    """One invocation; it is killed at its deadline.

    `random` decides the faults that it meets. `events` are the events that it works on, `event` is the current one.
    """

    name: str
    random: random.Random
    deadline: float
    is_dead: bool = False
    event: int | None = None
    events: set[int] = field(default_factory=set)


@dataclass(order=True)
class _Action:
    at: float
    number: int
    run: Callable[[], None] = field(compare=False)


type _Job = tuple[Worker, Callable[[], None], Callable[[bool], None]]


class Schedule:
    """The clock, the pending actions and the workers; `killed` is called for each killed worker."""

    def __init__(self, start: float, killed: Callable[[Worker], None] = lambda _worker: None) -> None:
        self.now = start
        self._killed = killed
        self._horizon = start
        self._actions: list[_Action] = []
        self._numbers = itertools.count()
        self._turn = threading.Semaphore(0)
        self._idle: list[_Runner] = []
        self._runners: list[_Runner] = []
        self._current: _Runner | None = None

    @property
    def worker(self) -> Worker:
        """The current worker."""
        return self._runner.worker

    def at(self, time: float, action: Callable[[], None]) -> None:
        """Schedule an action at a time, after the actions already scheduled for it."""
        heapq.heappush(self._actions, _Action(max(time, self.now), next(self._numbers), action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule an action this many seconds from now."""
        self.at(self.now + seconds, action)

    def run_until(self, time: float) -> None:
        """Run all actions that are due until this time."""
        self._horizon = time
        while self._actions and self._actions[0].at <= time:
            action = heapq.heappop(self._actions)
            self.now = max(self.now, action.at)
            action.run()
        self.now = max(self.now, time)

    def start(self, worker: Worker, task: Callable[[], None], ended: Callable[[bool], None]) -> None:
        """Let a worker do the task from now on; `ended` is called with False if the worker was killed."""
        if self._current is not None:
            self.after(0.0, lambda: self.start(worker, task, ended))
            return
        runner = self._idle.pop() if self._idle else self._new_runner()
        runner.job = (worker, task, ended)
        self._resume(runner)

    def wait(self, seconds: float) -> None:
        """Let time pass for the current worker; other workers and actions run meanwhile."""
        wake_at = self.now + seconds
        if self._horizon < wake_at or (self._actions and self._actions[0].at <= wake_at):
            runner = self._runner
            self.at(wake_at, lambda: self._resume(runner))
            runner.pause()
        else:
            self.now = wake_at
        self.live()

    def live(self) -> None:
        """Raise `Killed` for a worker that is dead or over its deadline; every simulated service calls this first."""
        worker = self.worker
        if worker.is_dead or self.now > worker.deadline:
            self.kill()

    def kill(self) -> None:
        """Kill the current worker."""
        self.worker.is_dead = True
        raise Killed

    def close(self) -> None:
        """End all threads; the schedule cannot be used any more."""
        for runner in self._runners:
            if runner.job is not None:
                runner.worker.is_dead = True
            runner.is_closed = True
            self._resume(runner)
            runner.thread.join()

    @property
    def _runner(self) -> "_Runner":
        if self._current is None:
            msg = "no worker is running"
            raise RuntimeError(msg)
        return self._current

    def _new_runner(self) -> "_Runner":
        runner = _Runner(self._turn)
        self._runners.append(runner)
        return runner

    def _resume(self, runner: "_Runner") -> None:
        self._current = runner
        runner.resume()
        self._current = None
        if runner.failure is not None:
            raise runner.failure
        if runner.outcome is not None:
            worker, ended, was_completed = runner.outcome
            runner.outcome = None
            self._idle.append(runner)
            if not was_completed:
                self._killed(worker)
            if not runner.is_closed:
                ended(was_completed)


class _Runner:
    """A thread that does one job after the other, and only while it has the turn."""

    def __init__(self, turn: threading.Semaphore) -> None:
        self._turn = turn
        self._mine = threading.Semaphore(0)
        self.job: _Job | None = None
        self.outcome: tuple[Worker, Callable[[bool], None], bool] | None = None
        self.failure: BaseException | None = None
        self.is_closed = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def worker(self) -> Worker:
        """The worker of the current job."""
        if self.job is None:
            msg = "no job"
            raise RuntimeError(msg)
        return self.job[0]

    def resume(self) -> None:
        """Give the turn to this thread, and return when it gives the turn back."""
        self._mine.release()
        self._turn.acquire()

    def pause(self) -> None:
        """Give the turn back, and return when this thread gets it again."""
        self._turn.release()
        self._mine.acquire()

    def _run(self) -> None:
        self._mine.acquire()
        while not self.is_closed or self.job is not None:
            if self.job is None:
                self.pause()
                continue
            worker, task, ended = self.job
            try:
                task()
                was_completed = True
            except Killed:
                was_completed = False
            except BaseException as failure:  # noqa: BLE001 -- the schedule raises it in its own thread
                self.failure, was_completed = failure, False
            self.job, self.outcome = None, (worker, ended, was_completed)
            if self.is_closed:
                break
            self.pause()
        self._turn.release()
