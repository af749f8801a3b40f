"""Delete a content that is of no use any more."""

from contextlib import suppress

from mailer.errors import ContentUnavailable
from mailer.ports import AcceptPorts
from mailer.project import ProjectId


def drop_content(project_id: ProjectId | None, id: str, ports: AcceptPorts) -> None:
    """Delete the content. A failure is ignored, because every content expires."""
    with suppress(ContentUnavailable):
        ports.drafts.delete(project_id, id)
