"""DynamoDB's client in memory: conditional writes, transactions, and indexes that may lag behind the table."""

import bisect
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from tests.chaos.expressions import Attributes, Context, Malformed, condition, sort_value, update

type Key = tuple[str, str]
type Sorted = tuple[tuple[str, Decimal | str], Key]
type Defer = Callable[[Callable[[], None]], None]
type Note = Callable[[str, str], None]
type Guard = Callable[[str, str | None, Callable[[], dict[str, Any]]], dict[str, Any]]
type Answer = dict[str, Any]


def refusal(code: str, operation: str, **members: object) -> ClientError:
    """Return the exception of botocore for a refusal of AWS."""
    response = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}, **members}
    return ClientError(response, operation)  # type: ignore[arg-type]  # the members of a refusal differ by code


def no_fault(_operation: str, _id: str | None, perform: Callable[[], Answer]) -> Answer:
    """Perform every request."""
    return perform()


def no_note(_id: str, _record: str) -> None:
    """Note nothing."""


def at_once(apply: Callable[[], None]) -> None:
    """Update an index in the same moment as its table."""
    apply()


@dataclass
class _Index:
    """A sorted view of the items that have both key attributes; `defer` decides when it follows the table."""

    hash_name: str
    range_name: str
    keys_only: bool
    defer: Defer
    partitions: defaultdict[str, list[Sorted]] = field(default_factory=lambda: defaultdict(list))
    held: dict[Key, tuple[str, Sorted]] = field(default_factory=dict)
    items: dict[Key, Attributes] = field(default_factory=dict)
    applied: dict[Key, int] = field(default_factory=dict)

    def follow(self, key: Key, item: Attributes | None, number: int) -> None:
        """Show the item in this index, now or later."""
        self.defer(lambda: self._apply(key, item, number))

    def _apply(self, key: Key, item: Attributes | None, number: int) -> None:
        if self.applied.get(key, -1) > number:
            return
        self.applied[key] = number
        known = self.held.pop(key, None)
        if known is not None:
            partition = self.partitions[known[0]]
            del partition[bisect.bisect_left(partition, known[1])]
            del self.items[key]
        if item is None or self.hash_name not in item or self.range_name not in item:
            return
        entry = (item[self.hash_name]["S"], (sort_value(item[self.range_name]), key))
        bisect.insort(self.partitions[entry[0]], entry[1])
        self.held[key] = entry
        names = {"pk", "sk", self.hash_name, self.range_name}
        self.items[key] = {name: item[name] for name in names} if self.keys_only else item


