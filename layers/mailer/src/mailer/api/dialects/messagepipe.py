"""MessagePipe's way to send: `POST /email/send` and `/email/send-bulk`, with a stored template and its variables."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from mailer.api.dialects.dialect import Dialect, SendOutcome, finish, retry_headers, shown_status
from mailer.api.dialects.translation import Translation
from mailer.api.emails.batch import MAX_BATCH
from mailer.api.emails.request import read_email
from mailer.api.exchange import Answer, answer
from mailer.api.problems import STATUS, problem_view
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


def show(result: SendOutcome) -> Answer:
    """Answer with the message's id."""
    status = shown_status(result)
    text = "Email sent successfully" if status is HTTPStatus.OK else "Email queued"
    return answer({"message": "Email suppressed" if result.suppressed else text, "messageId": result.id}, status)


def show_bulk(recipients: Sequence[str], items: Sequence[BatchItem]) -> Answer:
    """Answer with what became of each; which provider takes a message is known when it leaves."""
    results: list[dict[str, object]] = []
    for recipient, item in zip(recipients, items, strict=True):
        result: dict[str, object] = {
            "recipient": recipient,
            "success": item.id is not None,
            "messageId": item.id,
            "provider": None,
            "deliveryLogId": item.id,
        }
        if item.code is not None:
            result["error"] = item.code
        results.append(result)
    accepted = sum(item.id is not None for item in items)
    document = {
        "message": f"{accepted} of {len(items)} emails queued",
        "success": accepted == len(items),
        "results": results,
    }
    return answer(document, HTTPStatus.ACCEPTED)


def refuse(error: MailerError) -> Answer:
    """Answer with what is wrong."""
    status = STATUS[error.code]
    document: dict[str, object] = {
        "statusCode": int(status),
        "message": error.detail,
        "error": status.phrase,
        "code": error.code,
        "retryable": error.retryable,
    }
    if error.problems:
        document["problems"] = [problem_view(problem) for problem in error.problems]
    return answer(document, status).with_headers(**retry_headers(error))


def fail(instance: str) -> Answer:
    """Answer for a bug of ours."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    document: Mapping[str, object] = {
        "statusCode": int(status),
        "message": "Something broke on our side; a message may or may not have left.",
        "error": status.phrase,
        "code": "internal-error",
        "retryable": False,
        "request_id": instance,
    }
    return answer(document, status)


DIALECT = Dialect(ROUTE, translate, show, refuse, fail)
