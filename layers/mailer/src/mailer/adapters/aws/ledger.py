"""The ledger in one DynamoDB table. Every write has a condition on the item that it replaces."""

import base64
import heapq
import logging
import re
import time
import zlib
from collections.abc import Callable, Mapping
from copy import replace
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.breaker_item import leave_slot, read_breaker, take_slot
from mailer.adapters.aws.table import (
    WRITTEN_BY,
    Item,
    Refused,
    Table,
    TableAdapter,
    Values,
    Write,
    partition,
    place,
    project_of,
)
from mailer.ledger.breaker import AttemptReport, BreakerState, Paused, SlotRequest
from mailer.ledger.epoch import Epoch
from mailer.ledger.health import Health
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse, StoredAnswer
from mailer.ledger.record import Record, State
from mailer.ledger.release_turn import ReleaseTurn
from mailer.ledger.server_outage import ServerOutage
from mailer.ports import CounterResult, Page, WriteConflict
from mailer.project import ProjectId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_EMAIL = "email"
# The prefix of a counter's attribute. Without it, a role named "ttl" would name another attribute of the item.
_COUNT = "n:"
_DUE_SHARDS = tuple(str(shard) for shard in range(8))
_RECORD_LIFETIME_SECONDS = 30 * 24 * 3600
_CURSOR = re.compile(r"before:([A-Za-z0-9_-]{1,64})")
_NOT_THERE, _UNCHANGED = "attribute_not_exists(pk)", "revision = :revision"
_records = msgspec.json.Decoder(Record)
_epochs = msgspec.json.Decoder(Epoch)
_LOGGER = logging.getLogger(__name__)


