"""Requests to AWS itself: failure queues, and the projects that have a secret. For operators."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from project_smtp_cli.access import Aws
from project_smtp_cli.exits import CommandError, Exit, Unreachable, UsageError
from project_smtp_cli.queues import QUEUES

_PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_BATCH: Final = 10
_VISIBILITY_SECONDS: Final = 120
_REASON: Final = "reason"


@dataclass(slots=True)
class Moved:
    """Counts of moved and failed entries, and the entries that a function has set aside, each with its reason."""

    moved: int = 0
    failed: int = 0
    set_aside: list[tuple[str, str]] = field(default_factory=list)


class FailureQueue:
    """A failure queue and its source queue.

    Entries are moved one by one, because a move task of SQS would also move entries that a function has set aside.
    """

    def __init__(self, aws: Aws, given: str) -> None:
        self._sqs = _client(aws, "sqs")
        with _aws_errors():
            self._url = _queue_url(aws, given)
            attributes = self._sqs.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]
            sources = self._sqs.list_dead_letter_source_queues(QueueUrl=self._url)["queueUrls"]
        self._count = int(attributes["ApproximateNumberOfMessages"])
        if len(sources) != 1:
            msg = "This is not the failure queue of exactly one other queue. Give such a queue."
            raise UsageError(msg)
        self._destination: str = sources[0]
        self.name = self._url.rpartition("/")[2]
        self.destination_name = self._destination.rpartition("/")[2]

    def count(self) -> int:
        """Return the approximate number of entries."""
        return self._count

    def examine(self, advance: Callable[[], None]) -> Moved:
        """Return what `redrive` would do; no entry is moved."""
        moved = Moved()
        seen: list[str] = []
        with _aws_errors():
            for messages in self._received(set()):
                for message in messages:
                    seen.append(message["ReceiptHandle"])
                    _sort(message, moved, advance)
            self._show_again(seen)
        return moved

    def redrive(self, advance: Callable[[], None]) -> Moved:
        """Send each entry to the source queue, then delete it. An interruption therefore loses no entry."""
        moved = Moved()
        left: list[str] = []
        sent: set[str] = set()
        with _aws_errors():
            for messages in self._received(sent):
                going = [message for message in messages if _sort(message, moved, advance)]
                left += [message["ReceiptHandle"] for message in messages if message not in going]
                moved.moved -= len(going)
                gone = self._send(going, sent)
                moved.moved += len(gone)
                moved.failed += len(going) - len(gone)
                left += [message["ReceiptHandle"] for message in going if message not in gone]
                self._delete(gone)
            self._show_again(left)
        return moved

    def _received(self, sent: set[str]) -> Iterator[list[dict[str, Any]]]:
        """Yield every entry once. Entries that failed again meanwhile are left out: `sent` has their ids."""
        seen: set[str] = set()
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_BATCH,
                MessageAttributeNames=["All"],
                VisibilityTimeout=_VISIBILITY_SECONDS,
                WaitTimeSeconds=1,
            )
            messages = [each for each in answer.get("Messages", []) if each["MessageId"] not in seen | sent]
            if not messages:
                return
            seen.update(message["MessageId"] for message in messages)
            yield messages

    def _send(self, messages: list[dict[str, Any]], sent: set[str]) -> list[dict[str, Any]]:
        if not messages:
            return []
        entries = [_entry(index, message) for index, message in enumerate(messages)]
        answer = self._sqs.send_message_batch(QueueUrl=self._destination, Entries=entries)
        sent.update(taken["MessageId"] for taken in answer.get("Successful", []))
        return [messages[int(taken["Id"])] for taken in answer.get("Successful", [])]

    def _delete(self, messages: list[dict[str, Any]]) -> None:
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
        ]
        if entries:
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _show_again(self, handles: list[str]) -> None:
        for start in range(0, len(handles), _BATCH):
            entries = [
                {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for index, handle in enumerate(handles[start : start + _BATCH])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def list_projects(aws: Aws) -> list[str]:
    """Return every project that has a secret, sorted."""
    with _aws_errors():
        pages = _client(aws, "secretsmanager").get_paginator("list_secrets")
        filters = [{"Key": "name", "Values": [aws.secret_prefix]}]
        names = [secret["Name"] for page in pages.paginate(Filters=filters) for secret in page["SecretList"]]
    # The filter ignores case.
    ids = [name.removeprefix(aws.secret_prefix) for name in names if name.startswith(aws.secret_prefix)]
    return sorted(id_ for id_ in ids if _PROJECT_ID.match(id_))


def _sort(message: dict[str, Any], moved: Moved, advance: Callable[[], None]) -> bool:
    """Count the entry in `moved`, and tell whether it can be moved."""
    advance()
    reason = message.get("MessageAttributes", {}).get(_REASON, {}).get("StringValue")
    if reason is None:
        moved.moved += 1
        return True
    moved.set_aside.append((message["MessageId"], reason))
    return False


def _entry(index: int, message: dict[str, Any]) -> dict[str, Any]:
    entry = {"Id": str(index), "MessageBody": message["Body"]}
    attributes = message.get("MessageAttributes")
    return entry | ({"MessageAttributes": attributes} if attributes else {})


def _queue_url(aws: Aws, given: str) -> str:
    if given.startswith(("https://", "http://")):
        return given
    name = QUEUES[given]
    pages = _client(aws, "cloudformation").get_paginator("list_stack_resources").paginate(StackName=aws.stack_name)
    resources = [each for page in pages for each in page["StackResourceSummaries"]]
    urls: list[str] = [each["PhysicalResourceId"] for each in resources if each["LogicalResourceId"] == name]
    if not urls:
        msg = f"The stack {aws.stack_name} has no queue of this name."
        raise UsageError(msg)
    return urls[0]


def _client(aws: Aws, service: str) -> Any:
    try:
        import boto3  # noqa: PLC0415 -- an extra of this package
    except ImportError:
        msg = "This command needs boto3: install project-smtp[aws]."
        raise UsageError(msg) from None
    with _aws_errors():
        return boto3.client(
            service,
            endpoint_url=aws.endpoint_url,
            region_name=aws.region,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key=aws.secret_access_key,
        )


@contextmanager
def _aws_errors() -> Iterator[None]:
    """Translate errors of AWS to errors of a command."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 -- with boto3
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 -- with boto3

    try:
        yield
    except ClientError as error:
        answered = error.response.get("Error", {})
        raise CommandError(
            f"AWS refused the request: {answered.get('Code', 'unknown')}. {answered.get('Message', '')}", Exit.REFUSED
        ) from None
    except (BotoCoreError, ResponseParserError) as error:
        raise Unreachable(f"AWS is not available: {type(error).__name__}.") from None
