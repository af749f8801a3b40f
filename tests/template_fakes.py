"""Stored templates in memory, with the semantics of the real store."""

import itertools
import threading
from dataclasses import dataclass, field

from mailer.errors import LedgerUnavailable
from mailer.ports import WriteConflict
from mailer.project import ProjectId
from mailer.template.template import (
    Precondition,
    StoredTemplate,
    Template,
    TemplateName,
    TemplatePage,
    TemplateSummary,
)


@dataclass
class MemoryTemplateStore:
    """Implements `TemplateStore`. While `failing` it is unavailable; `reads` are what was asked for."""

    failing: bool = False
    reads: list[tuple[ProjectId, TemplateName]] = field(default_factory=list)
    _stored: dict[tuple[ProjectId, TemplateName], StoredTemplate] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, project_id: ProjectId, name: TemplateName) -> StoredTemplate | None:
        with self._lock:
            self._demand_available()
            self.reads.append((project_id, name))
            return self._stored.get((project_id, name))

    def put(
        self, project_id: ProjectId, name: TemplateName, template: Template, *, now: float, only_if: Precondition
    ) -> TemplateSummary:
        with self._lock:
            self._demand(project_id, name, only_if)
            summary = TemplateSummary(name, f"{next(self._numbers):032x}", now)
            self._stored[project_id, name] = StoredTemplate(summary, template)
            return summary

    def delete(self, project_id: ProjectId, name: TemplateName, *, only_if: Precondition) -> None:
        with self._lock:
            self._demand_available()
            if (project_id, name) in self._stored:
                self._demand(project_id, name, only_if)
                del self._stored[project_id, name]

    def page(self, project_id: ProjectId, *, after: TemplateName | None, limit: int) -> TemplatePage:
        with self._lock:
            self._demand_available()
            names = sorted(name for project, name in self._stored if project == project_id)
            left = [name for name in names if after is None or name > after]
            found = tuple(self._stored[project_id, name].summary for name in left[:limit])
            return TemplatePage(found, found[-1].name if len(left) > limit else None)

    def _demand(self, project_id: ProjectId, name: TemplateName, only_if: Precondition) -> None:
        self._demand_available()
        known = self._stored.get((project_id, name))
        if not only_if.holds(None if known is None else known.summary):
            raise WriteConflict

    def _demand_available(self) -> None:
        if self.failing:
            raise LedgerUnavailable
