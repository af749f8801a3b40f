"""A DynamoDB table with conditional writes only; its failures are raised as `LedgerUnavailable`.

If an answer is lost, the client repeats the write, and then finds the item that its first try wrote. Each write has its
own token, so it recognises its own item and does not take it for a conflict.
"""

import logging
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import replace
from itertools import batched
from typing import TYPE_CHECKING, Literal

import msgspec

from mailer.adapters.aws.session import Unanswered, answer
from mailer.errors import LedgerUnavailable
from mailer.ports import WriteConflict
from mailer.project import ProjectId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Attributes to write; those that are None are left out.
type Values = Mapping[str, str | float | None]
# An item that was read. Every attribute is a text or a number, and DynamoDB returns numbers as texts.
type Item = dict[str, str]
type _Attributes = dict[str, dict[str, str]]

# The attribute with the token of an item's last write.
WRITTEN_BY = "written_by"
_PROJECT = "project#"
_SERVER = "server"
_BATCH = 100
# Concurrent transactions make each other fail at once. After a short random pause a repetition succeeds.
_TRIES = 6
_PAUSE_SECONDS = 0.05
_LOGGER = logging.getLogger(__name__)


class Write(msgspec.Struct, frozen=True):
    """A conditional write.

    For an update or a deletion `item` is the key only; `change` is the expression of an update.
    """

    kind: Literal["Put", "Update", "Delete"]
    item: Values
    condition: str
    values: Values = {}
    change: str | None = None
    names: Mapping[str, str] = {}


class Refused(WriteConflict):
    """A condition failed, so nothing was written.

    `met` maps the position of each refused write to the item that the write found.
    """

    def __init__(self, met: Mapping[int, Item | None]) -> None:
        super().__init__()
        self.met = met


class _Reason(msgspec.Struct, frozen=True, rename="pascal"):
    """The reason why one write of a transaction was refused, and the item that the write found."""

    code: str = "None"
    item: _Attributes | None = None


class _UnreadKeys(msgspec.Struct, frozen=True, rename="pascal"):
    """The keys that were not read."""

    keys: list[_Attributes]


class _Answer(msgspec.Struct, frozen=True, rename="pascal"):
    """An answer or a refusal. botocore reads a truncated answer as an empty one, so every member may be missing."""

    item: _Attributes | None = None
    items: Sequence[_Attributes] = ()
    attributes: _Attributes | None = None
    count: int | None = None
    consumed_capacity: object = None
    last_evaluated_key: _Attributes | None = None
    responses: Mapping[str, Sequence[_Attributes]] | None = None
    unprocessed_keys: Mapping[str, _UnreadKeys] = {}
    cancellation_reasons: Sequence[_Reason] = ()


