"""Queue pumps: the events of a function, and the effect of its answer on the messages."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from local.client import find
from local.cloud import REGION
from local.deploy import DeployedQueue
from local.environment import FunctionFailed
from local.event_source import QueueMapping
from local.queue_pump import QueuePump, unsettled
from tests.support.moto_cloud import make_queue, running_cloud

PATIENCE = 10.0
PICKED_UP_SECONDS = 1.0
# Long enough that no message is received a second time during a test.
LONG = 600


class Scripted:
    """A function with given answers; records its events."""

    def __init__(self, answer: Callable[[list[str]], object]) -> None:
        self._answer = answer
        self.events: SimpleQueue[Mapping[str, Any]] = SimpleQueue()

    def __call__(self, event: object, *, patience_seconds: float) -> object:
        assert isinstance(event, dict)
        self.events.put(event)
        return self._answer([record["messageId"] for record in event["Records"]])

    def next_event(self) -> Mapping[str, Any]:
        return self.events.get(timeout=PATIENCE)


@pytest.fixture(scope="module")
def sqs() -> Iterator[Any]:
    with running_cloud() as cloud:
        yield cloud.client("sqs")


@pytest.fixture
def queue(sqs: Any) -> DeployedQueue:
    return make_queue(sqs, VisibilityTimeout=str(LONG))


@pytest.fixture
def pump(sqs: Any) -> Iterator[Callable[..., QueuePump]]:
    pumps = []

    def start(function: Scripted, queue: DeployedQueue, **mapping: Any) -> QueuePump:
        described = QueueMapping("Work", "Queue", **({"reports_failures": True} | mapping))
        pumps.append(QueuePump(sqs, function, described, queue))
        return pumps[-1]

    yield start
    for each in pumps:
        each.stop()


def send(sqs: Any, queue: DeployedQueue, *bodies: str) -> list[str]:
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    sent = sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)["Successful"]
    return [entry["MessageId"] for entry in sorted(sent, key=lambda entry: int(entry["Id"]))]


def left(sqs: Any, queue: DeployedQueue) -> int:
    """Count the queue's messages, visible or not."""
    attributes = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    # moto's two counts overlap: it counts invisible messages in both.
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def settled(sqs: Any, queue: DeployedQueue, count: int) -> bool:
    """Wait until this many messages are left; the pump deletes after the function has answered."""
    deadline = threading.Event()
    timer = threading.Timer(PATIENCE, deadline.set)
    timer.start()
    while left(sqs, queue) != count and not deadline.is_set():
        pass
    timer.cancel()
    return not deadline.is_set()


def fail(ids: list[str]) -> object:
    raise FunctionFailed


def failures(*ids: object) -> dict[str, object]:
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in ids]}


class TestEvent:
    @pytest.fixture
    def received(self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]) -> Mapping[str, Any]:
        sqs.send_message(
            QueueUrl=queue.url,
            MessageBody='{"id": "1"}',
            MessageGroupId="acme",
            MessageAttributes={
                "text": {"DataType": "String", "StringValue": "word"},
                "octets": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
            },
        )
        function = Scripted(lambda _ids: None)
        pump(function, queue)
        (record,) = function.next_event()["Records"]
        assert isinstance(record, dict)
        return record

    def test_a_record_has_lambda_s_fields(self, received: Mapping[str, Any]) -> None:
        assert set(received) == {
            "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody",
            "md5OfMessageAttributes", "eventSource", "eventSourceARN", "awsRegion",
        }  # fmt: skip

    def test_the_body_is_as_it_was_sent(self, received: Mapping[str, Any]) -> None:
        assert received["body"] == '{"id": "1"}'

    def test_the_source_is_the_queue(self, received: Mapping[str, Any], queue: DeployedQueue) -> None:
        source = (received["eventSource"], received["eventSourceARN"], received["awsRegion"])
        assert source == ("aws:sqs", queue.arn, REGION)

    def test_attributes_are_strings(self, received: Mapping[str, Any]) -> None:
        attributes = received["attributes"]
        assert attributes["ApproximateReceiveCount"] == "1"
        assert attributes["MessageGroupId"] == "acme"
        assert attributes["SentTimestamp"].isdigit()
        assert attributes["ApproximateFirstReceiveTimestamp"].isdigit()

    def test_message_attributes_have_lambda_s_names(self, received: Mapping[str, Any]) -> None:
        lists: dict[str, object] = {"stringListValues": [], "binaryListValues": []}
        assert received["messageAttributes"] == {
            "text": {"stringValue": "word", "dataType": "String", **lists},
            "octets": {"binaryValue": "AP8=", "dataType": "Binary", **lists},
        }


