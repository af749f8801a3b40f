"""A simulated SQS queue: at least once, in any order, with visibility timeout and failure queue."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mailer.ports import Delivery

from tests.chaos.schedule import Schedule, Worker

FORGOTTEN_DELETE = 0.01
BATCH = 5


@dataclass
class Message:
    """One copy of a delivery in the queue."""

    delivery: Delivery
    receives: int = 0


@dataclass(frozen=True)
class Limits:
    """The template's settings of a queue and its function; times in seconds."""

    function_timeout: float = 180.0
    visibility: float = 1080.0
    max_receives: int = 5
    duplicated: float = 0.05


# Processes a batch and returns the ids to redeliver; the schedule has set the current worker.
type Consumer = Callable[[Sequence[Delivery]], Sequence[Delivery]]


class SimulatedQueue:
    """Implements `DeliveryQueue`, and calls the consumer as an event source mapping does."""

    def __init__(self, schedule: Schedule, consumer: Consumer, *, seed: str, limits: Limits | None = None) -> None:
        self._schedule = schedule
        self._consumer = consumer
        self._limits = limits or Limits()
        self._random = random.Random(seed)
        self._ready: list[Message] = []
        self._polls = 0
        self.failed: list[Message] = []

    def send(self, deliveries: Sequence[Delivery]) -> int:
        """See `DeliveryQueue`; the request or its answer may be lost."""
        self._schedule.live()
        if self._random.random() < 0.005:
            return len(deliveries)
        for delivery in deliveries:
            delay = delivery.delay_seconds + self._random.uniform(0.0, 2.0)
            self._arrive(Message(delivery), delay)
            if self._random.random() < self._limits.duplicated:
                # Most doubled copies arrive at once, some much later.
                later = self._random.uniform(0.0, self._random.choice([0.1, 5.0, 600.0]))
                self._arrive(Message(delivery), delay + later)
        return len(deliveries) if self._random.random() < 0.002 else 0

    def _arrive(self, message: Message, delay: float) -> None:
        self._schedule.after(delay, lambda: self._show(message))

    def _show(self, message: Message) -> None:
        self._ready.append(message)
        self._schedule.after(self._random.uniform(0.0, 0.5), self._poll)

    def _poll(self) -> None:
        if not self._ready:
            return
        self._random.shuffle(self._ready)
        size = self._random.randint(1, BATCH)
        batch, self._ready = self._ready[:size], self._ready[size:]
        if self._ready:
            self._schedule.after(self._random.uniform(0.0, 0.5), self._poll)
        self._polls += 1
        worker = Worker(
            f"deliver {self._polls}",
            random.Random(self._random.random()),
            deadline=self._schedule.now + self._limits.function_timeout,
        )
        returned: list[Delivery] = [message.delivery for message in batch]

        def work() -> None:
            failed = self._consumer([message.delivery for message in batch])
            self._schedule.live()
            returned[:] = failed

        self._schedule.work(worker, work)
        for message in batch:
            message.receives += 1
            comes_back = message.delivery in returned or self._random.random() < FORGOTTEN_DELETE
            if comes_back and message.receives >= self._limits.max_receives:
                self.failed.append(message)
            elif comes_back:
                self._arrive(message, self._limits.visibility)
