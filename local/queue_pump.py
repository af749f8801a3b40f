"""Lambda's queue poller: it receives batches of messages, invokes the function, and deletes processed messages.

A message that failed is received again after its visibility timeout, until the queue's redrive policy moves it away.
"""

import base64
import itertools
import logging
import threading
import time
from collections.abc import Collection, Iterable
from typing import Any

import botocore.exceptions

from local.client import find
from local.deploy import DeployedQueue
from local.environment import EventTooLarge, FunctionFailed, Invoke, StillRunning
from local.event_source import QueueMapping

# Long polling: moto answers as soon as there is a message.
_WAIT_SECONDS = 10
_MAX_RECEIVED = 10
# This is less than the maximum of a function's environments, so that its other queues are served too.
_MAX_BATCHES = 3
_RETRY_SECONDS = 1.0
# This is longer than any function's timeout, because a batch may first wait for an environment.
_PATIENCE_SECONDS = 1800.0
_FAILURES = (EventTooLarge, FunctionFailed, StillRunning)
_UNREACHABLE = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)

_log = logging.getLogger(__name__)


class QueuePump:
    """Runs from its creation until `stop`."""

    def __init__(self, sqs: Any, invoke: Invoke, mapping: QueueMapping, queue: DeployedQueue) -> None:
        self._sqs = sqs
        self._invoke = invoke
        self._mapping = mapping
        self._queue = queue
        self._free = threading.Semaphore(min(mapping.max_batches or _MAX_BATCHES, _MAX_BATCHES))
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name=f"pump-{mapping.queue}", daemon=True).start()

    def stop(self) -> None:
        """Start no new batch, and log nothing about batches that end unfinished.

        This does not wait: a running poll ends when the queue answers, or with the process.
        """
        self._stopped.set()
        self._free.release()

    def _run(self) -> None:
        while True:
            # Wait for a free worker before receiving: until then messages stay visible, and no receipt is counted.
            self._free.acquire()
            if self._stopped.is_set():
                return
            messages = self._next_batch()
            if messages and not self._stopped.is_set():
                threading.Thread(target=self._serve, args=(messages,), daemon=True).start()
            else:
                self._free.release()

    def _next_batch(self) -> list[Any]:
        messages = self._receive(self._mapping.batch_size, _WAIT_SECONDS)
        closes_at = time.monotonic() + self._mapping.window_seconds
        while messages and len(messages) < self._mapping.batch_size and (left := closes_at - time.monotonic()) > 0:
            messages += self._receive(self._mapping.batch_size - len(messages), max(1, int(left)))
        return messages

    def _receive(self, count: int, wait_seconds: int) -> list[Any]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._queue.url,
                MaxNumberOfMessages=min(count, _MAX_RECEIVED),
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except _UNREACHABLE:
            self._complain("%s cannot be polled", self._mapping.queue)
            self._stopped.wait(_RETRY_SECONDS)
            return []
        received: list[Any] = answer.get("Messages", [])
        return received

    def _serve(self, messages: list[Any]) -> None:
        try:
            event = {"Records": [record(message, self._queue.arn) for message in messages]}
            answer = self._invoke(event, patience_seconds=_PATIENCE_SECONDS)
            kept: Collection[str] = ()
            if self._mapping.reports_failures:
                kept = unsettled(answer, [str(message["MessageId"]) for message in messages])
            self._delete(message for message in messages if message["MessageId"] not in kept)
        except _FAILURES as failure:
            self._complain("a batch of %s failed: %s", self._mapping.queue, type(failure).__name__)
        except _UNREACHABLE:
            self._complain("what was taken from %s cannot be deleted", self._mapping.queue)
        finally:
            self._free.release()

    def _delete(self, settled: Iterable[Any]) -> None:
        for some in itertools.batched(settled, _MAX_RECEIVED, strict=False):
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(some)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._queue.url, Entries=entries)

    def _complain(self, text: str, *arguments: object) -> None:
        if not self._stopped.is_set():
            _log.warning(text, *arguments)


def record(message: Any, queue_arn: str) -> dict[str, object]:
    """Return a received message in the form of a function's event."""
    described: dict[str, object] = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        described["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return described


def _attribute(value: Any) -> dict[str, object]:
    attribute: dict[str, object] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        attribute["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        attribute["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode("ascii")
    return attribute


def unsettled(answer: object, ids: Collection[str]) -> Collection[str]:
    """Return the ids of the messages to deliver again, which the answer names.

    An absent, null or empty list names no message; a list that Lambda cannot interpret names all of them.
    """
    if answer is None:
        return ()
    if not isinstance(answer, dict):
        return ids
    failures = answer.get("batchItemFailures")
    if failures is None:
        return ()
    if not isinstance(failures, list):
        return ids
    named = [find(failure, "itemIdentifier") for failure in failures]
    return {str(name) for name in named} if all(name in ids for name in named) else ids
