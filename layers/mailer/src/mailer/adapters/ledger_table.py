"""A DynamoDB table with conditional writes only, whose failures are `LedgerUnavailable`.

If an answer is lost, the client repeats the write, which then meets itself. Each write has its own token, so it
recognises its own item and does not take it for a conflict.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import batched
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.session import Unanswered, answer
from mailer.errors import LedgerUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import (
        AttributeValueTypeDef,
        BatchGetItemOutputTypeDef,
        DeleteTypeDef,
        PutTypeDef,
        QueryInputTypeDef,
        QueryOutputTypeDef,
        TransactWriteItemTypeDef,
        UpdateItemInputTypeDef,
    )

    type Attributes = dict[str, AttributeValueTypeDef]

# An item as read: every attribute is a text or a number, and DynamoDB writes numbers as texts.
type Item = dict[str, dict[str, str]]

# The attribute with the token of an item's last write.
WRITTEN_BY = "written_by"
_BATCH = 100
# Concurrent transactions refuse each other at once; within some hundredths of a second one succeeds.
_TRIES = 6
_PAUSE_SECONDS = 0.05
_CONFLICT = "TransactionConflict"
_LOGGER = logging.getLogger(__name__)


class _Reason(msgspec.Struct, frozen=True, rename="pascal"):
    """Why a write of a transaction was refused, and the item that it met."""

    code: str = "None"
    item: Item | None = None


class _Refusal(msgspec.Struct, frozen=True, rename={"reasons": "CancellationReasons", "item": "Item"}):
    """DynamoDB's refusal of a transaction's writes, or of a single one."""

    reasons: tuple[_Reason, ...] = ()
    item: Item | None = None


class Refused(Exception):
    """A condition failed, so nothing was written; `met` has the items met, by the write's position."""

    def __init__(self, met: dict[int, Item | None]) -> None:
        super().__init__()
        self.met = met


class _Conflict(Exception):
    """Another transaction runs on the same item."""


def new_token() -> str:
    """Return a token for one write."""
    return secrets.token_hex(16)


