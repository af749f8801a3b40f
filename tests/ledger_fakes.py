"""The ledger and related ports in memory, with the semantics of the real ones.

Each write of `MemoryLedger`, `MemoryDraftStore` and `MemoryDeliveryQueue` calls `failpoint` with its name, as in
`before ledger.insert` and `after ledger.insert`. A test that raises an exception there makes a worker crash there.
"""

import base64
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field

from mailer.errors import ContentUnavailable, SecretsUnavailable
from mailer.ledger import breaker
from mailer.ledger.breaker import AttemptReport, BreakerState, Paused, SlotRequest
from mailer.ledger.event import Event
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse
from mailer.ledger.record import Record, State
from mailer.message.draft import StoredDraft
from mailer.ports import CounterResult, Delivery, NotStored, Page, SecretChanged, WriteConflict
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretAbsent, SecretPresent

from tests.fakes import FakeSecretStore
from tests.project_fakes import Failpoint, MemoryProjects, no_failpoint

type _Place = tuple[ProjectId | None, str]


@dataclass(frozen=True)
class _Key:
    state: KeyState
    expires_at: float


class MemoryLedger(MemoryProjects):
    """Implements `Ledger`; safe to share between threads. While `failing` it is unavailable."""

    def __init__(self, *, failpoint: Failpoint = no_failpoint) -> None:
        super().__init__(failpoint)
        self._records: dict[_Place, Record] = {}
        self._keys: dict[_Place, _Key] = {}
        self._due: dict[_Place, float] = {}
        self._ids: defaultdict[tuple[ProjectId | None, State], set[str]] = defaultdict(set)
        self._breakers: dict[tuple[ProjectId, str], BreakerState] = {}
        self._counts: defaultdict[tuple[ProjectId, str], dict[str, int]] = defaultdict(dict)

    @property
    def records(self) -> tuple[Record, ...]:
        """All records."""
        with self._lock:
            return tuple(self._records.values())

    @property
    def key_states(self) -> tuple[KeyState, ...]:
        """The states of all idempotency keys."""
        with self._lock:
            return tuple(key.state for key in self._keys.values())

    def insert(self, record: Record, *, key: KeyUse | None = None) -> KeyState | None:
        with self._write("ledger.insert"):
            if key is not None:
                known = self._live_key(record.project_id, key.digest, now=record.updated_at)
                if known is not None and known.id != key.supersedes:
                    return known
            if (record.project_id, record.id) in self._records:
                raise WriteConflict
            if key is not None:
                state = KeyState(record.id, key.fingerprint, key.answer)
                self._keys[record.project_id, key.digest] = _Key(state, key.expires_at)
            self._keep(record)
            return None

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        with self._write("ledger.replace"):
            known = self._records.get((record.project_id, record.id))
            if known is None or known.revision != record.revision:
                raise WriteConflict
            if closing is not None:
                self._close(record, closing)
            written = replace(record, revision=record.revision + 1)
            self._keep(written)
            return written

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        with self._read():
            return self._records.get((project_id, id))

    def find_key(self, project_id: ProjectId | None, digest: str, *, now: float) -> KeyState | None:
        with self._read():
            return self._live_key(project_id, digest, now=now)

    def page(self, project_id: ProjectId | None, *, state: State | None, cursor: str | None, limit: int) -> Page:
        before = None if cursor is None else _id_of(cursor)
        with self._read():
            states = tuple(State) if state is None else (state,)
            ids = sorted((id for each in states for id in self._ids[project_id, each]), reverse=True)
            left = [id for id in ids if before is None or id < before]
            records = tuple(self._records[project_id, id] for id in left[:limit])
            return Page(records, _cursor_of(records[-1].id) if len(left) > limit else None)

    def ids_in_state(
        self, project_id: ProjectId | None, state: State, *, after: str | None = None, limit: int = 1000
    ) -> tuple[str, ...]:
        with self._read():
            ids = sorted(self._ids[project_id, state])
            return tuple(id for id in ids if after is None or id > after)[:limit]

    def count(self, project_id: ProjectId | None, state: State) -> int:
        with self._read():
            return len(self._ids[project_id, state])

    def due(self, *, now: float, limit: int) -> tuple[tuple[ProjectId | None, str], ...]:
        with self._read():
            places = [(due_at, place) for place, due_at in self._due.items() if due_at <= now]
            return tuple(place for _, place in sorted(places, key=lambda each: (each[0], each[1][1]))[:limit])

    def breaker(self, project_id: ProjectId, gate_id: str) -> BreakerState:
        with self._read():
            return self._breakers.get((project_id, gate_id), BreakerState())

    def take_slot(self, project_id: ProjectId, gate_id: str, request: SlotRequest, *, now: float) -> Paused | None:
        with self._write("ledger.take_slot"):
            admission = breaker.admit(self._breakers.get((project_id, gate_id), BreakerState()), request, now=now)
            if isinstance(admission, Paused):
                return admission
            self._breakers[project_id, gate_id] = admission.state
            return None

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
        with self._write("ledger.leave_slot"):
            state = self._breakers.get((project_id, gate_id), BreakerState())
            left = breaker.leave(state, version_id=version_id, token=token, now=now, report=report)
            self._breakers[project_id, gate_id] = left.state
            return left.asks_for_validation

    def set_breaker(self, project_id: ProjectId, gate_id: str, state: BreakerState) -> None:
        """Set the state of a breaker."""
        self._breakers[project_id, gate_id] = state

    def increment(
        self, project_id: ProjectId, page: str, amount: int, *, within: Mapping[str, int | None], forget_at: float
    ) -> CounterResult:
        with self._write("ledger.increment"):
            counts = self._counts[project_id, page]
            changed = {slot: counts.get(slot, 0) + amount for slot in within}
            if amount < 0:
                is_refused = any(count < 0 for count in changed.values())
            else:
                is_refused = any(maximum is not None and changed[slot] > maximum for slot, maximum in within.items())
            if is_refused:
                return CounterResult(dict(counts), is_taken=False)
            counts.update(changed)
            return CounterResult(dict(counts), is_taken=True)

    def _live_key(self, project_id: ProjectId | None, digest: str, *, now: float) -> KeyState | None:
        key = self._keys.get((project_id, digest))
        return key.state if key is not None and key.expires_at > now else None

    def _close(self, record: Record, closing: KeyClosing) -> None:
        place = (record.project_id, closing.digest)
        key = self._keys.get(place)
        if key is None or key.state.id != record.id:
            return
        if closing.answer is None:
            del self._keys[place]
        else:
            self._keys[place] = replace(key, state=replace(key.state, answer=closing.answer))

    def _keep(self, record: Record) -> None:
        place = (record.project_id, record.id)
        known = self._records.get(place)
        if known is not None:
            self._ids[known.project_id, known.state].discard(known.id)
        self._records[place] = record
        self._ids[record.project_id, record.state].add(record.id)
        if record.due_at is None:
            self._due.pop(place, None)
        else:
            self._due[place] = record.due_at


