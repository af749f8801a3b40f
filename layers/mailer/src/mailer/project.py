"""The id of a project (tenant), checked before it becomes part of a name."""

import re
from typing import NewType

# The value of the project claim in an operator's token.
EVERY_PROJECT = "*"

ProjectId = NewType("ProjectId", str)

PROJECT_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def parse_project_id(text: str) -> ProjectId | None:
    """Return the id; None if the text is not a valid id. The id is used in a secret's name and in an IAM pattern."""
    return ProjectId(text) if PROJECT_ID_PATTERN.match(text) else None
