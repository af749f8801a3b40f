"""Changes of projects' templates."""

from mailer.observation.observation import Observation
from mailer.template.template import TemplateSummary


def observe_template(
    summary: TemplateSummary, *, project_id: str, subject: str, is_removed: bool = False
) -> Observation:
    """Audit who stored or removed a template."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "template": summary.name,
        "etag": summary.etag,
    }
    return Observation("template removed" if is_removed else "template stored", fields)
