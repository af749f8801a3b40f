"""A request for several messages: each is read as a single one, and one that is invalid refuses them all."""

from mailer.api.emails.request import read_email
from mailer.input.inspection import Inspection
from mailer.input.json_body import Bounds, decode_body
from mailer.service.sending.accept_emails import EmailRequest

MAX_BATCH = 100
FIELDS = ("emails",)
# A function's event holds 6 MB; of strings and layout, what a hundred messages of a usual size have.
BATCH_BOUNDS = Bounds(octets=6 * 1024 * 1024, strings=30_000, outside_strings=512 * 1024)


def parse_batch_request(body: bytes | str) -> tuple[EmailRequest, ...]:
    """Return the messages that the body asks for: a list of them, or an object with the list as `emails`.

    Raises `InvalidRequest`, and nothing else, whatever the body is.
    """
    inspection = Inspection()
    value, pointer = decode_body(body, BATCH_BOUNDS), ""
    if isinstance(value, dict):
        value, pointer = inspection.members(value, "", FIELDS).get("emails"), "/emails"
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
