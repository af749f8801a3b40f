"""The projects' templates, as items of the ledger's table; a template's ETag is the token of its last write."""

from itertools import islice

import msgspec

from mailer.adapters.aws.table import WRITTEN_BY, Item, Refused, TableAdapter, Values, Write, partition, place
from mailer.project import ProjectId
from mailer.template.template import (
    Precondition,
    StoredTemplate,
    Template,
    TemplateName,
    TemplatePage,
    TemplateSummary,
)

_TEMPLATE = "template"
_THERE, _NOT_THERE = "attribute_exists(pk)", "attribute_not_exists(pk)"


class DynamoDbTemplateStore(TableAdapter):
    """Implements `TemplateStore`; safe to share between threads."""

    def get(self, project_id: ProjectId, name: TemplateName) -> StoredTemplate | None:
        """Return the current template."""
        item = self._table.get(place(project_id, _TEMPLATE, name))
        if item is None:
            return None
        return StoredTemplate(_summary(item), msgspec.json.decode(item["record"], type=Template))

    def put(
        self, project_id: ProjectId, name: TemplateName, template: Template, *, now: float, only_if: Precondition
    ) -> TemplateSummary:
        """Write the template; raises `WriteConflict` if the precondition does not hold."""
        record = msgspec.json.encode(template).decode()
        item: Values = {**place(project_id, _TEMPLATE, name), "record": record, "updated_at": now}
        etag = self._table.write(Write("Put", item, *_condition(only_if)))
        return TemplateSummary(name, etag, now)

    def delete(self, project_id: ProjectId, name: TemplateName, *, only_if: Precondition) -> None:
        """Delete the template, if it exists; raises `WriteConflict` if the precondition does not hold."""
        try:
            self._table.write(Write("Delete", place(project_id, _TEMPLATE, name), *_condition(only_if)))
        except Refused as refused:
            # If the first answer was lost, the repeated deletion finds no template.
            if refused.met.get(0) is not None:
                raise

    def page(self, project_id: ProjectId, *, after: TemplateName | None, limit: int) -> TemplatePage:
        """Return a project's templates in the order of their names, after a given name."""
        items = self._table.query(
            "pk = :pk AND begins_with(sk, :template)",
            {":pk": partition(project_id), ":template": f"{_TEMPLATE}#"},
            start=None if after is None else place(project_id, _TEMPLATE, after),
            ProjectionExpression=f"sk, updated_at, {WRITTEN_BY}",
            Limit=limit + 1,
        )
        found = tuple(map(_summary, islice(items, limit + 1)))
        return TemplatePage(found[:limit], found[limit - 1].name if len(found) > limit else None)


def _summary(item: Item) -> TemplateSummary:
    name = TemplateName(item["sk"].removeprefix(f"{_TEMPLATE}#"))
    return TemplateSummary(name, item[WRITTEN_BY], float(item["updated_at"]))


def _condition(only_if: Precondition) -> tuple[str, Values]:
    if only_if.etag is not None:
        return f"{WRITTEN_BY} = :etag", {":etag": only_if.etag}
    if only_if.exists is None:
        return f"{_THERE} OR {_NOT_THERE}", {}
    return _THERE if only_if.exists else _NOT_THERE, {}