class TestAnswer:
    IDS = ("a", "b", "c")

    @pytest.mark.parametrize(
        "answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}, {"statusCode": 200}]
    )
    def test_qd2_an_answer_that_names_no_message_settles_all(self, answer: object) -> None:
        assert set(unsettled(answer, self.IDS)) == set()

    def test_qd2_a_named_message_is_delivered_again(self) -> None:
        assert set(unsettled(failures("a", "c"), self.IDS)) == {"a", "c"}

    def test_qd2_a_message_may_be_named_twice(self) -> None:
        assert set(unsettled(failures("b", "b"), self.IDS)) == {"b"}

    @pytest.mark.parametrize(
        "answer",
        [
            "done",
            ["a"],
            {"batchItemFailures": "a"},
            {"batchItemFailures": ["a"]},
            {"batchItemFailures": [{"itemId": "a"}]},
            failures(""),
            failures(None),
            failures("a", "unknown"),
            failures(["a"]),
        ],
    )
    def test_qd2_a_malformed_answer_brings_the_whole_batch_back(self, answer: object) -> None:
        assert set(unsettled(answer, self.IDS)) == set(self.IDS)


class TestQueue:
    def test_a_successful_message_is_deleted(
        self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]
    ) -> None:
        send(sqs, queue, *map(str, range(10)))
        pump(Scripted(lambda _ids: None), queue)

        assert settled(sqs, queue, 0)

    def test_qd2_a_failed_message_stays_and_the_rest_is_deleted(
        self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]
    ) -> None:
        bad = send(sqs, queue, "good", "bad", "good")[1]
        pump(Scripted(lambda _ids: failures(bad)), queue)

        assert settled(sqs, queue, 1)

    def test_qd2_without_report_batch_item_failures_a_failed_message_is_deleted(
        self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]
    ) -> None:
        send(sqs, queue, "good", "bad")
        pump(Scripted(lambda ids: failures(*ids)), queue, reports_failures=False)

        assert settled(sqs, queue, 0)

    def test_the_messages_of_a_failed_invocation_are_delivered_again(
        self, sqs: Any, pump: Callable[..., QueuePump]
    ) -> None:
        queue = make_queue(sqs, VisibilityTimeout="1")
        send(sqs, queue, "poison")
        function = Scripted(fail)
        pump(function, queue)

        counts = [find(function.next_event(), "Records", 0, "attributes", "ApproximateReceiveCount") for _ in range(2)]
        assert counts == ["1", "2"]

    def test_qd9_a_failing_message_is_moved_after_the_queue_s_receive_limit(
        self, sqs: Any, pump: Callable[..., QueuePump]
    ) -> None:
        failed = make_queue(sqs)
        policy = json.dumps({"deadLetterTargetArn": failed.arn, "maxReceiveCount": 2})
        queue = make_queue(sqs, VisibilityTimeout="1", RedrivePolicy=policy)
        send(sqs, queue, "poison")
        function = Scripted(fail)
        pump(function, queue)

        moved = sqs.receive_message(QueueUrl=failed.url, WaitTimeSeconds=int(PATIENCE))["Messages"]
        assert [message["Body"] for message in moved] == ["poison"]
        assert function.events.qsize() == 2
        assert left(sqs, queue) == 0

    def test_a_message_is_received_at_once(
        self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]
    ) -> None:
        function = Scripted(lambda _ids: None)
        pump(function, queue)
        send(sqs, queue, "first")
        function.next_event()

        began = time.monotonic()
        send(sqs, queue, "second")
        function.next_event()

        assert time.monotonic() - began < PICKED_UP_SECONDS

    def test_a_batch_is_no_larger_than_the_mapping_allows(
        self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]
    ) -> None:
        send(sqs, queue, *map(str, range(5)))
        function = Scripted(lambda _ids: None)
        pump(function, queue, batch_size=2)

        sizes = [len(function.next_event()["Records"]) for _ in range(3)]
        assert sorted(sizes) == [1, 2, 2]

    def test_a_window_collects_a_batch(self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]) -> None:
        send(sqs, queue, *map(str, range(10)))
        send(sqs, queue, *map(str, range(10)))
        function = Scripted(lambda _ids: None)
        pump(function, queue, batch_size=20, window_seconds=PATIENCE)

        assert len(function.next_event()["Records"]) == 20

    def test_several_batches_run_at_once(self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]) -> None:
        together = threading.Barrier(2, timeout=PATIENCE)
        send(sqs, queue, "one", "two")
        pump(Scripted(lambda _ids: {"place": together.wait()}), queue, batch_size=1)

        assert settled(sqs, queue, 0)

    def test_a_stopped_pump_receives_no_message(
        self, sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]
    ) -> None:
        function = Scripted(lambda _ids: None)
        send(sqs, queue, "first")
        running = pump(function, queue, batch_size=1, max_batches=1)
        function.next_event()
        assert settled(sqs, queue, 0)

        running.stop()
        # A poll that still runs receives at most one message, and does not deliver it.
        send(sqs, queue, "second", "third")

        assert left(sqs, queue) == 2
        assert function.events.empty()


def test_nothing_is_lost_while_many_send_and_delete(
    sqs: Any, queue: DeployedQueue, pump: Callable[..., QueuePump]
) -> None:
    function = Scripted(lambda _ids: None)
    pump(function, queue)
    pump(function, queue)

    with ThreadPoolExecutor(4) as senders:
        sent = {name for names in senders.map(lambda _: send(sqs, queue, *"0123456789"), range(20)) for name in names}

    received: set[str] = set()
    while received != sent:
        received |= {record["messageId"] for record in function.next_event()["Records"]}
    assert settled(sqs, queue, 0)
