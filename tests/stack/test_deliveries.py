"""Messages accepted over HTTP and over the bus: sent once, held if necessary, never lost."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.client import Answer, Caller, Json, call, find, read_inbox
from local.cloud import make_client
from local.relay import DEFERRED_DOMAIN
from tests.support import embedded
from tests.support.embedded import Running

HELD_AND_RELEASED_SECONDS = 10.0
STATE_SECONDS = 5.0
# A generous limit where no time is promised.
PATIENCE = 20.0
LINK = "https://app.platform.example/reset?token=1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with embedded.running(tmp_path_factory.mktemp("deliveries"), CLOCK_SECONDS="1") as running:
        yield running


def eventually(is_true: Callable[[], object], *, within: float = PATIENCE) -> float:
    """Wait until a condition is true; return the seconds, and fail if it takes too long."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < within
        threading.Event().wait(0.05)
    return time.monotonic() - began


@dataclass(frozen=True)
class Project:
    """A project for one test, with the operator's token and a recipient."""

    stack: Running
    id: str
    address: str

    @property
    def caller(self) -> Caller:
        return Caller(self.stack.stack, self.id, self.stack.stack.tokens["operator"])

    def entries(self) -> dict[str, str]:
        relay = self.stack.stack.relay
        return relay.entries(port=relay.starttls_port, from_address="hello@globex.example")

    def write_secret(self, **changed: str) -> None:
        name = f"{self.stack.stack.project_secret_prefix}{self.id}"
        secrets = make_client("secretsmanager", self.stack.stack.aws_endpoint_url)
        text = json.dumps(self.entries() | changed)
        try:
            secrets.create_secret(Name=name, SecretString=text)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=text)

    def post(self, *, headers: dict[str, str] | None = None, **members: object) -> Answer:
        return self.caller.post("emails", self.draft() | members, headers=headers)

    def draft(self) -> dict[str, object]:
        return {"to": self.address, "subject": "Hello", "text": "It works."}

    def reset_requested(self, **members: object) -> dict[str, object]:
        return {"requestId": str(uuid.uuid4()), "projectId": self.id, **reset(self.address), **members}

    def state(self) -> str:
        return self.caller.get("email-config").text("state")

    def emails(self, query: str = "") -> list[Json]:
        found = self.caller.get(f"emails{query}").body["emails"]
        assert isinstance(found, list)
        return found


def reset(address: str) -> dict[str, object]:
    return {"user": {"email": address}, "link": LINK}


def put(stack: Running, *details: dict[str, object], detail_type: str = "PasswordResetRequested") -> None:
    events = make_client("events", stack.stack.aws_endpoint_url)
    bus = stack.stack.event_bus
    entries = [
        {"EventBusName": bus, "Source": "identity", "DetailType": detail_type, "Detail": json.dumps(detail)}
        for detail in details
    ]
    assert events.put_events(Entries=entries)["FailedEntryCount"] == 0


