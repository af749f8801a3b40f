"""A request for several messages. If one message is invalid, all are refused."""

from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, field_names
from mailer.api.emails.request import EmailBody, read_email
from mailer.input.inspection import Inspection
from mailer.input.json_body import Bounds, decode_body
from mailer.service.sending.accept_emails import EmailRequest

MAX_BATCH = 100
# A function's event has at most 6 MB. The other bounds allow a hundred messages of usual size.
BATCH_BOUNDS = Bounds(octets=6 * 1024 * 1024, strings=30_000, outside_strings=512 * 1024)

type Emails = Annotated[list[EmailBody], Meta(min_length=1, max_length=MAX_BATCH)]


class EmailsBody(Body, frozen=True, kw_only=True):
    """Messages to queue."""

    emails: Emails


type BatchBody = Emails | EmailsBody


def parse_batch_request(body: bytes | str) -> tuple[EmailRequest, ...]:
    """Return the messages of a body. The body is a list, or an object with the list as `emails`.

    For any body, the only error raised is `InvalidRequest`.
    """
    inspection = Inspection()
    value, pointer = decode_body(body, BATCH_BOUNDS), ""
    if isinstance(value, dict):
        value, pointer = inspection.members(value, "", field_names(EmailsBody)).get("emails"), "/emails"
    requests: tuple[EmailRequest, ...] = ()
    if not isinstance(value, list):
        inspection.report(pointer, "wrong-type", 'Give a list of messages, or {"emails": [...]}.')
    elif not 0 < len(value) <= MAX_BATCH:
        code = "too-many-emails" if value else "required"
        inspection.report(pointer, code, f"Give 1 to {MAX_BATCH} messages.")
    else:
        requests = tuple(read_email(item, inspection.at(f"{pointer}/{index}")) for index, item in enumerate(value))
    inspection.finish()
    return requests
