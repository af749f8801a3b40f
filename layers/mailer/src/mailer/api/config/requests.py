"""What requests to change and to try a project's configuration ask for; `InvalidRequest` is all that they raise."""

from collections.abc import Mapping

from mailer.api.emails.request import CONFIGURATION_FIELDS
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.message.address import InvalidAddress, Mailbox, parse_mailbox

TRIAL_FIELDS = ("to",)


def parse_change_request(body: bytes | str) -> Mapping[str, object]:
    """Return the entries to store; what they mean is the secret parser's to judge."""
    inspection = Inspection()
    entries = inspection.members(decode_body(body), "", CONFIGURATION_FIELDS).get("entries")
    if entries is None:
        inspection.report("/entries", "required", "Give the entries, as the project's secret is to hold them.")
    elif not isinstance(entries, dict):
        inspection.report("/entries", "wrong-type", "Give an object of entries, as the project's secret holds them.")
    inspection.finish()
    return entries if isinstance(entries, dict) else {}


def parse_trial_request(body: bytes | str) -> Mailbox:
    """Return whom the test message goes to: exactly one mailbox."""
    inspection = Inspection()
    to = inspection.members(decode_body(body), "", TRIAL_FIELDS).get("to")
    mailbox: Mailbox | None = None
    if to is None:
        inspection.report("/to", "required", "Give the address that the test message goes to.")
    elif not isinstance(to, str):
        inspection.report("/to", "wrong-type", 'Give one address, "a@b" or "Name <a@b>".')
    else:
        try:
            mailbox = parse_mailbox(to)
        except InvalidAddress as invalid:
            inspection.report("/to", invalid.code, invalid.detail)
    inspection.finish()
    if mailbox is None:
        msg = "an inspection without problems has read a mailbox"
        raise AssertionError(msg)
    return mailbox
