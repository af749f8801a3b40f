"""MessagePipe's way to send: `POST /email/send` and `/email/send-bulk`, with a stored template and its variables."""

from collections.abc import Sequence
from http import HTTPStatus

from msgspec import UNSET, UnsetType

from mailer.api.body import Body, ErrorStatus
from mailer.api.dialects.dialect import Dialect, SendResult, finish, is_suppressed, retry_headers, shown_status
from mailer.api.dialects.translation import Translation
from mailer.api.emails.batch import MAX_BATCH
from mailer.api.emails.history import EmailId
from mailer.api.emails.request import read_email
from mailer.api.exchange import Answer, answer
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.problems import INTERNAL_ERROR, INTERNAL_ERROR_DETAIL, STATUS
from mailer.errors import MailerError
from mailer.input.inspection import Inspection
from mailer.service.sending.accept_emails import BatchItem, EmailRequest

ROUTE = "POST /email/send"
BULK_ROUTE = "POST /email/send-bulk"

FIELDS = {
    "templateId": "template",
    "to": "to",
    "subject": "subject",
    "variables": "template_data",
    "preferredProvider": "preferred_provider",
}


class MessagePipeSent(Body, frozen=True, kw_only=True):
    """A message that was sent or queued."""

    message: str
    messageId: EmailId  # noqa: N815 -- MessagePipe's name


class MessagePipeResult(Body, frozen=True, kw_only=True):
    """The result for one recipient; the provider is not known before the message leaves."""

    recipient: str
    success: bool
    messageId: EmailId | None  # noqa: N815 -- MessagePipe's name
    provider: None = None
    deliveryLogId: EmailId | None  # noqa: N815 -- MessagePipe's name
    error: str | UnsetType = UNSET


class MessagePipeBulkSent(Body, frozen=True, kw_only=True):
    """The results for all recipients, in the order of the request."""

    message: str
    success: bool
    results: tuple[MessagePipeResult, ...]


class MessagePipeError(Body, frozen=True, kw_only=True):
    """An error of MessagePipe; `code` is one of docs/problems.md."""

    statusCode: ErrorStatus  # noqa: N815 -- MessagePipe's name
    message: str
    error: str
    code: str
    retryable: bool
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


def translate(body: object) -> Translation:
    """Say a request for one message in our words."""
    translation = Translation()
    translation.copied(translation.members(body, "", tuple(FIELDS), {}), FIELDS, "")
    return translation


def read_bulk(body: object) -> tuple[tuple[EmailRequest, ...], tuple[str, ...], Translation]:
    """Return the messages of a request, one for each recipient, and the recipients as they were written.

    Raises `InvalidRequest`; what concerns all of the messages is told once.
    """
    translation = Translation()
    shared_names = {theirs: ours for theirs, ours in FIELDS.items() if theirs != "to"}
    members = translation.members(body, "", (*shared_names, "recipients"), {})
    recipients = members.get("recipients")
    if not isinstance(recipients, list) or not 0 < len(recipients) <= MAX_BATCH:
        remedy = f"Give the recipients: a list of 1 to {MAX_BATCH} addresses."
        translation.inspection.report("/recipients", "required", remedy)
        translation.inspection.finish()
        recipients = []
    translation.copied(members, shared_names, "")
    inspection = Inspection()
    requests = []
    for index, recipient in enumerate(recipients):
        pointer = f"/{index}"
        translation.stood(pointer, "")
        translation.stood(f"{pointer}/to", f"/recipients/{index}")
        for theirs, ours in shared_names.items():
            translation.stood(f"{pointer}/{ours}", f"/{theirs}")
        if isinstance(recipient, list):
            # Those of one message would see one another.
            translation.inspection.report(f"/recipients/{index}", "wrong-type", "Give one address for each item.")
        requests.append(read_email({**translation.value, "to": recipient}, inspection.at(pointer)))
    finish(translation, inspection)
    return tuple(requests), tuple(item if isinstance(item, str) else "" for item in recipients), translation


def show(result: SendResult) -> Answer:
    """Answer with the message's id."""
    status = shown_status(result)
    text = "Email sent successfully" if status is HTTPStatus.OK else "Email queued"
    if is_suppressed(result):
        text = "Email suppressed"
    return answer(MessagePipeSent(message=text, messageId=result.id), status)


def show_bulk(recipients: Sequence[str], items: Sequence[BatchItem]) -> Answer:
    """Answer with the result for each recipient."""
    results = tuple(
        MessagePipeResult(
            recipient=recipient,
            success=item.id is not None,
            messageId=item.id,
            deliveryLogId=item.id,
            error=UNSET if item.code is None else item.code,
        )
        for recipient, item in zip(recipients, items, strict=True)
    )
    accepted = sum(result.success for result in results)
    document = MessagePipeBulkSent(
        message=f"{accepted} of {len(items)} emails queued", success=accepted == len(items), results=results
    )
    return answer(document, HTTPStatus.ACCEPTED)


def refuse(error: MailerError) -> Answer:
    """Answer with an error."""
    status = STATUS[error.code]
    document = MessagePipeError(
        statusCode=int(status),
        message=error.detail,
        error=status.phrase,
        code=error.code,
        retryable=error.retryable,
        problems=problem_views(error.problems) or UNSET,
    )
    return answer(document, status).with_headers(**retry_headers(error))


def fail(instance: str) -> Answer:
    """Answer after an error in the service itself."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    document = MessagePipeError(
        statusCode=int(status),
        message=INTERNAL_ERROR_DETAIL,
        error=status.phrase,
        code=INTERNAL_ERROR,
        retryable=False,
        request_id=instance,
    )
    return answer(document, status)


DIALECT = Dialect(ROUTE, translate, show, refuse, fail)
