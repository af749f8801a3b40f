"""The ledger in one DynamoDB table: every write is conditional on what it replaces."""

import heapq
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from copy import replace
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.ledger_items import (
    COUNT,
    DUE_SHARDS,
    EMAIL,
    answer_attribute,
    breaker_item,
    breaker_place,
    count_place,
    email_place,
    health_item,
    key_item,
    key_place,
    make_cursor,
    number,
    partition,
    place,
    read_counts,
    read_cursor,
    read_key,
    read_place,
    read_record,
    record_item,
    state_key,
    text,
)
from mailer.adapters.ledger_table import WRITTEN_BY, Item, Refused, Table, new_token
from mailer.ledger.breaker import BreakerState
from mailer.ledger.health import Health
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse
from mailer.ledger.record import Record, State
from mailer.ports import CounterResult, Page, WriteConflict
from mailer.project import ProjectId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef, TransactWriteItemTypeDef, UpdateItemInputTypeDef

_NOT_THERE = "attribute_not_exists(pk)"
_LOGGER = logging.getLogger(__name__)


class DynamoDbLedger:
    """Implements `Ledger`; safe to share between threads."""

    def __init__(
        self,
        client_factory: Callable[[], "DynamoDBClient"],
        *,
        table: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(client_factory, name=table, pause=pause)

    def insert(self, record: Record, *, key: KeyUse | None = None) -> KeyState | None:
        """Write a new record and its key in one step; if the key is known, return its state and write nothing.

        Raises `WriteConflict` where the id exists.
        """
        token = new_token()
        writes = [self._table.put(record_item(record, written_by=token), _NOT_THERE, {})]
        if key is not None:
            writes.append(self._put_key(record, key, token))
        try:
            self._table.write(*writes, token=token)
        except Refused as refused:
            known = refused.met.get(1)
            if known is None:
                raise WriteConflict from None
            return read_key(known)
        return None

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """Write and return the next revision of a record; `closing` is written in the same step.

        Raises `WriteConflict` unless the ledger holds `record.revision`. A key that is gone, or stands for another
        message by now, stays as it is.
        """
        token = new_token()
        written = replace(record, revision=record.revision + 1)
        values = {":revision": number(record.revision)}
        put = self._table.put(record_item(written, written_by=token), "revision = :revision", values)
        try:
            if closing is None or not self._is_closed(record, put, closing, token):
                self._table.write(put, token=token)
        except Refused:
            raise WriteConflict from None
        return written

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        """Return the record, None where it does not exist."""
        item = self._table.get(email_place(project_id, id))
        return None if item is None else read_record(item)

    def find_key(self, project_id: ProjectId | None, digest: str, *, now: float) -> KeyState | None:
        """Return the state of a key, None where it is unknown or expired."""
        item = self._table.get(key_place(project_id, digest))
        return None if item is None or float(item["expires_at"]["N"]) <= now else read_key(item)

    def page(self, project_id: ProjectId | None, *, state: State | None, cursor: str | None, limit: int) -> Page:
        """Return a project's records, newest first; raises `ValueError` for a malformed cursor.

        A page may be shorter than `limit` without being the last: records that have left the state since the index
        was written are left out.
        """
        before = None if cursor is None else read_cursor(cursor)
        if state is None:
            found = tuple(islice(self._newest(project_id, before, limit + 1), limit + 1))
            records = tuple(read_record(item) for item in found[:limit])
            return Page(records, make_cursor(records[-1].id) if len(found) > limit else None)
        newest_first: QueryInputTypeDef = {**self._by_state(project_id, state), "ScanIndexForward": False}
        ids = self._ids_beyond(newest_first, "<", before, limit + 1)
        places = [email_place(project_id, id) for id in ids[:limit]]
        stored = (read_record(item) for item in self._table.get_all(places))
        listed = sorted((each for each in stored if each.state is state), key=lambda each: each.id, reverse=True)
        return Page(tuple(listed), make_cursor(ids[limit - 1]) if len(ids) > limit else None)

    def ids_in_state(
        self, project_id: ProjectId | None, state: State, *, after: str | None = None, limit: int = 1000
    ) -> tuple[str, ...]:
        """Return the ids of a project's messages in a state, oldest first, from the one after `after`."""
        return self._ids_beyond(self._by_state(project_id, state), ">", after, limit)

    def count(self, project_id: ProjectId | None, state: State) -> int:
        """Count a project's messages in a state."""
        return self._table.count(self._by_state(project_id, state))

    def due(self, *, now: float, limit: int) -> tuple[tuple[ProjectId | None, str], ...]:
        """Return the messages whose `due_at` has come, the longest overdue first."""
        shards = [list(islice(self._due_in(shard, now, limit), limit)) for shard in DUE_SHARDS]
        merged = heapq.merge(*shards, key=lambda item: float(item["due_at"]["N"]))
        return tuple(read_place(item) for item in islice(merged, limit))

    def breaker(self, project_id: ProjectId, provider_id: str) -> BreakerState:
        """Return the breaker of a project's provider; a new `BreakerState` where there is none."""
        item = self._table.get(breaker_place(project_id, provider_id))
        return BreakerState() if item is None else msgspec.json.decode(item["record"]["S"], type=BreakerState)

    def save_breaker(self, project_id: ProjectId, provider_id: str, state: BreakerState) -> None:
        """Write the next revision; raises `WriteConflict` unless the ledger holds `state.revision`."""
        token = new_token()
        item = breaker_item(project_id, provider_id, replace(state, revision=state.revision + 1), written_by=token)
        if state.revision == 0:
            put = self._table.put(item, _NOT_THERE, {})
        else:
            put = self._table.put(item, "revision = :revision", {":revision": number(state.revision)})
        try:
            self._table.write(put, token=token)
        except Refused:
            raise WriteConflict from None

    def increment(
        self, project_id: ProjectId, page: str, amount: int, *, within: Mapping[str, int | None], forget_at: float
    ) -> CounterResult:
        """Add the amount to all named counters of a project's page, or to none if one would exceed its maximum.

        A negative amount gives back. The page may be deleted at `forget_at`.
        """
        token = new_token()
        names = {"#ttl": "ttl", "#written_by": WRITTEN_BY}
        values = {":ttl": number(int(forget_at)), ":token": text(token), ":amount": number(amount)}
        conditions = ["(attribute_not_exists(#written_by) OR #written_by <> :token)"]
        for index, (slot, maximum) in enumerate(within.items()):
            names[f"#c{index}"] = f"{COUNT}{slot}"
            if maximum is not None:
                values[f":room{index}"] = number(maximum - amount)
                # A missing counter is 0, and the amount alone may exceed the maximum.
                absent = f"attribute_not_exists(#c{index}) OR " if amount <= maximum else ""
                conditions.append(f"({absent}#c{index} <= :room{index})")
        added = ", ".join(f"#c{index} :amount" for index in range(len(within)))
        update: UpdateItemInputTypeDef = {
            "TableName": self._table.name,
            "Key": count_place(project_id, page),
            "UpdateExpression": f"SET #ttl = :ttl, #written_by = :token ADD {added}",
            "ConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            return CounterResult(read_counts(self._table.update(update, token=token)), is_taken=True)
        except Refused as refused:
            return CounterResult(read_counts(refused.met[0]), is_taken=False)

    def health(self, project_id: ProjectId) -> Health | None:
        """Return the project's health, None before its first validation."""
        item = self._table.get(place(project_id, "health"))
        return None if item is None else msgspec.json.decode(item["record"]["S"], type=Health)

    def save_health(self, project_id: ProjectId, health: Health) -> None:
        """Write the project's health; an older one never replaces a newer one."""
        condition, values = f"{_NOT_THERE} OR checked_at <= :checked_at", {":checked_at": number(health.checked_at)}
        put = self._table.put(health_item(project_id, health), condition, values)
        try:
            self._table.write(put, token=new_token())
        except Refused:
            _LOGGER.info("a newer health is stored", extra={"project_id": project_id})

    def _put_key(self, record: Record, key: KeyUse, token: str) -> "TransactWriteItemTypeDef":
        condition, values = f"{_NOT_THERE} OR expires_at <= :now", {":now": number(record.updated_at)}
        if key.supersedes is not None:
            condition, values[":supersedes"] = f"{condition} OR id = :supersedes", text(key.supersedes)
        return self._table.put(key_item(record, key, written_by=token), condition, values)

    def _is_closed(self, record: Record, put: "TransactWriteItemTypeDef", closing: KeyClosing, token: str) -> bool:
        """Write the record with its key; False where the key is gone or stands for another message."""
        try:
            self._table.write(put, self._close(record, closing), token=token)
        except Refused as refused:
            if 0 in refused.met:
                raise
            return False
        return True

    def _close(self, record: Record, closing: KeyClosing) -> "TransactWriteItemTypeDef":
        place, condition = key_place(record.project_id, closing.digest), "id = :id"
        values = {":id": text(record.id)}
        if closing.answer is None:
            return {
                "Delete": {
                    "TableName": self._table.name,
                    "Key": place,
                    "ConditionExpression": condition,
                    "ExpressionAttributeValues": values,
                }
            }
        return {
            "Update": {
                "TableName": self._table.name,
                "Key": place,
                "UpdateExpression": "SET answer = :answer",
                "ConditionExpression": condition,
                "ExpressionAttributeValues": {**values, ":answer": answer_attribute(closing.answer)},
            }
        }

    def _newest(self, project_id: ProjectId | None, before: str | None, limit: int) -> Iterator[Item]:
        query: QueryInputTypeDef = {
            "TableName": self._table.name,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :email)",
            "ExpressionAttributeValues": {":pk": text(partition(project_id)), ":email": text(EMAIL)},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if before is not None:
            query["ExclusiveStartKey"] = email_place(project_id, before)
        return self._table.query(query)

    def _by_state(self, project_id: ProjectId | None, state: State) -> "QueryInputTypeDef":
        return {
            "TableName": self._table.name,
            "IndexName": "by_state",
            "KeyConditionExpression": "state_key = :state_key",
            "ExpressionAttributeValues": {":state_key": text(state_key(project_id, state))},
        }

    def _ids_beyond(self, query: "QueryInputTypeDef", relation: str, id: str | None, limit: int) -> tuple[str, ...]:
        # Not by ExclusiveStartKey: its message may have left this state.
        if id is not None:
            query["KeyConditionExpression"] = f"state_key = :state_key AND id {relation} :id"
            query["ExpressionAttributeValues"] = {**query["ExpressionAttributeValues"], ":id": text(id)}
        query["Limit"] = limit
        return tuple(item["id"]["S"] for item in islice(self._table.query(query), limit))

    def _due_in(self, shard: str, now: float, limit: int) -> Iterator[Item]:
        return self._table.query(
            {
                "TableName": self._table.name,
                "IndexName": "by_due",
                "KeyConditionExpression": "due_shard = :shard AND due_at <= :now",
                "ExpressionAttributeValues": {":shard": text(shard), ":now": number(now)},
                "Limit": limit,
            }
        )