class DynamoDbLedger(TableAdapter):
    """Implements `Ledger`; safe to share between threads.

    `once_factory` returns a client that never retries; a quota is given back with it.
    """

    def __init__(
        self,
        client_factory: Callable[[], "DynamoDBClient"],
        *,
        once_factory: Callable[[], "DynamoDBClient"],
        table: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(client_factory, table=table, pause=pause)
        self._table_once = Table(once_factory, table, pause)

    def insert(self, record: Record, *, key: KeyUse | None = None) -> KeyState | None:
        """Write a new record and its key: see `mailer.ports.Ledger`."""
        put = Write("Put", _record_item(record), _NOT_THERE)
        try:
            self._table.write(put, *(() if key is None else (_key(record, key),)))
        except Refused as refused:
            known = refused.met.get(1)
            if known is None:
                raise
            return _read_key(known)
        return None

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """Write the next revision of a record: see `mailer.ports.Ledger`.

        The idempotency key is not changed if it was deleted, or now belongs to another message.
        """
        written = replace(record, revision=record.revision + 1)
        put = Write("Put", _record_item(written), _UNCHANGED, {":revision": record.revision})
        if closing is not None:
            try:
                self._table.write(put, _close(record, closing))
            except Refused as refused:
                if 0 in refused.met:
                    raise
            else:
                return written
        self._table.write(put)
        return written

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        """Return the record; None if it does not exist."""
        item = self._table.get(place(project_id, _EMAIL, id))
        return None if item is None else _records.decode(item["record"])

    def find_key(self, project_id: ProjectId | None, digest: str, *, now: float) -> KeyState | None:
        """Return the state of a key; None if it is unknown or expired."""
        item = self._table.get(place(project_id, "key", digest))
        return None if item is None or float(item["expires_at"]) <= now else _read_key(item)

    def page(self, project_id: ProjectId | None, *, state: State | None, cursor: str | None, limit: int) -> Page:
        """Return a project's records, newest first; raises `ValueError` for a malformed cursor.

        A page may be shorter than `limit` even if it is not the last: records that have changed their state since the
        index was written are left out.
        """
        before = None if cursor is None else read_cursor(cursor)
        if state is None:
            items = self._table.query(
                "pk = :pk AND begins_with(sk, :email)",
                {":pk": partition(project_id), ":email": f"{_EMAIL}#"},
                start=None if before is None else place(project_id, _EMAIL, before),
                ScanIndexForward=False,
                Limit=limit + 1,
            )
            found = tuple(islice(items, limit + 1))
            records = tuple(_records.decode(item["record"]) for item in found[:limit])
            return Page(records, make_cursor(records[-1].id) if len(found) > limit else None)
        ids = self._ids_beyond(project_id, state, "<", before, limit + 1)
        items = self._table.get_all([place(project_id, _EMAIL, id) for id in ids[:limit]])
        listed = [record for item in items if (record := _records.decode(item["record"])).state is state]
        listed.sort(key=lambda record: record.id, reverse=True)
        return Page(tuple(listed), make_cursor(ids[limit - 1]) if len(ids) > limit else None)

    def ids_in_state(
        self, project_id: ProjectId | None, state: State, *, after: str | None = None, limit: int = 1000
    ) -> tuple[str, ...]:
        """Return the ids of a project's messages in a state, oldest first; with `after` only later ids."""
        return self._ids_beyond(project_id, state, ">", after, limit)

    def count(self, project_id: ProjectId | None, state: State) -> int:
        """Count a project's messages in a state."""
        values = {":state_key": _state_key(project_id, state)}
        return self._table.count("state_key = :state_key", values, IndexName="by_state")

    def due(self, *, now: float, limit: int) -> tuple[tuple[ProjectId | None, str], ...]:
        """Return the messages whose `due_at` is now or earlier, the oldest `due_at` first."""
        condition = "due_shard = :shard AND due_at <= :now"
        found = (
            self._table.query(condition, {":shard": shard, ":now": now}, IndexName="by_due", Limit=limit)
            for shard in _DUE_SHARDS
        )
        shards = [list(islice(items, limit)) for items in found]
        merged = heapq.merge(*shards, key=lambda item: float(item["due_at"]))
        return tuple((project_of(item), item["sk"].removeprefix(f"{_EMAIL}#")) for item in islice(merged, limit))

    def breaker(self, project_id: ProjectId, gate_id: str) -> BreakerState:
        """Return the breaker of a project's provider; a new `BreakerState` if none is stored."""
        return read_breaker(self._table, place(project_id, "breaker", gate_id))

    def take_slot(self, project_id: ProjectId, gate_id: str, request: SlotRequest, *, now: float) -> Paused | None:
        """Take a slot, or return when to try again."""
        return take_slot(self._table, place(project_id, "breaker", gate_id), request, now=now)

    def leave_slot(
        self,
        project_id: ProjectId,
        gate_id: str,
        *,
        version_id: str,
        token: str,
        report: AttemptReport | None,
        now: float,
    ) -> bool:
        """Leave a slot, and return whether the project's configuration must be validated."""
        key = place(project_id, "breaker", gate_id)
        return leave_slot(self._table, key, version_id=version_id, token=token, report=report, now=now)

    def increment(
        self, project_id: ProjectId, page: str, amount: int, *, within: Mapping[str, int | None], forget_at: float
    ) -> CounterResult:
        """Add the amount to all counters or to none: see `mailer.ports.Ledger`.

        The page keeps the token of its last write only. So a repetition after a lost answer counts again if another
        request has counted meanwhile. A count that is too high is harmless; an amount is given back in one try.
        """
        table = self._table_once if amount < 0 else self._table
        names = {"#ttl": "ttl"}
        values: dict[str, int] = {":ttl": int(forget_at), ":amount": amount}
        conditions = [f"(attribute_not_exists({WRITTEN_BY}) OR {WRITTEN_BY} <> :token)"]
        for index, (slot, maximum) in enumerate(within.items()):
            names[f"#c{index}"] = f"{_COUNT}{slot}"
            if amount < 0:
                values[":floor"] = -amount
                conditions.append(f"#c{index} >= :floor")
            elif maximum is not None:
                values[f":room{index}"] = maximum - amount
                # A missing counter is 0, and the amount alone may exceed the maximum.
                absent = f"attribute_not_exists(#c{index}) OR " if amount <= maximum else ""
                conditions.append(f"({absent}#c{index} <= :room{index})")
        added = ", ".join(f"#c{index} :amount" for index in range(len(within)))
        change = f"SET #ttl = :ttl, {WRITTEN_BY} = :token ADD {added}"
        update = Write("Update", place(project_id, "count", page), " AND ".join(conditions), values, change, names)
        try:
            return CounterResult(_read_counts(table.update(update)), is_taken=True)
        except Refused as refused:
            return CounterResult(_read_counts(refused.met[0] or {}), is_taken=False)

    def epoch(self, project_id: ProjectId) -> Epoch:
        """Return the epoch of a project's secret; a new `Epoch` if none is stored."""
        item = self._table.get(place(project_id, "epoch"))
        return Epoch() if item is None else _epochs.decode(item["record"])

    def save_epoch(self, project_id: ProjectId, epoch: Epoch) -> None:
        """Write the epoch; raises `WriteConflict` unless the ledger holds the number before."""
        self._save_numbered(place(project_id, "epoch"), _json(epoch), epoch.number)

    def release_turn(self, project_id: ProjectId) -> ReleaseTurn:
        """Return the turn of a project's release; a new `ReleaseTurn` if none is stored."""
        item = self._table.get(place(project_id, "release"))
        return ReleaseTurn() if item is None else msgspec.json.decode(item["record"], type=ReleaseTurn)

    def save_release_turn(self, project_id: ProjectId, turn: ReleaseTurn) -> None:
        """Write the turn; raises `WriteConflict` unless the ledger holds the number before."""
        self._save_numbered(place(project_id, "release"), _json(turn), turn.number)

    def server_outage(self) -> ServerOutage:
        """Return the projects that wait for the server transport; a new `ServerOutage` if none is stored."""
        item = self._table.get(place(None, "outage"))
        return ServerOutage() if item is None else msgspec.json.decode(item["record"], type=ServerOutage)

    def save_server_outage(self, outage: ServerOutage) -> None:
        """Write the outage; raises `WriteConflict` unless the ledger holds the number before."""
        self._save_numbered(place(None, "outage"), _json(outage), outage.number)

    def _save_numbered(self, key: Values, record: str, number: int) -> None:
        """Write a record in place of the one with the number before."""
        item: Values = {**key, "record": record, "revision": number}
        if number == 1:
            self._table.write(Write("Put", item, _NOT_THERE))
        else:
            self._table.write(Write("Put", item, _UNCHANGED, {":revision": number - 1}))

    def health(self, project_id: ProjectId) -> Health | None:
        """Return the project's health; None before the first validation."""
        item = self._table.get(place(project_id, "health"))
        return None if item is None else msgspec.json.decode(item["record"], type=Health)

    def save_health(self, project_id: ProjectId, health: Health) -> None:
        """Write the project's health; an older health never replaces a newer health."""
        item: Values = {**place(project_id, "health"), "record": _json(health), "checked_at": health.checked_at}
        is_newer = f"{_NOT_THERE} OR checked_at <= :checked_at"
        try:
            self._table.write(Write("Put", item, is_newer, {":checked_at": health.checked_at}))
        except WriteConflict:
            _LOGGER.info("a newer health is stored", extra={"project_id": project_id})

    def remember_project(self, project_id: ProjectId) -> None:
        """Record that the project exists: see `mailer.ports.Ledger`."""
        while project_id not in (item := self._projects_item(project_id)).ids:
            known = _ProjectsItem((*item.ids, project_id), item.revision + 1)
            try:
                self._save_numbered(_projects_key(project_id), _json(known), known.revision)
            except WriteConflict:
                continue
            return

    def projects_like(self, project_id: ProjectId) -> tuple[ProjectId, ...]:
        """Return the recorded projects with almost this id: see `mailer.ports.Ledger`."""
        return self._projects_item(project_id).ids

    def _projects_item(self, project_id: ProjectId) -> "_ProjectsItem":
        item = self._table.get(_projects_key(project_id))
        return _ProjectsItem() if item is None else msgspec.json.decode(item["record"], type=_ProjectsItem)

    def _ids_beyond(
        self, project_id: ProjectId | None, state: State, relation: str, id: str | None, limit: int
    ) -> tuple[str, ...]:
        # ExclusiveStartKey is not used: the message that it names may no longer be in this state.
        beyond = "" if id is None else f" AND id {relation} :id"
        items = self._table.query(
            f"state_key = :state_key{beyond}",
            {":state_key": _state_key(project_id, state), ":id": id},
            IndexName="by_state",
            ScanIndexForward=relation == ">",
            Limit=limit,
        )
        return tuple(item["id"] for item in islice(items, limit))


class _ProjectsItem(msgspec.Struct, frozen=True):
    """The recorded projects whose ids differ in upper and lower case only."""

    ids: tuple[ProjectId, ...] = ()
    revision: int = 0


def _projects_key(project_id: ProjectId) -> Values:
    return {"pk": f"known#{project_id.lower()}", "sk": "known"}


def make_cursor(id: str) -> str:
    """Return the cursor of the page after a message. It names no project, so it cannot give access to another one."""
    return base64.urlsafe_b64encode(f"before:{id}".encode()).decode()


def read_cursor(cursor: str) -> str:
    """Return the id in a cursor; raises `ValueError` for a malformed cursor."""
    try:
        decoded = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        raise ValueError("not a cursor") from None
    matched = _CURSOR.fullmatch(decoded)
    if matched is None:
        raise ValueError("not a cursor")
    return matched[1]


def _state_key(project_id: ProjectId | None, state: State) -> str:
    return f"{partition(project_id)}#{state}"


def _record_item(record: Record) -> Values:
    """Return a record's item. A record without `due_at` is not in the sweep's index."""
    shard = _DUE_SHARDS[zlib.crc32(record.id.encode()) % len(_DUE_SHARDS)]
    return {
        **place(record.project_id, _EMAIL, record.id),
        "record": _json(record),
        "revision": record.revision,
        "state_key": _state_key(record.project_id, record.state),
        "id": record.id,
        "ttl": int(record.updated_at) + _RECORD_LIFETIME_SECONDS,
        "due_shard": None if record.due_at is None else shard,
        "due_at": record.due_at,
    }


def _key(record: Record, key: KeyUse) -> Write:
    """Return the write of an idempotency key. DynamoDB deletes late, so readers check `expires_at`."""
    item = {
        **place(record.project_id, "key", key.digest),
        "id": record.id,
        "fingerprint": key.fingerprint,
        "expires_at": key.expires_at,
        "ttl": int(key.expires_at),
        "answer": None if key.answer is None else _json(key.answer),
    }
    condition = f"{_NOT_THERE} OR expires_at <= :now"
    if key.supersedes is not None:
        condition = f"{condition} OR id = :supersedes"
    return Write("Put", item, condition, {":now": record.updated_at, ":supersedes": key.supersedes})


def _close(record: Record, closing: KeyClosing) -> Write:
    key, values = place(record.project_id, "key", closing.digest), {":id": record.id}
    if closing.answer is None:
        return Write("Delete", key, "id = :id", values)
    answered = {**values, ":answer": _json(closing.answer)}
    return Write("Update", key, "id = :id", answered, "SET answer = :answer")


def _read_key(item: Item) -> KeyState:
    answer = item.get("answer")
    stored = None if answer is None else msgspec.json.decode(answer, type=StoredAnswer)
    return KeyState(item["id"], item["fingerprint"], stored)


def _read_counts(item: Item) -> dict[str, int]:
    return {name.removeprefix(_COUNT): int(text) for name, text in item.items() if name.startswith(_COUNT)}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
