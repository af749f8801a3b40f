"""The contents of messages in S3. The bucket encrypts them, and deletes old ones."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.session import Unanswered, answer
from mailer.errors import ContentUnavailable
from mailer.message.draft import StoredDraft
from mailer.project import ProjectId

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LOGGER = logging.getLogger(__name__)


class S3DraftStore(msgspec.Struct, frozen=True):
    """Implements `DraftStore`; safe to share between threads.

    The role needs the right to list the bucket. Without this right S3 answers "access denied" for a missing object.
    """

    client_factory: Callable[[], "S3Client"]
    bucket: str

    def put(self, project_id: ProjectId | None, id: str, stored: StoredDraft) -> None:
        """Store the content; callers write an id again only with the same content."""
        client, key, body = self.client_factory(), _key(project_id, id), msgspec.msgpack.encode(stored)
        try:
            answer(lambda: client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/msgpack"))
        except Unanswered as unanswered:
            raise _unavailable(unanswered) from unanswered

    def get(self, project_id: ProjectId | None, id: str) -> StoredDraft | None:
        """Return the content; None if it does not exist."""
        client, key = self.client_factory(), _key(project_id, id)
        try:
            body = answer(lambda: client.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except Unanswered as unanswered:
            if unanswered.code == "NoSuchKey":
                return None
            raise _unavailable(unanswered) from unanswered
        return msgspec.msgpack.decode(body, type=StoredDraft)

    def delete(self, project_id: ProjectId | None, id: str) -> None:
        """Delete the content if it exists."""
        client, key = self.client_factory(), _key(project_id, id)
        try:
            answer(lambda: client.delete_object(Bucket=self.bucket, Key=key))
        except Unanswered as unanswered:
            raise _unavailable(unanswered) from unanswered


def _unavailable(unanswered: Unanswered) -> ContentUnavailable:
    _LOGGER.warning("the store of contents gave no answer", extra={"code": unanswered.code})
    return ContentUnavailable()


def _key(project_id: ProjectId | None, id: str) -> str:
    # A project may be called "server".
    return f"content/server/{id}" if project_id is None else f"content/project/{project_id}/{id}"
