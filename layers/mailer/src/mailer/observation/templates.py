"""Changes of projects' templates."""

from mailer.observation.record import Observation
from mailer.template.template import TemplateSummary


def observe_template(summary: TemplateSummary, *, is_removed: bool = False) -> Observation:
    """Audit who stored or removed a template."""
    fields: dict[str, object] = {
        "template": summary.name,
        "etag": summary.etag,
    }
    return Observation("template removed" if is_removed else "template stored", fields)
