"""The stack's scheduler."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.schedule import Scheduler, Tick
from tests.support.moto_cloud import make_queue, receive, running_cloud


@pytest.fixture(scope="module")
def sqs() -> Iterator[Any]:
    with running_cloud() as cloud:
        yield cloud.client("sqs")


def test_a_schedule_fires_repeatedly(sqs: Any) -> None:
    queue = make_queue(sqs)
    scheduler = Scheduler(sqs, [Tick(queue.url, '{"tick": true}', 0.05)])

    bodies = [receive(sqs, queue)[0]["Body"] for _ in range(3)]

    scheduler.stop()
    assert bodies == ['{"tick": true}'] * 3


def test_each_schedule_has_its_own_interval(sqs: Any) -> None:
    often, seldom = make_queue(sqs), make_queue(sqs)
    scheduler = Scheduler(sqs, [Tick(seldom.url, "seldom", 600.0), Tick(often.url, "often", 0.05)])

    assert receive(sqs, often)

    scheduler.stop()
    assert receive(sqs, seldom, wait_seconds=0) == []


def test_a_schedule_does_not_fire_at_the_start(sqs: Any) -> None:
    queue = make_queue(sqs)

    Scheduler(sqs, [Tick(queue.url, "body", 600.0)]).stop()

    assert receive(sqs, queue, wait_seconds=0) == []


def test_a_scheduler_without_schedules_stops(sqs: Any) -> None:
    Scheduler(sqs, []).stop()


def test_a_deleted_queue_does_not_stop_the_scheduler(sqs: Any) -> None:
    gone, queue = make_queue(sqs), make_queue(sqs)
    sqs.delete_queue(QueueUrl=gone.url)
    scheduler = Scheduler(sqs, [Tick(gone.url, "body", 0.05), Tick(queue.url, "body", 0.1)])

    assert receive(sqs, queue)

    scheduler.stop()
