"""The identity of a project (tenant), checked before it can name anything."""

import re
from typing import NewType

# What an operator's token claims in place of one project.
EVERY_PROJECT = "*"

ProjectId = NewType("ProjectId", str)

PROJECT_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def parse_project_id(text: str) -> ProjectId | None:
    """Return the id, or None where the text cannot be one: it becomes part of a secret's name and of an IAM pattern."""
    return ProjectId(text) if PROJECT_ID_PATTERN.match(text) else None
