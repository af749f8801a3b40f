"""All of AWS in memory, under faults: each client of botocore that the adapters use."""

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.chaos.dynamodb import Answer, FakeDynamoDb, refusal
from tests.chaos.facts import Facts, Notice
from tests.chaos.faults import FaultyCalls
from tests.chaos.queue import FakeSqs, id_in
from tests.chaos.schedule import Schedule
from tests.chaos.secretsmanager import FakeSecretsManager
from tests.chaos.transports import SimulatedSes

_EVENT = re.compile(r"event-(\d+)-")


class Aws:
    """The clients; this object itself is the client of the content bucket and of the bus."""

    def __init__(
        self,
        schedule: Schedule,
        facts: Facts,
        calls: FaultyCalls,
        table: Mapping[str, Any],
        ses: SimulatedSes,
        *,
        defer: Callable[[Callable[[], None]], None],
        changed: Callable[[str], None],
    ) -> None:
        self._schedule = schedule
        self._facts = facts
        self._calls = calls
        self._contents: dict[str, bytes] = {}
        self.ses = ses
        self.sqs = FakeSqs(self._queue_call)
        self.dynamodb = FakeDynamoDb(table, guard=self._ledger_call, defer=defer, note=self._note)
        self.secrets = FakeSecretsManager(guard=self._secret_call, changed=changed)

    def put_object(self, **request: Any) -> Answer:
        """Store a content."""

        self._note(request["Key"].rpartition("/")[2], request["Body"].decode("latin-1"))

        def perform() -> Answer:
            self._contents[request["Key"]] = request["Body"]
            return {}

        return self._content_call("PutObject", request["Key"], perform)

    def get_object(self, **request: Any) -> Answer:
        """Return a content."""

        def perform() -> Answer:
            if request["Key"] not in self._contents:
                raise refusal("NoSuchKey", "GetObject")
            return {"Body": io.BytesIO(self._contents[request["Key"]])}

        return self._content_call("GetObject", request["Key"], perform)

    def delete_object(self, **request: Any) -> Answer:
        """Delete a content."""

        def perform() -> Answer:
            self._contents.pop(request["Key"], None)
            return {}

        return self._content_call("DeleteObject", request["Key"], perform)

    def put_events(self, **request: Any) -> Answer:
        """Publish events."""
        details = [(entry["DetailType"], json.loads(entry["Detail"])) for entry in request["Entries"]]

        def perform() -> Answer:
            for name, detail in details:
                if "id" in detail:
                    notice = Notice(name, str(detail["status"]), self._schedule.now)
                    self._facts.notices[detail["id"]].append(notice)
                self._facts.counts[f"told {name}"] += 1
            return {"Entries": [{"EventId": "event"} for _ in details]}

        ids = [detail["id"] for _, detail in details if "id" in detail]
        return self._calls.call("bus", "PutEvents", perform, events=self._events(ids))

    def _note(self, id: str, text: str) -> None:
        matched = _EVENT.search(text)
        if matched is not None:
            self._facts.event_of[id] = int(matched[1])
            self._facts.created.setdefault(id, self._schedule.now)

    def _events(self, ids: Sequence[str]) -> tuple[int, ...]:
        return tuple(self._facts.event_of[id] for id in ids if id in self._facts.event_of)

    def _ledger_call(self, operation: str, id: str | None, perform: Callable[[], Answer]) -> Answer:
        return self._calls.call("ledger", operation, perform, events=self._events([] if id is None else [id]))

    def _content_call(self, operation: str, key: str, perform: Callable[[], Answer]) -> Answer:
        return self._calls.call("content", operation, perform, events=self._events([key.rpartition("/")[2]]))

    def _queue_call(self, operation: str, bodies: Sequence[str], perform: Callable[[], Answer]) -> Answer:
        ids = [id for body in bodies if (id := id_in(body)) is not None]
        return self._calls.call("queues", operation, perform, events=self._events(ids))

    def _secret_call(self, operation: str, perform: Callable[[], Answer]) -> Answer:
        return self._calls.call("secrets", operation, perform)
