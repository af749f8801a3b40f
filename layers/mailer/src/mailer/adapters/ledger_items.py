"""The ledger's values as items of its DynamoDB table."""

import base64
import re
import zlib
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.ledger_table import WRITTEN_BY, Item
from mailer.ledger.breaker import BreakerState
from mailer.ledger.health import Health
from mailer.ledger.idempotency import KeyState, KeyUse, StoredAnswer
from mailer.ledger.record import Record, State
from mailer.project import ProjectId

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from mailer.adapters.ledger_table import Attributes

EMAIL = "email#"
# The prefix of a counter's attribute: a role may have any name, even "ttl".
COUNT = "n:"
DUE_SHARDS = tuple(str(shard) for shard in range(8))
_RECORD_LIFETIME_SECONDS = 30 * 24 * 3600
_PROJECT = "project#"
_SERVER = "server"
_CURSOR = re.compile(r"before:([A-Za-z0-9_-]{1,64})")
_records = msgspec.json.Decoder(Record)


def text(value: str) -> "AttributeValueTypeDef":
    """Return an attribute."""
    return {"S": value}


def number(value: float) -> "AttributeValueTypeDef":
    """Return an attribute."""
    return {"N": repr(value)}


def partition(project_id: ProjectId | None) -> str:
    """Return the partition of a project; a project may have the name "server"."""
    return _SERVER if project_id is None else f"{_PROJECT}{project_id}"


def place(project_id: ProjectId | None, sort_key: str) -> "Attributes":
    """Return an item's primary key."""
    return {"pk": text(partition(project_id)), "sk": text(sort_key)}


def email_place(project_id: ProjectId | None, id: str) -> "Attributes":
    """Return the primary key of a record."""
    return place(project_id, f"{EMAIL}{id}")


def key_place(project_id: ProjectId | None, digest: str) -> "Attributes":
    """Return the primary key of an idempotency key."""
    return place(project_id, f"key#{digest}")


def state_key(project_id: ProjectId | None, state: State) -> str:
    """Return the partition key in the index of states."""
    return f"{partition(project_id)}#{state}"


def record_item(record: Record, *, written_by: str) -> "Attributes":
    """Return a record's item; a final one is in no shard of the sweep's index."""
    item: Attributes = {
        **email_place(record.project_id, record.id),
        "record": text(msgspec.json.encode(record).decode()),
        "revision": number(record.revision),
        "state_key": text(state_key(record.project_id, record.state)),
        "id": text(record.id),
        "ttl": number(int(record.updated_at) + _RECORD_LIFETIME_SECONDS),
        WRITTEN_BY: text(written_by),
    }
    if record.due_at is not None:
        item["due_shard"] = text(DUE_SHARDS[zlib.crc32(record.id.encode()) % len(DUE_SHARDS)])
        item["due_at"] = number(record.due_at)
    return item


def key_item(record: Record, key: KeyUse, *, written_by: str) -> "Attributes":
    """Return the item of an idempotency key. DynamoDB deletes late, so readers check `expires_at`."""
    item: Attributes = {
        **key_place(record.project_id, key.digest),
        "id": text(record.id),
        "fingerprint": text(key.fingerprint),
        "expires_at": number(key.expires_at),
        "ttl": number(int(key.expires_at)),
        WRITTEN_BY: text(written_by),
    }
    if key.answer is not None:
        item["answer"] = answer_attribute(key.answer)
    return item


def answer_attribute(answer: StoredAnswer) -> "AttributeValueTypeDef":
    """Return the attribute of a key's answer."""
    return text(msgspec.json.encode(answer).decode())


def breaker_place(project_id: ProjectId, provider_id: str) -> "Attributes":
    """Return the primary key of a provider's breaker."""
    return place(project_id, f"breaker#{provider_id}")


def breaker_item(project_id: ProjectId, provider_id: str, state: BreakerState, *, written_by: str) -> "Attributes":
    """Return the item of a provider's breaker."""
    return {
        **breaker_place(project_id, provider_id),
        "record": text(msgspec.json.encode(state).decode()),
        "revision": number(state.revision),
        WRITTEN_BY: text(written_by),
    }


def count_place(project_id: ProjectId, page: str) -> "Attributes":
    """Return the primary key of a page of counters."""
    return place(project_id, f"count#{page}")


def read_counts(item: Item | None) -> dict[str, int]:
    """Return the counters of an item."""
    return {name.removeprefix(COUNT): int(value["N"]) for name, value in (item or {}).items() if name.startswith(COUNT)}


def health_item(project_id: ProjectId, health: Health) -> "Attributes":
    """Return the item of a project's health."""
    return {
        **place(project_id, "health"),
        "record": text(msgspec.json.encode(health).decode()),
        "checked_at": number(health.checked_at),
    }


def read_record(item: Item) -> Record:
    """Return the record of an item."""
    return _records.decode(item["record"]["S"])


def read_key(item: Item) -> KeyState:
    """Return the key's state of an item."""
    answer = item.get("answer")
    return KeyState(
        item["id"]["S"],
        item["fingerprint"]["S"],
        None if answer is None else msgspec.json.decode(answer["S"], type=StoredAnswer),
    )


def read_place(item: Item) -> tuple[ProjectId | None, str]:
    """Return the project and the message id of an index item."""
    partition_key = item["pk"]["S"]
    project_id = None if partition_key == _SERVER else ProjectId(partition_key.removeprefix(_PROJECT))
    return project_id, item["sk"]["S"].removeprefix(EMAIL)


def make_cursor(id: str) -> str:
    """Return the cursor of the page after a message; it names no project, so it cannot lead into another."""
    return base64.urlsafe_b64encode(f"before:{id}".encode()).decode()


def read_cursor(cursor: str) -> str:
    """Return the id in a cursor; raises `ValueError` for a malformed one."""
    try:
        decoded = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        raise ValueError("not a cursor") from None
    matched = _CURSOR.fullmatch(decoded)
    if matched is None:
        raise ValueError("not a cursor")
    return matched[1]
