"""moto under concurrent requests: of several writes with one condition, one succeeds."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.moto_cloud import running_cloud


@pytest.fixture
def restless() -> Iterator[None]:
    """Switch threads so often that a race condition shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def table() -> Iterator[Any]:
    with running_cloud() as cloud:
        dynamodb = cloud.client("dynamodb")
        dynamodb.create_table(
            TableName="table",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield dynamodb


@pytest.mark.usefixtures("restless")
def test_one_of_many_writers_of_one_revision_succeeds(table: Any) -> None:
    table.put_item(TableName="table", Item={"pk": {"S": "item"}, "revision": {"N": "0"}})

    # Looked up once: a client creates its exceptions at first use, and not thread-safely.
    refused = table.exceptions.ConditionalCheckFailedException

    def replace(attempt: tuple[int, int]) -> bool:
        revision, _writer = attempt
        try:
            table.put_item(
                TableName="table",
                Item={"pk": {"S": "item"}, "revision": {"N": str(revision + 1)}},
                ConditionExpression="revision = :revision",
                ExpressionAttributeValues={":revision": {"N": str(revision)}},
            )
        except refused:
            return False
        return True

    with ThreadPoolExecutor(8) as writers:
        for revision in range(20):
            assert sum(writers.map(replace, [(revision, writer) for writer in range(8)])) == 1
