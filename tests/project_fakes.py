"""What the ledger knows about projects, in memory: epochs, releases, health. `MemoryLedger` adds the messages."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from mailer.errors import LedgerUnavailable
from mailer.ledger.epoch import Epoch
from mailer.ledger.health import Health
from mailer.ledger.release_turn import ReleaseTurn
from mailer.ledger.server_outage import ServerOutage
from mailer.ports import WriteConflict
from mailer.project import ProjectId

type Failpoint = Callable[[str], None]


def no_failpoint(_point: str) -> None:
    """Do nothing at any point."""


class MemoryProjects:
    """The part of `Ledger` about projects; safe to share between threads. While `failing` it is unavailable."""

    def __init__(self, failpoint: Failpoint) -> None:
        self.failpoint = failpoint
        self.failing = False
        self._lock = threading.RLock()
        self._turns: dict[ProjectId, ReleaseTurn] = {}
        self._outage = ServerOutage()
        self._projects: set[ProjectId] = set()
        self._epochs: dict[ProjectId, Epoch] = {}
        self._healths: dict[ProjectId, Health] = {}

    def epoch(self, project_id: ProjectId) -> Epoch:
        with self._read():
            return self._epochs.get(project_id, Epoch())

    def save_epoch(self, project_id: ProjectId, epoch: Epoch) -> None:
        with self._write("ledger.save_epoch"):
            if self._epochs.get(project_id, Epoch()).number != epoch.number - 1:
                raise WriteConflict
            self._epochs[project_id] = epoch

    def health(self, project_id: ProjectId) -> Health | None:
        with self._read():
            return self._healths.get(project_id)

    def save_health(self, project_id: ProjectId, health: Health) -> None:
        with self._write("ledger.save_health"):
            known = self._healths.get(project_id)
            if known is None or known.checked_at <= health.checked_at:
                self._healths[project_id] = health

    def release_turn(self, project_id: ProjectId) -> ReleaseTurn:
        with self._read():
            return self._turns.get(project_id, ReleaseTurn())

    def save_release_turn(self, project_id: ProjectId, turn: ReleaseTurn) -> None:
        with self._write("ledger.save_release_turn"):
            if self._turns.get(project_id, ReleaseTurn()).number != turn.number - 1:
                raise WriteConflict
            self._turns[project_id] = turn

    def server_outage(self) -> ServerOutage:
        with self._read():
            return self._outage

    def save_server_outage(self, outage: ServerOutage) -> None:
        with self._write("ledger.save_server_outage"):
            if self._outage.number != outage.number - 1:
                raise WriteConflict
            self._outage = outage

    def remember_project(self, project_id: ProjectId) -> None:
        with self._write("ledger.remember_project"):
            self._projects.add(project_id)

    def projects_like(self, project_id: ProjectId) -> tuple[ProjectId, ...]:
        with self._read():
            return tuple(sorted(each for each in self._projects if each.lower() == project_id.lower()))

    @contextmanager
    def _read(self) -> Generator[None]:
        if self.failing:
            raise LedgerUnavailable
        with self._lock:
            yield

    @contextmanager
    def _write(self, operation: str) -> Generator[None]:
        self.failpoint(f"before {operation}")
        with self._read():
            yield
        self.failpoint(f"after {operation}")