class Table:
    """One table; safe to share between threads.

    A malformed request is a bug: it is raised as `Unanswered`.
    """

    def __init__(
        self, client_factory: Callable[[], "DynamoDBClient"], *, name: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client_factory = client_factory
        self.name = name
        self._pause = pause

    def put(self, item: "Attributes", condition: str, values: "Attributes") -> "TransactWriteItemTypeDef":
        """Return the write of an item under a condition."""
        put: PutTypeDef = {
            "TableName": self.name,
            "Item": item,
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:
            put["ExpressionAttributeValues"] = values
        return {"Put": put}

    def delete(self, key: "Attributes", condition: str, values: "Attributes") -> "TransactWriteItemTypeDef":
        """Return the deletion of an item under a condition."""
        delete: DeleteTypeDef = {
            "TableName": self.name,
            "Key": key,
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if values:
            delete["ExpressionAttributeValues"] = values
        return {"Delete": delete}

    def write(self, *writes: "TransactWriteItemTypeDef", token: str) -> None:
        """Write all or nothing; raises `Refused` where a condition fails, unless the write met itself."""
        for _ in range(_TRIES):
            try:
                self._write_once(writes)
            except _Conflict:
                self._pause(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 -- only spreads the writes
            except Refused as refused:
                if any(item is not None and _token_of(item) == token for item in refused.met.values()):
                    return
                raise
            else:
                return
        raise _unavailable(_CONFLICT)

    def update(self, update: "UpdateItemInputTypeDef", *, token: str) -> Item:
        """Change and return one item under a condition; the change must set the token.

        Raises `Refused`, unless the write met itself.
        """
        client = self._client_factory()
        try:
            response = answer(lambda: client.update_item(**update))
        except Unanswered as unanswered:
            if unanswered.code != "ConditionalCheckFailedException":
                raise _failure(unanswered) from unanswered
            met = _refusal(unanswered).item
            if met is None or _token_of(met) != token:
                raise Refused({0: met}) from None
            return met
        if "Attributes" not in response:  # as in `get`
            raise _unavailable("AttributesMissing")
        changed: Item = msgspec.convert(response["Attributes"], Item)
        return changed

    def get(self, key: "Attributes") -> Item | None:
        """Return the current item, None where it does not exist."""
        client = self._client_factory()
        response = _ask(
            lambda: client.get_item(TableName=self.name, Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
        )
        # botocore reads a truncated answer as an empty one, which would mean that the item does not exist.
        if "ConsumedCapacity" not in response:
            raise _unavailable("ConsumedCapacityMissing")
        return msgspec.convert(response["Item"], Item) if "Item" in response else None

    def get_all(self, keys: Sequence["Attributes"]) -> Iterator[Item]:
        """Return the current items that exist, in no order."""
        for batch in batched(keys, _BATCH, strict=False):
            yield from self._get_batch(batch)

    def query(self, query: "QueryInputTypeDef") -> Iterator[Item]:
        """Return a query's items, page by page as they are consumed; its `Limit` is the page size."""
        for _, items in self._pages(query):
            yield from items

    def count(self, query: "QueryInputTypeDef") -> int:
        """Count a query's items."""
        counting: QueryInputTypeDef = {**query, "Select": "COUNT"}
        return sum(count for count, _ in self._pages(counting))

    def _write_once(self, writes: Sequence["TransactWriteItemTypeDef"]) -> None:
        client = self._client_factory()
        try:
            match writes:
                case [{"Put": put}]:
                    answer(lambda: client.put_item(**put))
                case _:
                    answer(lambda: client.transact_write_items(TransactItems=writes))
        except Unanswered as unanswered:
            refusal = _refusal(unanswered)
            match unanswered.code:
                case "ConditionalCheckFailedException":
                    raise Refused({0: refusal.item}) from None
                case "TransactionConflictException":
                    raise _Conflict from None
                case "TransactionCanceledException":
                    _raise_cancelled(refusal.reasons)
            raise _failure(unanswered) from unanswered

    def _get_batch(self, batch: Sequence["Attributes"]) -> Iterator[Item]:
        keys: Sequence[Attributes] = batch
        for _ in range(_TRIES):
            response = self._get_once(keys)
            if "Responses" not in response:  # as in `get`
                raise _unavailable("ResponsesMissing")
            yield from msgspec.convert(response["Responses"].get(self.name, ()), list[Item])
            left = response.get("UnprocessedKeys", {}).get(self.name)
            if left is None:
                return
            keys = [msgspec.convert(key, Item) for key in left["Keys"]]
            self._pause(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 -- as above
        raise _unavailable("UnprocessedKeys")

    def _get_once(self, keys: Sequence["Attributes"]) -> "BatchGetItemOutputTypeDef":
        client = self._client_factory()
        return _ask(lambda: client.batch_get_item(RequestItems={self.name: {"Keys": keys, "ConsistentRead": True}}))

    def _pages(self, query: "QueryInputTypeDef") -> Iterator[tuple[int, list[Item]]]:
        while True:
            response = self._query_once(query)
            if "Count" not in response:  # as in `get`
                raise _unavailable("CountMissing")
            yield response["Count"], msgspec.convert(response.get("Items", ()), list[Item])
            if "LastEvaluatedKey" not in response:
                return
            query = {**query, "ExclusiveStartKey": response["LastEvaluatedKey"]}

    def _query_once(self, query: "QueryInputTypeDef") -> "QueryOutputTypeDef":
        client = self._client_factory()
        return _ask(lambda: client.query(**query))


def _ask[T](request: Callable[[], T]) -> T:
    try:
        return answer(request)
    except Unanswered as unanswered:
        raise _failure(unanswered) from unanswered


def _failure(unanswered: Unanswered) -> Exception:
    return unanswered if unanswered.code == "ValidationException" else _unavailable(unanswered.code)


def _unavailable(code: str) -> LedgerUnavailable:
    _LOGGER.warning("the ledger did not answer", extra={"code": code})
    return LedgerUnavailable()


def _refusal(unanswered: Unanswered) -> _Refusal:
    try:
        return msgspec.convert(unanswered.response, _Refusal)
    except msgspec.ValidationError:
        return _Refusal()


def _raise_cancelled(reasons: Sequence[_Reason]) -> None:
    codes = {reason.code for reason in reasons}
    met = {position: each.item for position, each in enumerate(reasons) if each.code == "ConditionalCheckFailed"}
    if met:
        raise Refused(met) from None
    if _CONFLICT in codes:
        raise _Conflict from None
    if "ValidationError" in codes:
        raise Unanswered("ValidationException", {})


def _token_of(item: Item) -> str | None:
    return item.get(WRITTEN_BY, {}).get("S")
