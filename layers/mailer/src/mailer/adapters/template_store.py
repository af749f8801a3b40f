"""The projects' templates, as items of the ledger's table; a template's ETag is the token of its last write."""

import time
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.ledger_items import number, partition, place, text
from mailer.adapters.ledger_table import WRITTEN_BY, Item, Refused, Table, new_token
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

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import QueryInputTypeDef

    from mailer.adapters.ledger_table import Attributes

_TEMPLATE = "template#"
_THERE, _NOT_THERE = "attribute_exists(pk)", "attribute_not_exists(pk)"


class DynamoDbTemplateStore:
    """Implements `TemplateStore`; safe to share between threads."""

    def __init__(
        self,
        client_factory: Callable[[], "DynamoDBClient"],
        *,
        table: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = Table(client_factory, name=table, pause=pause)

    def get(self, project_id: ProjectId, name: TemplateName) -> StoredTemplate | None:
        """Return the current template."""
        item = self._table.get(_place(project_id, name))
        if item is None:
            return None
        return StoredTemplate(_summary(item), msgspec.json.decode(item["record"]["S"], type=Template))

    def put(
        self, project_id: ProjectId, name: TemplateName, template: Template, *, now: float, only_if: Precondition
    ) -> TemplateSummary:
        """Write the template; raises `WriteConflict` where the precondition does not hold."""
        token = new_token()
        item: Attributes = {
            **_place(project_id, name),
            "record": text(msgspec.json.encode(template).decode()),
            "updated_at": number(now),
            WRITTEN_BY: text(token),
        }
        try:
            self._table.write(self._table.put(item, *_condition(only_if)), token=token)
        except Refused:
            raise WriteConflict from None
        return TemplateSummary(name, token, now)

    def delete(self, project_id: ProjectId, name: TemplateName, *, only_if: Precondition) -> None:
        """Delete the template, if it exists; raises `WriteConflict` where the precondition does not hold."""
        condition, values = _condition(only_if)
        delete = self._table.delete(_place(project_id, name), condition, values)
        try:
            self._table.write(delete, token=new_token())
        except Refused as refused:
            # A repeated deletion whose first answer was lost finds nothing.
            if refused.met.get(0) is not None:
                raise WriteConflict from None

    def page(self, project_id: ProjectId, *, after: TemplateName | None, limit: int) -> TemplatePage:
        """Return a project's templates in the order of their names, after a given name."""
        query: QueryInputTypeDef = {
            "TableName": self._table.name,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :template)",
            "ExpressionAttributeValues": {":pk": text(partition(project_id)), ":template": text(_TEMPLATE)},
            "ProjectionExpression": f"sk, updated_at, {WRITTEN_BY}",
            "Limit": limit + 1,
        }
        if after is not None:
            query["ExclusiveStartKey"] = _place(project_id, after)
        found = tuple(_summary(item) for item in islice(self._table.query(query), limit + 1))
        return TemplatePage(found[:limit], found[limit - 1].name if len(found) > limit else None)


def _place(project_id: ProjectId, name: TemplateName) -> "Attributes":
    return place(project_id, f"{_TEMPLATE}{name}")


def _summary(item: Item) -> TemplateSummary:
    name = TemplateName(item["sk"]["S"].removeprefix(_TEMPLATE))
    return TemplateSummary(name, item[WRITTEN_BY]["S"], float(item["updated_at"]["N"]))


def _condition(only_if: Precondition) -> "tuple[str, Attributes]":
    if only_if.etag is not None:
        return f"{WRITTEN_BY} = :etag", {":etag": text(only_if.etag)}
    if only_if.exists is None:
        return f"{_THERE} OR {_NOT_THERE}", {}
    return _THERE if only_if.exists else _NOT_THERE, {}