class FakeDynamoDb:
    """Implements the part of `DynamoDBClient` that the adapters use, for one table.

    `guard` is called with the operation, the id of the message that it is about, and the work; it may fail instead.
    `defer` is called with each change of an index, `note` with the id and the text of each record before it is written.
    """

    def __init__(
        self, definition: Mapping[str, Any], *, guard: Guard = no_fault, defer: Defer = at_once, note: Note = no_note
    ) -> None:
        self._guard = guard
        self._note = note
        self._items: dict[Key, Attributes] = {}
        self._numbers = itertools.count()
        self._indexes: dict[str | None, _Index] = {None: _Index("pk", "sk", False, at_once)}
        for each in definition["GlobalSecondaryIndexes"]:
            names = {part["KeyType"]: part["AttributeName"] for part in each["KeySchema"]}
            keys_only = each["Projection"]["ProjectionType"] == "KEYS_ONLY"
            self._indexes[each["IndexName"]] = _Index(names["HASH"], names["RANGE"], keys_only, defer)

    def items(self, sort_prefix: str) -> Iterable[tuple[Key, Attributes]]:
        """Return the current items whose sort key begins so, without any fault."""
        return [each for each in self._items.items() if each[0][1].startswith(sort_prefix)]

    def put_item(self, **request: Any) -> Answer:
        """Write one item."""
        return self._write_one("PutItem", "Put", request)

    def update_item(self, **request: Any) -> Answer:
        """Change one item."""
        return self._write_one("UpdateItem", "Update", request)

    def delete_item(self, **request: Any) -> Answer:
        """Delete one item."""
        return self._write_one("DeleteItem", "Delete", request)

    def get_item(self, **request: Any) -> Answer:
        """Read one item."""
        key = _key(request["Key"])

        def perform() -> Answer:
            item = self._items.get(key)
            found = {} if item is None else {"Item": dict(item)}
            return {**found, "ConsumedCapacity": {"CapacityUnits": 1.0}}

        return self._guard("GetItem", _message(key), perform)

    def batch_get_item(self, **request: Any) -> Answer:
        """Read several items."""
        ((table, wanted),) = request["RequestItems"].items()

        def perform() -> Answer:
            found = [self._items[key] for each in wanted["Keys"] if (key := _key(each)) in self._items]
            return {"Responses": {table: [dict(each) for each in found]}, "UnprocessedKeys": {}}

        return self._guard("BatchGetItem", None, perform)

    def transact_write_items(self, **request: Any) -> Answer:
        """Write all items or none."""
        writes = [next(iter(each.items())) for each in request["TransactItems"]]
        ids = [_message(_key_of(write)) for _, write in writes]
        for _, write in writes:
            self._announce(write)

        def perform() -> Answer:
            refused = [self._refused(write) for _, write in writes]
            if any(each is not None for each in refused):
                raise refusal(
                    "TransactionCanceledException",
                    "TransactWriteItems",
                    CancellationReasons=[each or {"Code": "None"} for each in refused],
                )
            for kind, write in writes:
                self._apply(kind, write)
            return {}

        return self._guard("TransactWriteItems", next(filter(None, ids), None), perform)

    def query(self, **request: Any) -> Answer:
        """Return a page of a partition, in the order of the range key."""
        return self._guard("Query", None, lambda: self._query(request))

    def _query(self, request: Mapping[str, Any]) -> Answer:
        index = self._indexes[request.get("IndexName")]
        values, text = request["ExpressionAttributeValues"], request["KeyConditionExpression"]
        names = request.get("ExpressionAttributeNames", {})
        matched = re.search(rf"\b{index.hash_name} = (:\w+)", text)
        if matched is None:
            raise Malformed(text)
        is_met = condition(text)
        partition = list(index.partitions.get(values[matched[1]]["S"], ()))
        if not request.get("ScanIndexForward", True):
            partition.reverse()
        start = request.get("ExclusiveStartKey")
        if start is not None:
            after = (sort_value(start[index.range_name]), _key(start))
            is_ascending = request.get("ScanIndexForward", True)
            partition = [each for each in partition if (each > after if is_ascending else each < after)]
        limit = request.get("Limit", 1000)
        found: list[Attributes] = []
        last: Attributes | None = None
        for _, key in partition:
            item = index.items[key]
            if not is_met(Context(item, values, names)):
                continue
            if len(found) == limit:
                last = {name: found[-1][name] for name in {"pk", "sk", index.hash_name, index.range_name}}
                break
            found.append(item)
        answer: Answer = {"Count": len(found)}
        if request.get("Select") != "COUNT":
            answer["Items"] = [dict(each) for each in found]
        return answer if last is None else {**answer, "LastEvaluatedKey": dict(last)}

    def _write_one(self, operation: str, kind: str, request: Mapping[str, Any]) -> Answer:
        def perform() -> Answer:
            refused = self._refused(request)
            if refused is not None:
                raise refusal("ConditionalCheckFailedException", operation, **refused)
            return {"Attributes": dict(self._apply(kind, request) or {})}

        self._announce(request)
        return self._guard(operation, _message(_key_of(request)), perform)

    def _announce(self, write: Mapping[str, Any]) -> None:
        id = _message(_key_of(write))
        if id is not None and "Item" in write:
            self._note(id, write["Item"]["record"]["S"])

    def _refused(self, write: Mapping[str, Any]) -> dict[str, object] | None:
        """Return the reason if the condition of a write is not met."""
        text = write.get("ConditionExpression")
        known = self._items.get(_key_of(write))
        if text is None or condition(text)(_context(write, known)):
            return None
        shown = known is not None and write.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        return {"Code": "ConditionalCheckFailed", **({"Item": dict(known or {})} if shown else {})}

    def _apply(self, kind: str, write: Mapping[str, Any]) -> Attributes | None:
        key = _key_of(write)
        item: Attributes | None = None
        if kind == "Put":
            item = dict(write["Item"])
        elif kind == "Update":
            known = self._items.get(key)
            changed = update(write["UpdateExpression"])(_context(write, known))
            merged = {**write["Key"], **(known or {}), **changed}
            item = {name: value for name, value in merged.items() if value is not None}
        if kind == "ConditionCheck":
            return None
        if item is None:
            self._items.pop(key, None)
        else:
            self._items[key] = item
        number = next(self._numbers)
        for index in self._indexes.values():
            index.follow(key, item, number)
        return item


def _context(write: Mapping[str, Any], known: Attributes | None) -> Context:
    return Context(known or {}, write.get("ExpressionAttributeValues", {}), write.get("ExpressionAttributeNames", {}))


def _key(attributes: Mapping[str, Any]) -> Key:
    return attributes["pk"]["S"], attributes["sk"]["S"]


def _key_of(write: Mapping[str, Any]) -> Key:
    return _key(write["Item"] if "Item" in write else write["Key"])


def _message(key: Key) -> str | None:
    """Return the id of the message that an item is about."""
    kind, _, id = key[1].partition("#")
    return id if kind == "email" else None
