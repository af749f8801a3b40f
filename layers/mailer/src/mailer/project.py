"""The id of a project (tenant), checked before it becomes part of a name."""

import re
from typing import NewType

import msgspec

# The value of the project claim in an operator's token.
EVERY_PROJECT = "*"

ProjectId = NewType("ProjectId", str)

PROJECT_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def parse_project_id(text: str) -> ProjectId | None:
    """Return the id; None if the text is not a valid id. The id is used in a secret's name and in an IAM pattern."""
    return ProjectId(text) if PROJECT_ID_PATTERN.match(text) else None


class KnownProjects(msgspec.Struct, frozen=True):
    """The operator's list of projects: ids, and beginnings of ids. An empty list allows every project."""

    ids: tuple[ProjectId, ...] = ()
    prefixes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the operator has listed no project."""
        return not self.ids and not self.prefixes

    def has(self, project_id: ProjectId) -> bool:
        """Whether the list names the project."""
        return project_id in self.ids or project_id.startswith(self.prefixes)

    def similar(self, project_id: ProjectId) -> tuple[str, ...]:
        """Return the listed ids and beginnings that fit if upper and lower case are not distinguished."""
        folded = project_id.lower()
        return (
            *(each for each in self.ids if each.lower() == folded),
            *(f"{each}*" for each in self.prefixes if folded.startswith(each.lower())),
        )
