"""The event of a changed secret names secret and version, and no value."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.client import find
from local.cloud import Cloud
from local.deploy import DeployedQueue
from tests.support.moto_cloud import make_queue, receive, running_cloud

VALUE = '{"smtpPassword": "a-value-to-be-seen-nowhere"}'
TOKEN = "9d5bd5e8-1a53-4f0e-9f6c-6b6d5b7e7b11"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with running_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def secrets(cloud: Cloud) -> Any:
    return cloud.client("secretsmanager")


@pytest.fixture(scope="module")
def queue(cloud: Cloud) -> DeployedQueue:
    """A queue with all events of Secrets Manager on the default bus."""
    events, queue = cloud.client("events"), make_queue(cloud.client("sqs"))
    pattern = {"source": ["aws.secretsmanager"], "detail-type": ["AWS API Call via CloudTrail"]}
    events.put_rule(Name="changes", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="changes", Targets=[{"Id": "queue", "Arn": queue.arn}])
    return queue


@pytest.fixture
def new_events(cloud: Cloud, queue: DeployedQueue) -> Callable[[], list[str]]:
    """Return the new events as text; an event is published before its change is answered."""
    sqs = cloud.client("sqs")
    receive(sqs, queue, wait_seconds=0)
    return lambda: [message["Body"] for message in receive(sqs, queue, wait_seconds=0)]


@pytest.fixture
def name() -> str:
    return f"project-smtp/{uuid.uuid4()}"


@pytest.fixture
def existing(secrets: Any, name: str, new_events: Callable[[], list[str]]) -> str:
    secrets.create_secret(Name=name, SecretString=VALUE)
    new_events()
    return name


def event_of(new_events: Callable[[], list[str]]) -> dict[str, Any]:
    (text,) = new_events()
    event: dict[str, Any] = json.loads(text)
    return event


def test_a_change_is_published_as_a_cloudtrail_event(
    secrets: Any, existing: str, new_events: Callable[[], list[str]]
) -> None:
    arn = secrets.put_secret_value(SecretId=existing, SecretString=VALUE)["ARN"]

    event = event_of(new_events)
    assert (event["source"], event["detail-type"]) == ("aws.secretsmanager", "AWS API Call via CloudTrail")
    detail = event["detail"]
    assert (detail["eventSource"], detail["eventName"]) == ("secretsmanager.amazonaws.com", "PutSecretValue")
    assert (detail["awsRegion"], detail["eventType"], detail["managementEvent"]) == ("us-east-1", "AwsApiCall", True)
    assert detail["responseElements"] == {"arn": arn}
    assert detail["userIdentity"]["accessKeyId"] == "embedded"
    assert detail["eventTime"].endswith("Z")


def test_the_event_never_contains_the_value(secrets: Any, name: str, new_events: Callable[[], list[str]]) -> None:
    secrets.create_secret(Name=name, SecretString=VALUE)
    secrets.put_secret_value(SecretId=name, SecretString=VALUE)
    secrets.put_secret_value(SecretId=name, SecretBinary=VALUE.encode())
    secrets.update_secret(SecretId=name, SecretString=VALUE)

    texts = new_events()
    assert len(texts) == 4
    assert [text for text in texts if "seen-nowhere" in text or "ecret" + "String" in text or "Binary" in text] == []


def test_creating_names_the_secret(secrets: Any, name: str, new_events: Callable[[], list[str]]) -> None:
    secrets.create_secret(Name=name, SecretString=VALUE, ClientRequestToken=TOKEN)

    detail = event_of(new_events)["detail"]
    assert detail["eventName"] == "CreateSecret"
    assert detail["requestParameters"] == {"name": name, "clientRequestToken": TOKEN}


def test_changing_names_the_secret_and_the_version(
    secrets: Any, existing: str, new_events: Callable[[], list[str]]
) -> None:
    secrets.put_secret_value(SecretId=existing, SecretString=VALUE, ClientRequestToken=TOKEN)

    assert event_of(new_events)["detail"]["requestParameters"] == {"secretId": existing, "clientRequestToken": TOKEN}


def test_a_secret_requested_by_arn_is_named_by_arn(
    secrets: Any, existing: str, new_events: Callable[[], list[str]]
) -> None:
    arn = secrets.describe_secret(SecretId=existing)["ARN"]
    secrets.put_secret_value(SecretId=arn, SecretString=VALUE)

    assert find(event_of(new_events), "detail", "requestParameters", "secretId") == arn


def test_updating_names_the_secret(secrets: Any, existing: str, new_events: Callable[[], list[str]]) -> None:
    secrets.update_secret(SecretId=existing, SecretString=VALUE)

    assert find(event_of(new_events), "detail", "eventName") == "UpdateSecret"


def test_deleting_and_restoring_name_the_secret(
    secrets: Any, existing: str, new_events: Callable[[], list[str]]
) -> None:
    secrets.delete_secret(SecretId=existing)
    secrets.restore_secret(SecretId=existing)

    details = [json.loads(text)["detail"] for text in new_events()]
    assert [detail["eventName"] for detail in details] == ["DeleteSecret", "RestoreSecret"]
    assert [detail["requestParameters"]["secretId"] for detail in details] == [existing, existing]
    assert details[0]["responseElements"]["name"] == existing


def test_moving_a_label_names_the_version(secrets: Any, existing: str, new_events: Callable[[], list[str]]) -> None:
    first = secrets.get_secret_value(SecretId=existing)["VersionId"]
    second = secrets.put_secret_value(SecretId=existing, SecretString=VALUE, VersionStages=["AWSPENDING"])["VersionId"]
    new_events()

    secrets.update_secret_version_stage(
        SecretId=existing, VersionStage="AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first
    )

    detail = event_of(new_events)["detail"]
    assert detail["eventName"] == "UpdateSecretVersionStage"
    assert detail["requestParameters"] == {
        "secretId": existing,
        "versionStage": "AWSCURRENT",
        "moveToVersionId": second,
        "removeFromVersionId": first,
    }


def test_a_read_publishes_no_event(secrets: Any, existing: str, new_events: Callable[[], list[str]]) -> None:
    secrets.get_secret_value(SecretId=existing)
    secrets.describe_secret(SecretId=existing)
    secrets.list_secrets()

    assert new_events() == []


def test_a_refused_change_publishes_no_event(secrets: Any, name: str, new_events: Callable[[], list[str]]) -> None:
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.put_secret_value(SecretId=name, SecretString=VALUE)

    assert new_events() == []


def test_with_the_trail_off_there_are_no_events(
    cloud: Cloud, secrets: Any, name: str, new_events: Callable[[], list[str]]
) -> None:
    with cloud.trail_off():
        secrets.create_secret(Name=name, SecretString=VALUE)
    secrets.put_secret_value(SecretId=name, SecretString=VALUE)

    assert find(event_of(new_events), "detail", "eventName") == "PutSecretValue"