def refused_event(stack: Running) -> str:
    """Take the next record out of the failure queue of lifecycle events."""
    sqs = make_client("sqs", stack.stack.aws_endpoint_url)
    (url,) = (each for each in sqs.list_queues()["QueueUrls"] if "SystemEmailFailureQueue" in each)
    received = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=int(PATIENCE), MessageAttributeNames=["All"])
    (message,) = received["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return json.dumps(message)


def arrived(stack: Running, address: str) -> list[Json]:
    return [each for each in read_inbox(stack.stack)[1] if find(each, "envelope", "recipients") == [address]]


def counts(stack: Running) -> dict[str, int]:
    return read_inbox(stack.stack)[0]


@pytest.fixture
def address() -> str:
    return f"{uuid.uuid4()}@example.com"


@pytest.fixture
def project(stack: Running, address: str) -> Project:
    """A project without a secret."""
    return Project(stack, f"project-{uuid.uuid4()}", address)


@pytest.fixture
def healthy(project: Project) -> Project:
    """A project with a verified relay."""
    project.write_secret()
    eventually(lambda: project.state() == "verified")
    return project


@pytest.fixture
def broken(project: Project) -> Project:
    """A project with a secret without a port."""
    project.write_secret(smtpPort="587o")
    eventually(lambda: project.state() == "invalid")
    return project


class TestSystemEmails:
    def test_a_project_s_system_email_leaves_by_its_relay(self, stack: Running, healthy: Project) -> None:
        put(stack, healthy.reset_requested())

        eventually(lambda: arrived(stack, healthy.address))
        (message,) = arrived(stack, healthy.address)
        assert (message["transport"], message["from"]) == ("project-smtp", "hello@globex.example")

    def test_the_platform_s_system_email_leaves_by_ses(self, stack: Running, address: str) -> None:
        put(stack, {"requestId": str(uuid.uuid4()), **reset(address)})

        eventually(lambda: arrived(stack, address))
        (message,) = arrived(stack, address)
        assert (message["transport"], message["from"]) == ("server-ses", "Platform <no-reply@platform.example>")

    def test_du9_one_request_id_is_one_email(self, stack: Running, healthy: Project) -> None:
        requested = healthy.reset_requested()
        put(stack, *[requested] * 5)

        eventually(lambda: healthy.emails("?status=sent"))
        put(stack, requested)
        fence = Project(stack, healthy.id, f"{uuid.uuid4()}@example.com")
        put(stack, fence.reset_requested())
        eventually(lambda: arrived(stack, fence.address))
        assert len(arrived(stack, healthy.address)) == 1
        assert len(healthy.emails()) == 2

    def test_the_history_shows_the_event_type(self, stack: Running, healthy: Project) -> None:
        requested = healthy.reset_requested()
        put(stack, requested)

        eventually(lambda: healthy.emails("?status=sent"))
        (sent,) = healthy.emails()
        assert (sent["type"], sent["request_id"]) == ("PasswordResetRequested", requested["requestId"])

    def test_a_malformed_event_goes_to_the_failure_queue_at_once(self, stack: Running, project: Project) -> None:
        put(stack, project.reset_requested(link="https://elsewhere.example/"))

        assert "link-not-allowed" in refused_event(stack)
        assert arrived(stack, project.address) == []

    def test_an_event_with_a_misspelled_type_is_refused_and_a_correct_one_is_sent(
        self, stack: Running, healthy: Project
    ) -> None:
        put(stack, healthy.reset_requested(), detail_type="PasswordResetRequest")

        assert "unknown-event-type" in refused_event(stack)
        put(stack, healthy.reset_requested())
        eventually(lambda: len(arrived(stack, healthy.address)) == 1)


class TestHeld:
    def test_a_broken_secret_holds_the_email_and_contacts_neither_relay_nor_ses(
        self, stack: Running, broken: Project
    ) -> None:
        before = counts(stack)
        put(stack, broken.reset_requested())

        eventually(lambda: broken.emails("?status=held"))
        assert counts(stack) == before

    def test_the_admin_sees_the_reason_and_the_number_of_held_emails(self, stack: Running, broken: Project) -> None:
        put(stack, broken.reset_requested(), broken.reset_requested())
        eventually(lambda: len(broken.emails("?status=held")) == 2)

        body = broken.caller.get("email-config").body
        assert (body["state"], body["held"]) == ("invalid", 2)
        assert find(body, "problems", 0, "entry") == "smtpPort"

    def test_held_mail_leaves_once_within_ten_seconds_of_the_fix(self, stack: Running, broken: Project) -> None:
        put(stack, broken.reset_requested())
        eventually(lambda: broken.emails("?status=held"))

        broken.write_secret()

        eventually(lambda: arrived(stack, broken.address), within=HELD_AND_RELEASED_SECONDS)
        eventually(lambda: broken.emails("?status=sent"))
        (message,) = arrived(stack, broken.address)
        assert message["transport"] == "project-smtp"
        assert broken.caller.get("email-config").body["held"] == 0

    def test_a_direct_request_is_refused_and_not_held(self, broken: Project) -> None:
        answer = broken.post()

        assert (answer.status, answer.text("code")) == (400, "project-smtp-invalid")


class TestConfiguration:
    def test_an_edit_is_shown_within_five_seconds(self, healthy: Project) -> None:
        healthy.write_secret(smtpPassword="wrong")
        eventually(lambda: healthy.state() == "invalid", within=STATE_SECONDS)

        healthy.write_secret()
        eventually(lambda: healthy.state() == "verified", within=STATE_SECONDS)

    def test_a_deleted_secret_is_shown(self, stack: Running, healthy: Project) -> None:
        name = f"{stack.stack.project_secret_prefix}{healthy.id}"
        make_client("secretsmanager", stack.stack.aws_endpoint_url).delete_secret(SecretId=name)

        eventually(lambda: healthy.state() == "invalid", within=STATE_SECONDS)


class TestLater:
    def test_respond_async_is_queued_and_then_sent(self, stack: Running, healthy: Project) -> None:
        answer = healthy.post(headers={"Prefer": "respond-async"})

        assert (answer.status, answer.text("status")) == (202, "queued")
        eventually(lambda: healthy.caller.get(f"emails/{answer.text('id')}").text("status") == "sent")
        assert len(arrived(stack, healthy.address)) == 1

    def test_a_batch_is_queued_and_then_sent(self, stack: Running, healthy: Project) -> None:
        answer = healthy.caller.post("emails/batch", {"emails": [healthy.draft(), healthy.draft()]})

        assert answer.status == 202
        eventually(lambda: len(healthy.emails("?status=sent")) == 2)
        assert len(arrived(stack, healthy.address)) == 2

    def test_an_idempotency_key_is_one_email_and_one_answer(self, stack: Running, healthy: Project) -> None:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        first, second = healthy.post(headers=key), healthy.post(headers=key)

        assert (first.status, second.body) == (200, first.body)
        assert len(arrived(stack, healthy.address)) == 1

    def test_a_key_with_another_body_is_refused(self, healthy: Project) -> None:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        healthy.post(headers=key)

        assert healthy.post(headers=key, subject="Another").status == 422

    def test_a_deferred_recipient_is_tried_again_when_it_is_due(self, stack: Running, healthy: Project) -> None:
        answer = healthy.post(to=f"ada@{DEFERRED_DOMAIN}")
        path = f"emails/{answer.text('id')}"
        assert (answer.status, answer.text("status")) == (202, "deferred")

        make_due(stack, healthy, answer.text("id"))

        eventually(lambda: len(attempts(healthy.caller.get(path))) == 2)
        assert healthy.caller.get(path).text("status") == "deferred"


def attempts(answer: Answer) -> list[object]:
    found = answer.body["attempts"]
    assert isinstance(found, list)
    return found


def make_due(stack: Running, project: Project, identity: str) -> None:
    """Make a message due at once, without its backoff of a minute."""
    dynamodb: Any = make_client("dynamodb", stack.stack.aws_endpoint_url)
    (table,) = dynamodb.list_tables()["TableNames"]
    key = {"pk": {"S": f"project#{project.id}"}, "sk": {"S": f"email#{identity}"}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    record = json.loads(item["record"]["S"]) | {"due_at": 1.0}
    dynamodb.put_item(TableName=table, Item=item | {"record": {"S": json.dumps(record)}, "due_at": {"N": "1"}})


def test_another_project_does_not_see_the_message(stack: Running, healthy: Project) -> None:
    identity = healthy.post().text("id")

    url = f"{stack.stack.api_url}/v1/projects/acme/emails/{identity}"
    assert call("GET", url, token=stack.stack.tokens["acme"]).status == 404
