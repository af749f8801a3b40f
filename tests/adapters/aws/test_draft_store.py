"""The contents of messages in S3: on moto, and when S3 does not answer."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from mailer.adapters.aws.draft_store import S3DraftStore
from mailer.adapters.aws.session import AwsSession
from mailer.errors import ContentUnavailable
from mailer.message.address import Mailbox, parse_address
from mailer.message.draft import Attachment, Draft, StoredDraft
from mailer.project import ProjectId

from tests.support.canaries import PASSWORD
from tests.support.fake_aws import Answer, FakeAws
from tests.support.ledger_setup import ACME, OTHER, serial_moto

STORED = StoredDraft(
    Draft(
        to=(Mailbox(parse_address("ann@example.com"), "Änn"),),
        subject="Grüße \U0001f4e7",
        text="Hello.\r\n",
        headers=(("X-Campaign", "1"),),
        attachments=(Attachment("a.bin", bytes(range(256)), "application/octet-stream"),),
    ),
    datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC),
)


@dataclass(frozen=True)
class Setup:
    """A store on a new bucket."""

    session: AwsSession
    bucket: str

    @property
    def store(self) -> S3DraftStore:
        return S3DraftStore(self.session.s3, bucket=self.bucket)

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.session.s3().list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture(scope="module")
def session() -> Iterator[AwsSession]:
    with serial_moto() as url:
        yield AwsSession(endpoint_url=url)


@pytest.fixture
def setup(session: AwsSession) -> Setup:
    bucket = f"content-{uuid.uuid4()}"
    session.s3().create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return Setup(session, bucket)


@pytest.fixture
def store(setup: Setup) -> S3DraftStore:
    return setup.store


def test_a_content_is_returned_unchanged(store: S3DraftStore) -> None:
    store.put(ACME, "m1", STORED)

    assert store.get(ACME, "m1") == STORED


def test_a_content_may_be_put_again(store: S3DraftStore) -> None:
    store.put(ACME, "m1", STORED)
    store.put(ACME, "m1", STORED)

    assert store.get(ACME, "m1") == STORED


def test_a_missing_content_is_none(store: S3DraftStore) -> None:
    assert store.get(ACME, "m1") is None


def test_a_deleted_content_is_gone(setup: Setup) -> None:
    setup.store.put(ACME, "m1", STORED)
    setup.store.delete(ACME, "m1")

    assert setup.keys() == []


def test_deleting_a_missing_content_does_nothing(store: S3DraftStore) -> None:
    store.delete(ACME, "m1")


@pytest.mark.parametrize("project_id", [OTHER, None, ProjectId("server")])
def test_another_project_s_content_is_not_found(store: S3DraftStore, project_id: ProjectId | None) -> None:
    store.put(ACME, "m1", STORED)

    assert store.get(project_id, "m1") is None


def test_the_platform_is_not_the_project_named_server(setup: Setup) -> None:
    setup.store.put(None, "m1", STORED)
    setup.store.put(ProjectId("server"), "m1", STORED)

    assert setup.keys() == ["content/project/server/m1", "content/server/m1"]


def error(code: str, status: int) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{PASSWORD}</Message></Error>".encode()
    return Answer(status, body, {"Content-Type": "application/xml"})


@pytest.mark.parametrize("answer", [error("AccessDenied", 403), error("NoSuchBucket", 404), error("SlowDown", 503)])
def test_without_an_answer_of_s3_the_content_is_unavailable(answer: Answer) -> None:
    with FakeAws(lambda _request: answer) as fake, pytest.raises(ContentUnavailable):
        S3DraftStore(AwsSession(endpoint_url=fake.url).s3, bucket="content").get(ACME, "m1")


def test_a_content_that_s3_refuses_is_not_stored() -> None:
    with FakeAws(lambda _request: error("AccessDenied", 403)) as fake, pytest.raises(ContentUnavailable):
        S3DraftStore(AwsSession(endpoint_url=fake.url).s3, bucket="content").put(ACME, "m1", STORED)


def test_a_truncated_content_is_unavailable() -> None:
    with FakeAws(lambda _request: Answer(body=b"x" * 100, cut_after=50)) as fake, pytest.raises(ContentUnavailable):
        S3DraftStore(AwsSession(endpoint_url=fake.url).s3, bucket="content").get(ACME, "m1")


def test_a_content_that_s3_does_not_delete_is_unavailable() -> None:
    with FakeAws(lambda _request: error("AccessDenied", 403)) as fake:
        with pytest.raises(ContentUnavailable):
            S3DraftStore(AwsSession(endpoint_url=fake.url).s3, bucket="content").delete(ACME, "m1")

        assert [request.method for request in fake.requests] == ["DELETE"]
