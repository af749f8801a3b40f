"""The queues: on moto's SQS, and on an SQS that refuses some or all messages."""

import json
import logging
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from mailer.adapters.aws.queues import SqsDeliveryQueue, SqsFailureQueue, SqsValidationQueue
from mailer.adapters.aws.session import AwsSession
from mailer.ports import Delivery, NotStored
from mailer.project import ProjectId

from tests.support.fake_aws import Behaviour, FakeAws, Request, refusal, success
from tests.support.ledger_setup import ACME, OTHER, serial_moto

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


@pytest.fixture(scope="module")
def session() -> Iterator[AwsSession]:
    with serial_moto() as url:
        yield AwsSession(endpoint_url=url)


@pytest.fixture
def url(session: AwsSession) -> str:
    return session.sqs().create_queue(QueueName=f"queue-{uuid.uuid4()}")["QueueUrl"]


def received(session: AwsSession, url: str) -> "list[MessageTypeDef]":
    messages: list[MessageTypeDef] = []
    while (
        more := session.sqs()
        .receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
        )
        .get("Messages")
    ):
        messages += more
    return messages


def on(fake: FakeAws) -> SqsDeliveryQueue:
    return SqsDeliveryQueue(AwsSession(endpoint_url=fake.url).sqs, url=f"{fake.url}/1/queue")


def entries(request: Request) -> list[dict[str, object]]:
    listed = request.json()["Entries"]
    assert isinstance(listed, list)
    return listed


def takes_all(request: Request) -> dict[str, object]:
    return {"Successful": [{"Id": entry["Id"]} for entry in entries(request)]}


def test_a_delivery_is_a_project_and_an_id(session: AwsSession, url: str) -> None:
    queue = SqsDeliveryQueue(session.sqs, url=url)

    assert queue.send([Delivery(ACME, "m1"), Delivery(None, "m2")]) == 0
    assert [json.loads(message["Body"]) for message in received(session, url)] == [
        {"project_id": "acme", "id": "m1"},
        {"project_id": None, "id": "m2"},
    ]


def test_more_than_ten_are_sent_in_batches_of_ten(session: AwsSession, url: str) -> None:
    deliveries = [Delivery(ACME, f"m{number}") for number in range(25)]

    assert SqsDeliveryQueue(session.sqs, url=url).send(deliveries) == 0
    assert len(received(session, url)) == 25


def test_without_messages_there_is_no_request() -> None:
    with FakeAws(lambda _request: success()) as fake:
        assert on(fake).send([]) == 0
        assert fake.requests == []


def test_each_project_is_a_group_and_no_project_shares_the_platform_s_group() -> None:
    with FakeAws(lambda request: success(**takes_all(request))) as fake:
        on(fake).send([Delivery(ACME, "m1"), Delivery(None, "m2"), Delivery(ProjectId("server"), "m3")])

        assert [entry["MessageGroupId"] for entry in entries(fake.requests[0])] == ["acme", "server#", "server"]


def test_a_delivery_may_be_delayed() -> None:
    with FakeAws(lambda request: success(**takes_all(request))) as fake:
        on(fake).send([Delivery(ACME, "m1", delay_seconds=900)])

        assert entries(fake.requests[0])[0]["DelaySeconds"] == 900


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "AccessDenied"])
def test_refused_messages_are_counted(code: str) -> None:
    with FakeAws(lambda _request: refusal(code)) as fake:
        assert on(fake).send([Delivery(ACME, f"m{number}") for number in range(12)]) == 12


def test_partly_refused_batches_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    answer = success(
        Successful=[{"Id": "0"}, {"Id": "2"}], Failed=[{"Id": "1", "Code": "InternalError", "SenderFault": False}]
    )
    with FakeAws(lambda _request: answer) as fake:
        assert on(fake).send([Delivery(ACME, id) for id in ("m1", "m2", "m3")]) == 1

    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["a queue did not take every message"]


def test_messages_that_the_queue_does_not_confirm_are_counted() -> None:
    with FakeAws(lambda _request: success()) as fake:
        assert on(fake).send([Delivery(ACME, "m1")]) == 1


def test_the_next_batch_is_sent_after_a_failed_one() -> None:
    def refuses_the_first(request: Request) -> Behaviour:
        return refusal("AccessDenied") if len(fake.requests) == 1 else success(**takes_all(request))

    with FakeAws(refuses_the_first) as fake:
        assert on(fake).send([Delivery(ACME, f"m{number}") for number in range(12)]) == 10


def test_a_validation_request_names_its_project(session: AwsSession, url: str) -> None:
    SqsValidationQueue(session.sqs, url=url).send([ACME, OTHER])

    assert [json.loads(message["Body"]) for message in received(session, url)] == [
        {"project_id": "acme"},
        {"project_id": "other"},
    ]


def test_a_validation_request_may_continue_a_release(session: AwsSession, url: str) -> None:
    SqsValidationQueue(session.sqs, url=url).send([ACME], beyond="01")

    assert [json.loads(message["Body"]) for message in received(session, url)] == [
        {"project_id": "acme", "beyond": "01"}
    ]


@pytest.mark.parametrize(
    ("within", "after", "delays"),
    [
        (0, 0, [0, 0, 0]),
        (600, 0, [0, 200, 400]),
        (5000, 0, [0, 300, 600]),
        (600, 600, [600, 700, 800]),
        (0, 30, [30] * 3),
    ],
)
def test_validation_requests_are_spread(within: int, after: int, delays: list[int]) -> None:
    with FakeAws(lambda request: success(**takes_all(request))) as fake:
        queue = SqsValidationQueue(AwsSession(endpoint_url=fake.url).sqs, url=f"{fake.url}/1/queue")
        queue.send([ACME, OTHER, ProjectId("third")], within_seconds=within, after_seconds=after)

        assert [entry["DelaySeconds"] for entry in entries(fake.requests[0])] == delays


def test_a_failure_is_stored_with_its_reason(session: AwsSession, url: str) -> None:
    SqsFailureQueue(session.sqs, url=url).send({"reason": "body-malformed", "message_id": "1"})

    [message] = received(session, url)
    assert json.loads(message["Body"]) == {"reason": "body-malformed", "message_id": "1"}
    assert message["MessageAttributes"]["reason"].get("StringValue") == "body-malformed"


def test_a_failure_that_cannot_be_stored_raises() -> None:
    with FakeAws(lambda _request: refusal("AccessDenied")) as fake, pytest.raises(NotStored):
        SqsFailureQueue(AwsSession(endpoint_url=fake.url).sqs, url=f"{fake.url}/1/queue").send({"reason": "x"})
