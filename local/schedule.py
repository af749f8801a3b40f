"""The stack's scheduler: it puts the message of each schedule into a queue, once per interval."""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tick:
    """A message, the URL of its queue, and its interval."""

    queue_url: str
    body: str
    interval_seconds: float


class Scheduler:
    """Runs from its creation until `stop`. The first tick is after one interval, as in EventBridge."""

    def __init__(
        self,
        sqs: Any,
        ticks: Iterable[Tick],
    ) -> None:
        self._sqs = sqs
        started = time.monotonic()
        self._next = [(started + tick.interval_seconds, tick) for tick in ticks]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop all ticks."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while self._next:
            due_at, tick = min(self._next, key=lambda each: each[0])
            if self._stopped.wait(max(0.0, due_at - time.monotonic())):
                return
            self._next.remove((due_at, tick))
            self._next.append((due_at + tick.interval_seconds, tick))
            try:
                self._sqs.send_message(QueueUrl=tick.queue_url, MessageBody=tick.body)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                _log.exception("a schedule could not reach its queue")