class Table(msgspec.Struct, frozen=True):
    """One table; safe to share between threads.

    A malformed request is a bug: it is raised as `Unanswered`.
    """

    client_factory: Callable[[], "DynamoDBClient"]
    name: str
    pause: Callable[[float], None] = time.sleep

    def write(self, *writes: Write) -> str:
        """Write all or nothing, and return the token; raises `Refused` if a condition fails."""
        token = secrets.token_hex(16)
        try:
            match writes:
                case [Write("Put") as put]:
                    self._call("put_item", self._request(put, token))
                case _:
                    items = [{write.kind: self._request(write, token)} for write in writes]
                    self._call("transact_write_items", {"TransactItems": items})
        except Refused as refused:
            if not any(item is not None and item.get(WRITTEN_BY) == token for item in refused.met.values()):
                raise
        return token

    def update(self, update: Write) -> Item:
        """Change one item and return it; raises `Refused`.

        The expression must set the token to `:token`. The condition must require that the stored token is another one.
        """
        token = secrets.token_hex(16)
        update = replace(update, values={**update.values, ":token": token})
        try:
            changed = self._call("update_item", {**self._request(update, token), "ReturnValues": "ALL_NEW"}).attributes
        except Refused as refused:
            met = refused.met[0]
            if met is None or met.get(WRITTEN_BY) != token:
                raise
            return met
        if changed is None:
            raise _unavailable("AttributesMissing")
        return _item(changed)

    def get(self, key: Values) -> Item | None:
        """Return the current item; None if it does not exist."""
        request = {"Key": _attributes(key), "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}
        answered = self._call("get_item", {"TableName": self.name, **request})
        # A truncated answer also reads as empty, and must not be taken for "the item does not exist".
        if answered.consumed_capacity is None:
            raise _unavailable("ConsumedCapacityMissing")
        return None if answered.item is None else _item(answered.item)

    def get_all(self, keys: Sequence[Values]) -> Iterator[Item]:
        """Return the current items; missing items are left out, and the order is undefined."""
        for batch in batched(map(_attributes, keys), _BATCH, strict=False):
            yield from self._get_batch(batch)

    def query(
        self, condition: str, values: Values, *, start: Values | None = None, **options: object
    ) -> Iterator[Item]:
        """Yield a query's items after `start`; each page is read when it is needed. `Limit` is the page size."""
        after = {} if start is None else {"ExclusiveStartKey": _attributes(start)}
        for page in self._pages(condition, values, {**options, **after}):
            yield from map(_item, page.items)

    def count(self, condition: str, values: Values, **options: object) -> int:
        """Count a query's items."""
        return sum(page.count or 0 for page in self._pages(condition, values, {**options, "Select": "COUNT"}))

    def _request(self, write: Write, token: str) -> Mapping[str, object]:
        is_put = write.kind == "Put"
        request = {
            "TableName": self.name,
            "Item" if is_put else "Key": _attributes({**write.item, WRITTEN_BY: token if is_put else None}),
            "ConditionExpression": write.condition,
            "ExpressionAttributeValues": _attributes(write.values),
            "ExpressionAttributeNames": write.names,
            "UpdateExpression": write.change,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {name: value for name, value in request.items() if value}

    def _get_batch(self, keys: Sequence[_Attributes]) -> Iterator[Item]:
        for _ in range(_TRIES):
            request = {"RequestItems": {self.name: {"Keys": keys, "ConsistentRead": True}}}
            answered = self._call("batch_get_item", request)
            if answered.responses is None:
                raise _unavailable("ResponsesMissing")
            yield from map(_item, answered.responses.get(self.name, ()))
            left = answered.unprocessed_keys.get(self.name)
            if left is None:
                return
            keys = left.keys
            self._pause_shortly()
        raise _unavailable("UnprocessedKeys")

    def _pages(self, condition: str, values: Values, options: Mapping[str, object]) -> Iterator[_Answer]:
        query = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": _attributes(values),
            **options,
        }
        while True:
            page = self._call("query", query)
            if page.count is None:
                raise _unavailable("CountMissing")
            yield page
            if page.last_evaluated_key is None:
                return
            query["ExclusiveStartKey"] = page.last_evaluated_key

    def _call(self, operation: str, request: Mapping[str, object]) -> _Answer:
        method: Callable[..., object] = getattr(self.client_factory(), operation)
        for _ in range(_TRIES):
            try:
                return msgspec.convert(answer(lambda: method(**request)), _Answer)
            except Unanswered as unanswered:
                failure = _failure(unanswered)
                if failure is not None:
                    raise failure from unanswered
            self._pause_shortly()
        raise _unavailable("TransactionConflict")

    def _pause_shortly(self) -> None:
        self.pause(random.uniform(0, _PAUSE_SECONDS))  # noqa: S311 -- only spreads the requests


class TableAdapter:
    """The base of ports that are implemented on one table."""

    def __init__(
        self, client_factory: Callable[[], "DynamoDBClient"], *, table: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = Table(client_factory, table, pause)


def partition(project_id: ProjectId | None) -> str:
    """Return the partition of a project; a project may have the name "server"."""
    return _SERVER if project_id is None else f"{_PROJECT}{project_id}"


def place(project_id: ProjectId | None, *sort_key: str) -> Mapping[str, str]:
    """Return an item's primary key."""
    return {"pk": partition(project_id), "sk": "#".join(sort_key)}


def project_of(item: Item) -> ProjectId | None:
    """Return the project of an item, None for the platform."""
    return None if item["pk"] == _SERVER else ProjectId(item["pk"].removeprefix(_PROJECT))


def _failure(unanswered: Unanswered) -> Exception | None:
    """Return the error of a failed request; None if the request must be repeated after a conflict of transactions."""
    try:
        refusal = msgspec.convert(unanswered.response, _Answer)
    except msgspec.ValidationError:
        refusal = _Answer()
    reasons = refusal.cancellation_reasons
    codes = {unanswered.code, *(reason.code for reason in reasons)}
    if unanswered.code == "ConditionalCheckFailedException":
        return Refused({0: _item(refusal.item) if refusal.item else None})
    if "ConditionalCheckFailed" in codes:
        failed = (each for each in enumerate(reasons) if each[1].code == "ConditionalCheckFailed")
        return Refused({position: _item(reason.item) if reason.item else None for position, reason in failed})
    if codes & {"TransactionConflict", "TransactionConflictException"}:
        return None
    if codes & {"ValidationError", "ValidationException"}:
        return Unanswered("ValidationException")
    return _unavailable(unanswered.code)


def _unavailable(code: str) -> LedgerUnavailable:
    _LOGGER.warning("the ledger did not answer", extra={"code": code})
    return LedgerUnavailable()


def _attributes(values: Values) -> _Attributes:
    """Return the values in DynamoDB's form: texts as S, numbers as N."""
    return {
        name: {"S": value} if isinstance(value, str) else {"N": repr(value)}
        for name, value in values.items()
        if value is not None
    }


def _item(attributes: _Attributes) -> Item:
    return {name: text for name, typed in attributes.items() for text in typed.values()}