def _cursor_of(id: str) -> str:
    return base64.urlsafe_b64encode(f"before:{id}".encode()).decode()


def _id_of(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except ValueError as malformed:
        raise ValueError("not a cursor") from malformed
    matched = re.fullmatch(r"before:([A-Za-z0-9_-]{1,64})", text)
    if matched is None:
        raise ValueError("not a cursor")
    return matched[1]


@dataclass
class MemoryDraftStore:
    """Implements `DraftStore`. While `failing` it is unavailable."""

    contents: dict[_Place, StoredDraft] = field(default_factory=dict)
    failing: bool = False
    failpoint: Failpoint = no_failpoint

    def put(self, project_id: ProjectId | None, id: str, stored: StoredDraft) -> None:
        self.failpoint("before drafts.put")
        if self.failing:
            raise ContentUnavailable
        self.contents[project_id, id] = stored
        self.failpoint("after drafts.put")

    def get(self, project_id: ProjectId | None, id: str) -> StoredDraft | None:
        if self.failing:
            raise ContentUnavailable
        return self.contents.get((project_id, id))

    def delete(self, project_id: ProjectId | None, id: str) -> None:
        self.failpoint("before drafts.delete")
        if self.failing:
            raise ContentUnavailable
        self.contents.pop((project_id, id), None)
        self.failpoint("after drafts.delete")


@dataclass
class MemoryDeliveryQueue:
    """Implements `DeliveryQueue`: records deliveries in `sends`; while `failing` it records nothing."""

    sends: list[Delivery] = field(default_factory=list)
    failing: bool = False
    failpoint: Failpoint = no_failpoint

    def send(self, deliveries: Sequence[Delivery]) -> int:
        self.failpoint("before queue.send")
        if self.failing:
            return len(deliveries)
        self.sends.extend(deliveries)
        self.failpoint("after queue.send")
        return 0


@dataclass
class RecordingPublisher:
    """Implements `EventPublisher`."""

    events: list[Event] = field(default_factory=list)

    def publish(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    @property
    def names(self) -> list[str]:
        """The names of the published events, in order."""
        return [event.name.value for event in self.events]


@dataclass(frozen=True)
class ValidationRequest:
    """One request to validate projects."""

    project_ids: tuple[ProjectId, ...]
    within_seconds: int = 0
    after_seconds: int = 0
    beyond: str | None = None


@dataclass
class MemoryValidationQueue:
    """Implements `ValidationQueue`."""

    sends: list[ValidationRequest] = field(default_factory=list)

    def send(
        self,
        project_ids: Sequence[ProjectId],
        *,
        within_seconds: int = 0,
        after_seconds: int = 0,
        beyond: str | None = None,
    ) -> None:
        self.sends.append(ValidationRequest(tuple(project_ids), within_seconds, after_seconds, beyond))


@dataclass
class MemoryFailureQueue:
    """Implements `FailureQueue`: stores nothing while `failing`."""

    sends: list[Mapping[str, object]] = field(default_factory=list)
    failing: bool = False

    def send(self, record: Mapping[str, object]) -> None:
        if self.failing:
            raise NotStored
        self.sends.append(record)


@dataclass
class MemorySecretWriter:
    """Implements `SecretWriter`: promoted secrets can be read from the `FakeSecretStore`."""

    store: FakeSecretStore = field(default_factory=FakeSecretStore)
    failing: bool = False
    promoted: list[tuple[ProjectId, str]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def promote(self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False) -> str:
        if self.failing:
            raise SecretsUnavailable
        known = self.store.answers.get(project_id)
        current = known.version_id if isinstance(known, SecretPresent) else None
        if current != replaces:
            raise SecretChanged
        version_id = f"promoted-{len(self.promoted) + 1}"
        self.promoted.append((project_id, version_id))
        if forgets and current is not None:
            self.forgotten.append(current)
        self.store.answers[project_id] = SecretPresent(text, version_id)
        return version_id

    def projects(self) -> Sequence[ProjectId]:
        if self.failing:
            raise SecretsUnavailable
        return _in_order(id for id, answer in self.store.answers.items() if not isinstance(answer, SecretAbsent))


def _in_order(project_ids: Iterable[ProjectId]) -> tuple[ProjectId, ...]:
    return tuple(sorted(project_ids))
