"""moto's server, for tests of single parts of the stack."""

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local.cloud import PROCESS_ENVIRONMENT, Cloud
from local.deploy import DeployedQueue


@contextlib.contextmanager
def running_cloud() -> Iterator[Cloud]:
    """Run a cloud in this process."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in PROCESS_ENVIRONMENT.items():
            environment.setenv(name, value)
        started = Cloud(bind_address="127.0.0.1", port=0, on_send_email=lambda _request: None)
        try:
            yield started
        finally:
            started.stop()


# boto3 creates its clients at run time, so they have no static type.
def make_queue(sqs: Any, **attributes: str) -> DeployedQueue:
    """Create a queue for one test."""
    url = sqs.create_queue(QueueName=f"queue-{uuid.uuid4()}", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return DeployedQueue(url, arn)


def receive(sqs: Any, queue: DeployedQueue, *, wait_seconds: int = 10) -> list[Any]:
    """Receive and delete the messages of a queue."""
    messages: list[Any] = sqs.receive_message(
        QueueUrl=queue.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
    ).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])
    return messages
