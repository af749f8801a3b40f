"""MessagePipe's send API: `POST /email/send` and `/email/send-bulk` take a stored template and its variables."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from mailer.api.body import Body, ErrorStatus, fill
from mailer.api.dialects.dialect import Dialect, finish, is_suppressed, retry_headers
from mailer.api.dialects.translation import Translation
from mailer.api.emails.batch import MAX_BATCH
from mailer.api.emails.history import EmailId
from mailer.api.emails.request import MAX_RECIPIENTS, TemplateNameField, ValuesField, read_email
from mailer.api.emails.responses import SendResult, result_status
from mailer.api.exchange import Answer, answer
from mailer.api.fields.mailbox import MailboxField
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.problems import InternalError, status_of
from mailer.api.route import ErrorShape
from mailer.errors import MailerError
from mailer.input.inspection import Inspection
from mailer.service.sending.accept_emails import BatchItem, EmailRequest

ROUTE = "POST /email/send"
BULK_ROUTE = "POST /email/send-bulk"

_OUR_NAMES = {
    "templateId": "template",
    "to": "to",
    "subject": "subject",
    "variables": "template_data",
    "preferredProvider": "preferred_provider",
}


class _Templated(Body, frozen=True, kw_only=True, rename="camel"):
    template_id: Annotated[TemplateNameField, Meta(examples=["welcome"])]
    subject: str | None = None
    variables: Annotated[ValuesField | None, Meta(examples=[{"first_name": "Ada"}])] = None
    preferred_provider: str | None = None


class MessagePipeEmail(_Templated, frozen=True, kw_only=True, rename="camel"):
    """A message made from a stored template."""

    to: Annotated[
        MailboxField | Annotated[list[MailboxField], Meta(max_length=MAX_RECIPIENTS)],
        Meta(examples=["ada@example.com"]),
    ]


class MessagePipeBulk(_Templated, frozen=True, kw_only=True, rename="camel"):
    """Messages made from a stored template, one for each recipient."""

    recipients: Annotated[list[str], Meta(min_length=1, max_length=MAX_BATCH, examples=[["ada@example.com"]])]


class MessagePipeSent(Body, frozen=True, kw_only=True, rename="camel"):
    """A message that was sent or queued."""

    message: str
    message_id: EmailId


class MessagePipeResult(Body, frozen=True, kw_only=True, rename="camel"):
    """The result for one recipient. The provider is null: it is not known before the message is sent."""

    recipient: str
    success: bool
    message_id: EmailId | None
    provider: None
    delivery_log_id: EmailId | None
    error: str | UnsetType = UNSET


class MessagePipeBulkSent(Body, frozen=True, kw_only=True):
    """The results for all recipients, in the order of the request."""

    message: str
    success: bool
    results: tuple[MessagePipeResult, ...]


class MessagePipeError(Body, frozen=True, kw_only=True):
    """An error in MessagePipe's shape; `code` is a code of docs/problems.md."""

    status_code: ErrorStatus = field(name="statusCode")
    message: str
    error: str
    code: str
    retryable: bool
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


def translate(body: object) -> Translation:
    """Translate a message with MessagePipe's fields."""
    translation = Translation()
    translation.copy_fields(translation.members(body, "", MessagePipeEmail), _OUR_NAMES, "")
    return translation


def read_bulk(body: object) -> tuple[tuple[EmailRequest, ...], tuple[str, ...], Translation]:
    """Return one message for each recipient, the recipients as the caller wrote them, and the translation.

    Raises `InvalidRequest`. A problem that all messages have is reported once.
    """
    translation = Translation()
    shared_names = {theirs: ours for theirs, ours in _OUR_NAMES.items() if theirs != "to"}
    members = translation.members(body, "", MessagePipeBulk)
    recipients = members.get("recipients")
    if not isinstance(recipients, list) or not 0 < len(recipients) <= MAX_BATCH:
        remedy = f"Give the recipients: a list of 1 to {MAX_BATCH} addresses."
        translation.inspection.report("/recipients", "required", remedy)
        translation.inspection.finish()
        recipients = []
    translation.copy_fields(members, shared_names, "")
    inspection = Inspection()
    requests = []
    for index, recipient in enumerate(recipients):
        pointer = f"/{index}"
        translation.map_pointer(pointer, "")
        translation.map_pointer(f"{pointer}/to", f"/recipients/{index}")
        for theirs, ours in shared_names.items():
            translation.map_pointer(f"{pointer}/{ours}", f"/{theirs}")
        if isinstance(recipient, list):
            # The recipients of one message would see each other.
            translation.inspection.report(f"/recipients/{index}", "wrong-type", "Give one address for each item.")
        requests.append(read_email({**translation.value, "to": recipient}, inspection.at(pointer)))
    finish(translation, inspection)
    return tuple(requests), tuple(item if isinstance(item, str) else "" for item in recipients), translation


def show(result: SendResult) -> Answer:
    """Answer with the message's id."""
    status = result_status(result)
    text = "Email sent successfully" if status is HTTPStatus.OK else "Email queued"
    if is_suppressed(result):
        text = "Email suppressed"
    return answer(MessagePipeSent(message=text, message_id=result.id), status)


def show_bulk(recipients: Sequence[str], items: Sequence[BatchItem]) -> Answer:
    """Answer with the result for each recipient."""
    results = tuple(
        MessagePipeResult(
            recipient=recipient,
            success=item.id is not None,
            message_id=item.id,
            provider=None,
            delivery_log_id=item.id,
            error=UNSET if item.code is None else item.code,
        )
        for recipient, item in zip(recipients, items, strict=True)
    )
    accepted = sum(result.success for result in results)
    document = MessagePipeBulkSent(
        message=f"{accepted} of {len(items)} emails queued", success=accepted == len(items), results=results
    )
    return answer(document, HTTPStatus.ACCEPTED)


def refuse(error: MailerError, instance: str = "") -> Answer:
    """Answer with an error in MessagePipe's shape."""
    status = status_of(error.code)
    document = fill(
        MessagePipeError,
        error,
        status_code=int(status),
        message=error.detail,
        error=status.phrase,
        problems=problem_views(error.problems) or None,
        request_id=instance if isinstance(error, InternalError) else None,
    )
    return answer(document, status).with_headers(**retry_headers(error))


DIALECT = Dialect(
    name="MessagePipe",
    route=ROUTE,
    summary="Send a message made from a stored template",
    request=MessagePipeEmail,
    answers={200: MessagePipeSent, 202: MessagePipeSent},
    translate=translate,
    show=show,
    errors=ErrorShape(refuse, MessagePipeError),
)
