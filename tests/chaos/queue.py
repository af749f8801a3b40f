"""SQS queues and their event source mappings: at least once, in any order, with visibility and failure queues."""

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.schedule import Schedule, Worker

FORGOTTEN_DELETE = 0.005


@dataclass
class Message:
    """One copy of a message in a queue."""

    body: str
    number: int
    receives: int = 0


@dataclass(frozen=True)
class Mapped:
    """A queue of the template and its function; times in seconds."""

    name: str
    timeout: float
    visibility: float
    max_receives: int
    batch: int
    concurrency: int


# The function's handler, called within a worker.
type Handler = Callable[[dict[str, Any]], Mapping[str, Any]]


class SimulatedQueue:
    """One queue, which calls the function as Lambda does: it reads the answer's `batchItemFailures`."""

    def __init__(
        self,
        schedule: Schedule,
        mapped: Mapped,
        handler: Handler,
        *,
        seed: str,
        duplicated: float,
        events: Callable[[str], Collection[int]],
    ) -> None:
        self._schedule = schedule
        self._mapped = mapped
        self._handler = handler
        self._events = events
        self._random = random.Random(f"{seed}/{mapped.name}")
        self._duplicated = duplicated
        self._ready: list[Message] = []
        self._running = 0
        self._count = 0
        self.most_running = 0
        self.failed: list[Message] = []
        self.is_calm = False

    def put(self, body: str, delay: float = 0.0) -> None:
        """Store a message; some arrive twice."""
        self._count += 1
        delay += self._random.uniform(0.0, 2.0)
        self._arrive(Message(body, self._count), delay)
        if self._random.random() < self._duplicated and not self.is_calm:
            # Most doubled copies arrive at once, some much later.
            later = self._random.uniform(0.0, self._random.choice([0.1, 5.0, 600.0]))
            self._count += 1
            self._arrive(Message(body, self._count), delay + later)

    def _arrive(self, message: Message, delay: float) -> None:
        def show() -> None:
            self._ready.append(message)
            self._schedule.after(self._random.uniform(0.0, 0.5), self._poll)

        self._schedule.after(delay, show)

    def _poll(self) -> None:
        if not self._ready or self._running >= self._mapped.concurrency:
            return
        self._random.shuffle(self._ready)
        size = self._random.randint(1, self._mapped.batch)
        batch, self._ready = self._ready[:size], self._ready[size:]
        self._running += 1
        self.most_running = max(self.most_running, self._running)
        received_at = self._schedule.now
        name = f"{self._mapped.name} {self._count}"
        worker = Worker(name, random.Random(self._random.random()), received_at + self._mapped.timeout)
        worker.events.update(event for message in batch for event in self._events(message.body))
        returned: set[str] = {str(message.number) for message in batch}

        def work() -> None:
            answer = self._handler({"Records": [_record(message) for message in batch]})
            self._schedule.live()
            returned.clear()
            returned.update(each["itemIdentifier"] for each in answer["batchItemFailures"])

        def ended(_was_completed: bool) -> None:
            self._running -= 1
            self._finish(batch, returned, received_at)
            if self._ready:
                self._schedule.after(self._random.uniform(0.0, 0.5), self._poll)

        self._schedule.start(worker, work, ended)

    def _finish(self, batch: Sequence[Message], returned: set[str], received_at: float) -> None:
        for message in batch:
            message.receives += 1
            forgotten = self._random.random() < FORGOTTEN_DELETE and not self.is_calm
            if str(message.number) not in returned and not forgotten:
                continue
            if message.receives >= self._mapped.max_receives:
                self.failed.append(message)
            else:
                visible_at = received_at + self._mapped.visibility
                self._arrive(message, max(0.0, visible_at - self._schedule.now))


def _record(message: Message) -> dict[str, Any]:
    return {
        "messageId": str(message.number),
        "receiptHandle": "handle",
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receives + 1)},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:queue",
        "awsRegion": "eu-west-1",
    }


class FakeSqs:
    """Implements the part of `SQSClient` that the adapters use; `queues` by URL."""

    def __init__(self, guard: Callable[[str, Sequence[str], Callable[[], dict[str, Any]]], dict[str, Any]]) -> None:
        self._guard = guard
        self.queues: dict[str, SimulatedQueue] = {}
        self.stored: list[str] = []

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """Store messages; each is stored or not."""
        entries = request["Entries"]
        bodies = [entry["MessageBody"] for entry in entries]

        def perform() -> dict[str, Any]:
            for entry in entries:
                self.queues[request["QueueUrl"]].put(entry["MessageBody"], entry.get("DelaySeconds", 0))
            return {"Successful": [{"Id": entry["Id"]} for entry in entries]}

        return self._guard("SendMessageBatch", bodies, perform)

    def send_message(self, **request: Any) -> dict[str, Any]:
        """Store a failure's record."""

        def perform() -> dict[str, Any]:
            self.stored.append(request["MessageBody"])
            return {"MessageId": "stored"}

        return self._guard("SendMessage", [], perform)


def id_in(body: str) -> str | None:
    """Return the id of the message in a delivery's body."""
    id: str | None = json.loads(body).get("id")
    return id
