"""Answers to requests that send or queue messages, and to repeated requests: status, body and headers."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

import msgspec

from mailer.api.emails.responses import SendResult, batch_view, result_status, result_view
from mailer.api.exchange import Answer, answer
from mailer.api.problems import limit_headers
from mailer.api.route import PROBLEM_DOCUMENT, ErrorShape
from mailer.errors import MailerError
from mailer.ledger.idempotency import StoredAnswer
from mailer.project import ProjectId
from mailer.service.sending.accept_emails import Accepted, BatchItem
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_outcome import SendReport


class _Identified(msgspec.Struct, frozen=True):
    id: str


def email_path(project_id: ProjectId, id: str) -> str:
    """Return the path of a message's history."""
    return f"/v1/projects/{project_id}/emails/{id}"


def answer_outcome(outcome: SendReport | Accepted | Replayed | Resumed, *, project_id: ProjectId) -> Answer:
    """Answer a request to send."""
    if isinstance(outcome, Replayed):
        return answer_replayed(outcome.answer).with_headers(Location=_location(outcome.answer, project_id))
    return answer_result(outcome, show_result, project_id=project_id)


def answer_replayed(stored: StoredAnswer) -> Answer:
    """Return the stored answer of an earlier request with the same key."""
    return Answer(stored.status, stored.body, stored.content_type).with_headers(Idempotent_Replayed="true")


def answer_result(
    outcome: SendReport | Accepted | Resumed, show: Callable[[SendResult], Answer], *, project_id: ProjectId
) -> Answer:
    """Answer with the body from `show`, and with the headers that the dialects have too."""
    result = result_view(outcome)
    quota = None if isinstance(outcome, Resumed) else outcome.quota
    return show(result).with_headers(
        **limit_headers(quota),
        Location=email_path(project_id, result.id),
        Preference_Applied="respond-async" if isinstance(outcome, Accepted) and outcome.is_requested else None,
        Idempotent_Replayed="true" if isinstance(outcome, Resumed) else None,
    )


def show_result(result: SendResult) -> Answer:
    """Answer with a result in our own shape."""
    return answer(result, result_status(result))


def answer_batch(items: Sequence[BatchItem]) -> Answer:
    """Answer a request to send several messages."""
    is_repeated = all(item.id is not None and not item.is_new for item in items)
    response = answer(batch_view(items), HTTPStatus.ACCEPTED)
    return response.with_headers(Idempotent_Replayed="true" if is_repeated else None)


def stored_outcome(
    outcome: SendReport | Accepted | MailerError,
    *,
    instance: str,
    show: Callable[[SendResult], Answer] = show_result,
    errors: ErrorShape = PROBLEM_DOCUMENT,
) -> StoredAnswer:
    """Render an outcome as the answer to store under an idempotency key."""
    response = errors.refuse(outcome, instance) if isinstance(outcome, MailerError) else show(result_view(outcome))
    return StoredAnswer(response.status, response.body, response.content_type)


def _location(stored: StoredAnswer, project_id: ProjectId) -> str | None:
    if stored.status >= HTTPStatus.BAD_REQUEST:
        return None
    return email_path(project_id, msgspec.json.decode(stored.body, type=_Identified).id)
