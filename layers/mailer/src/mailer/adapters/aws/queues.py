"""The SQS queues that the use cases write to; they hold ids, never a message's content.

Standard queues may deliver twice. The ledger makes sure that each message is sent once.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.session import Unanswered, answer
from mailer.ports import Delivery, NotStored
from mailer.project import ProjectId

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

LONGEST_DELAY_SECONDS = 900
_BATCH = 10
# The queue group of the platform's own messages; no project can have this name.
_SERVER_GROUP = "server#"
_LOGGER = logging.getLogger(__name__)


class _Item(msgspec.Struct, frozen=True):
    body: Mapping[str, str | None]
    group: str
    delay_seconds: int


class _Queue(msgspec.Struct, frozen=True):
    """A queue, named by its URL."""

    client_factory: Callable[[], "SQSClient"]
    url: str

    def _send_all(self, items: Iterable[_Item]) -> int:
        """Send in batches of ten and return how many the queue did not confirm."""
        return sum(self._send_batch(batch) for batch in batched(items, _BATCH, strict=False))

    def _send_batch(self, items: Sequence[_Item]) -> int:
        client = self.client_factory()
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(position),
                "MessageBody": msgspec.json.encode(item.body).decode(),
                "MessageGroupId": item.group,
                "DelaySeconds": item.delay_seconds,
            }
            for position, item in enumerate(items)
        ]
        try:
            response = answer(lambda: client.send_message_batch(QueueUrl=self.url, Entries=entries))
        except Unanswered as unanswered:
            _LOGGER.warning("a queue took no messages", extra={"count": len(items), "code": unanswered.code})
            return len(items)
        failures = len(items) - len(response.get("Successful", ()))
        if failures:
            codes = sorted({failed.get("Code", "") for failed in response.get("Failed", ())})
            _LOGGER.warning("a queue did not take every message", extra={"count": failures, "codes": codes})
        return failures


class SqsDeliveryQueue(_Queue, frozen=True):
    """Implements `DeliveryQueue`; each project is a message group, so that one project cannot delay the others."""

    def send(self, deliveries: Sequence[Delivery]) -> int:
        """Put the messages into the queue and return how many failed; failures of the queue are not raised."""
        return self._send_all(
            _Item({"project_id": each.project_id, "id": each.id}, each.project_id or _SERVER_GROUP, each.delay_seconds)
            for each in deliveries
        )


class SqsValidationQueue(_Queue, frozen=True):
    """Implements `ValidationQueue` on the queue of changed secrets."""

    def send(
        self,
        project_ids: Sequence[ProjectId],
        *,
        within_seconds: int = 0,
        after_seconds: int = 0,
        beyond: str | None = None,
    ) -> None:
        """Request a validation of each project after `after_seconds`, spread over at most 900 s in all."""
        rest = {} if beyond is None else {"beyond": beyond}
        first = min(after_seconds, LONGEST_DELAY_SECONDS)
        within = min(within_seconds, LONGEST_DELAY_SECONDS - first)
        self._send_all(
            _Item({"project_id": each, **rest}, each, first + within * position // len(project_ids))
            for position, each in enumerate(project_ids)
        )


class SqsFailureQueue(_Queue, frozen=True):
    """Implements `FailureQueue`: the body is the record as JSON; the reason is also a message attribute."""

    def send(self, record: Mapping[str, object]) -> None:
        """Store the record, whose `reason` is a code; raises `NotStored` if it is not certain that it was stored."""
        client, body = self.client_factory(), msgspec.json.encode(record).decode()
        reason: MessageAttributeValueTypeDef = {"DataType": "String", "StringValue": str(record["reason"])}
        try:
            answer(
                lambda: client.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes={"reason": reason})
            )
        except Unanswered as unanswered:
            _LOGGER.warning("a failure queue did not take a record", extra={"code": unanswered.code})
            raise NotStored from unanswered
