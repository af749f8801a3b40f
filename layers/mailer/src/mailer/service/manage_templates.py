"""Find, store and remove a project's templates."""

from mailer.errors import TemplateChanged, TemplateNotFound
from mailer.ports import TemplateStore, WriteConflict
from mailer.project import ProjectId
from mailer.template.template import (
    Precondition,
    StoredTemplate,
    Template,
    TemplateName,
    TemplateSummary,
    parse_template_name,
)


def find_template(project_id: ProjectId, name: str, *, templates: TemplateStore) -> StoredTemplate:
    """Return the template; raises `TemplateNotFound`."""
    parsed = parse_template_name(name)
    found = templates.get(project_id, parsed) if parsed is not None else None
    if found is None:
        raise TemplateNotFound
    return found


def store_template(
    project_id: ProjectId,
    name: TemplateName,
    template: Template,
    *,
    only_if: Precondition,
    now: float,
    templates: TemplateStore,
) -> StoredTemplate:
    """Create or replace the template; raises `TemplateChanged`."""
    try:
        return StoredTemplate(templates.put(project_id, name, template, now=now, only_if=only_if), template)
    except WriteConflict:
        raise TemplateChanged from None


def remove_template(
    project_id: ProjectId, name: str, *, only_if: Precondition, templates: TemplateStore
) -> TemplateSummary:
    """Delete the template and return its summary; raises `TemplateNotFound` and `TemplateChanged`."""
    found = find_template(project_id, name, templates=templates).summary
    if not only_if.holds(found):
        raise TemplateChanged
    try:
        templates.delete(project_id, found.name, only_if=only_if)
    except WriteConflict:
        raise TemplateChanged from None
    return found
