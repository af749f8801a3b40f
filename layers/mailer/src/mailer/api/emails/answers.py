"""The answers to sending, queueing and repeating a request: status, body and headers."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import assert_never

import msgspec

from mailer.api.emails.responses import batch_view, queued_view, resumed_view, send_status, send_view
from mailer.api.exchange import Answer, answer, answer_error
from mailer.api.problems import limit_headers
from mailer.errors import MailerError
from mailer.ledger.idempotency import StoredAnswer
from mailer.project import ProjectId
from mailer.service.sending.accept_emails import Accepted, BatchItem
from mailer.service.sending.send_email import Replayed, Resumed, SendReport


class _Identified(msgspec.Struct, frozen=True):
    id: str


def email_path(project_id: ProjectId, id: str) -> str:
    """Return the path of a message's history."""
    return f"/v1/projects/{project_id}/emails/{id}"


def answer_outcome(outcome: SendReport | Accepted | Replayed | Resumed, *, project_id: ProjectId) -> Answer:
    """Answer a request to send."""
    match outcome:
        case SendReport(record):
            given = answer(send_view(outcome), send_status(record)).with_headers(**limit_headers(outcome.quota))
            return given.with_headers(Location=email_path(project_id, record.id))
        case Accepted(id):
            given = answer(queued_view(outcome), HTTPStatus.ACCEPTED).with_headers(**limit_headers(outcome.quota))
            return given.with_headers(Location=email_path(project_id, id), Preference_Applied="respond-async")
        case Resumed(record):
            given = answer(resumed_view(record), send_status(record))
            return given.with_headers(Location=email_path(project_id, record.id), Idempotent_Replayed="true")
        case Replayed(stored):
            location = _location(stored, project_id)
            given = Answer(stored.status, stored.body, stored.content_type)
            return given.with_headers(Location=location, Idempotent_Replayed="true")
        case unreachable:
            assert_never(unreachable)


def answer_batch(items: Sequence[BatchItem]) -> Answer:
    """Answer a request to send several messages."""
    is_repeated = all(item.id is not None and not item.is_new for item in items)
    given = answer(batch_view(items), HTTPStatus.ACCEPTED)
    return given.with_headers(Idempotent_Replayed="true" if is_repeated else None)


def stored_outcome(outcome: SendReport | Accepted | MailerError, *, instance: str) -> StoredAnswer:
    """Return the answer to store under an idempotency key."""
    match outcome:
        case SendReport(record):
            given = answer(send_view(outcome), send_status(record))
        case Accepted():
            given = answer(queued_view(outcome), HTTPStatus.ACCEPTED)
        case MailerError():
            given = answer_error(outcome, instance=instance)
        case unreachable:
            assert_never(unreachable)
    return StoredAnswer(given.status, given.body, given.content_type)


def _location(stored: StoredAnswer, project_id: ProjectId) -> str | None:
    if stored.status >= HTTPStatus.BAD_REQUEST:
        return None
    return email_path(project_id, msgspec.json.decode(stored.body, type=_Identified).id)
