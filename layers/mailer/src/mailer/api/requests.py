"""Request bodies become drafts: parsed once, here, so that nothing behind needs to doubt them.

A request is refused as a whole, with every problem found. Nothing is repaired: a line break in a subject is the
caller's mistake, not ours to guess about. Null means absent. Texts may hold tabs and line ends of any kind; other C0
controls and DEL have no meaning in mail and some in terminals, so they are refused.
"""

import re
from collections.abc import Collection, Mapping

from mailer.address import InvalidAddress, Mailbox, parse_address, parse_display_name, parse_mailbox
from mailer.api.attachment_rules import read_attachments
from mailer.api.header_rules import read_headers
from mailer.draft import Draft
from mailer.inspection import Inspection
from mailer.json_body import decode_body
from mailer.record import OnUnknown
from mailer.service.accept_emails import EmailRequest

MAX_RECIPIENTS = 50
MAX_REPLY_TO = 10
MAX_SUBJECT = 500

_EMAIL_FIELDS = (
    "from", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "headers", "attachments", "on_unknown",
)  # fmt: skip
_MAILBOX_FIELDS = ("email", "name")
_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def parse_email_request(body: bytes | str) -> EmailRequest:
    """Return what the body of a request to send asks for.

    Raises `InvalidRequest`, and nothing else, whatever the body is.
    """
    inspection = Inspection()
    request = read_email(decode_body(body), inspection)
    inspection.finish()
    return request


def read_email(value: object, inspection: Inspection) -> EmailRequest:
    """Return the message that a value asks for; it means nothing where the inspection has a problem."""
    members = inspection.members(value, "", _EMAIL_FIELDS)
    if not isinstance(value, dict):
        return EmailRequest(Draft(to=(), subject=""))

    sender = _read_mailboxes(members, "from", inspection, maximum=1)
    reply_to = _read_mailboxes(members, "reply_to", inspection, maximum=MAX_REPLY_TO)
    to, cc, bcc = _read_recipients(members, inspection)
    subject = _read_subject(members, inspection)
    text = _read_body(members, "text", inspection)
    html = _read_body(members, "html", inspection)
    if all(members.get(name, "") == "" for name in ("text", "html")):
        inspection.report("/text", "required", "Give a text, an html or both, one of them not empty.")
    headers = read_headers(members["headers"], "/headers", inspection) if "headers" in members else ()
    attachments = (
        read_attachments(members["attachments"], "/attachments", inspection, has_html=bool(members.get("html")))
        if "attachments" in members
        else ()
    )
    draft = Draft(
        to=to,
        subject=subject,
        sender=sender[0] if sender else None,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        text=text or None,
        html=html or None,
        headers=headers,
        attachments=attachments,
    )
    on_unknown = _read_on_unknown(members.get("on_unknown", OnUnknown.HOLD.value), inspection)
    return EmailRequest(draft, on_unknown, inspection.place)


def parse_validate_request(body: bytes | str | None) -> Mapping[str, object] | None:
    """Return the entries to validate, or None where the request means the stored ones.

    The entries' values are the secret parser's to judge. Raises `InvalidRequest`, and nothing else.
    """
    if body is None or not body.strip():
        return None
    inspection = Inspection()
    members = _read_object(body, ("entries",), inspection)
    entries = members.get("entries")
    if entries is not None and not isinstance(entries, dict):
        inspection.report("/entries", "wrong-type", "Give an object of entries, as the project's secret holds them.")
    inspection.finish()
    return entries if isinstance(entries, dict) else None


def _read_object(body: bytes | str, known: Collection[str], inspection: Inspection) -> Mapping[str, object]:
    value = decode_body(body)
    members = inspection.members(value, "", known)
    if not isinstance(value, dict):
        inspection.finish()
    return members


def _read_recipients(
    members: Mapping[str, object], inspection: Inspection
) -> tuple[tuple[Mailbox, ...], tuple[Mailbox, ...], tuple[Mailbox, ...]]:
    if members.get("to", []) == []:
        inspection.report("/to", "required", "Give at least one recipient.")
    asked = 0
    for name in ("to", "cc", "bcc"):
        value = members.get(name, [])
        asked += len(value) if isinstance(value, list) else 1
        if asked > MAX_RECIPIENTS:
            inspection.report(
                f"/{name}", "too-many-recipients", f"Give at most {MAX_RECIPIENTS} recipients over to, cc and bcc."
            )
            return (), (), ()
    to, cc, bcc = (_read_mailboxes(members, name, inspection, maximum=MAX_RECIPIENTS) for name in ("to", "cc", "bcc"))
    return to, cc, bcc


def _read_mailboxes(
    members: Mapping[str, object], name: str, inspection: Inspection, *, maximum: int
) -> tuple[Mailbox, ...]:
    if name not in members:
        return ()
    pointer = f"/{name}"
    value = members[name]
    if not isinstance(value, list):
        mailbox = _read_mailbox(value, pointer, inspection)
        return () if mailbox is None else (mailbox,)
    if len(value) > maximum:
        inspection.report(pointer, "too-many-addresses", f"Give at most {maximum} here.")
        return ()
    read = (_read_mailbox(item, f"{pointer}/{index}", inspection) for index, item in enumerate(value))
    return tuple(mailbox for mailbox in read if mailbox is not None)


def _read_mailbox(value: object, pointer: str, inspection: Inspection) -> Mailbox | None:
    if isinstance(value, dict):
        return _read_named_mailbox(value, pointer, inspection)
    if not isinstance(value, str):
        inspection.report(pointer, "wrong-type", 'Give "Name <a@b>" or an object of email and name.')
        return None
    try:
        return parse_mailbox(value)
    except InvalidAddress as invalid:
        inspection.report(pointer, invalid.code, invalid.detail)
        return None


def _read_named_mailbox(value: object, pointer: str, inspection: Inspection) -> Mailbox | None:
    members = inspection.members(value, pointer, _MAILBOX_FIELDS)
    email, name = members.get("email"), members.get("name")
    address = display_name = None
    if email is None:
        inspection.report(f"{pointer}/email", "required", "Give the address as email.")
    elif not isinstance(email, str):
        inspection.report(f"{pointer}/email", "wrong-type", "Give a string.")
    else:
        try:
            address = parse_address(email)
        except InvalidAddress as invalid:
            inspection.report(f"{pointer}/email", invalid.code, invalid.detail)
    if name is not None and not isinstance(name, str):
        inspection.report(f"{pointer}/name", "wrong-type", "Give a string.")
    elif name is not None:
        try:
            display_name = parse_display_name(name)
        except InvalidAddress as invalid:
            inspection.report(f"{pointer}/name", invalid.code, invalid.detail)
    return Mailbox(address, display_name) if address else None


def _read_subject(members: Mapping[str, object], inspection: Inspection) -> str:
    if "subject" not in members:
        inspection.report("/subject", "required", "Give a subject.")
        return ""
    return inspection.text(members["subject"], "/subject", maximum=MAX_SUBJECT) or ""


def _read_body(members: Mapping[str, object], name: str, inspection: Inspection) -> str | None:
    if name not in members:
        return None
    value = members[name]
    if not isinstance(value, str):
        inspection.report(f"/{name}", "wrong-type", "Give a string.")
    elif _CONTROL_IN_TEXT.search(value):
        inspection.report(f"/{name}", "control-character", "Remove control characters other than tabs and line ends.")
    else:
        return value
    return None


def _read_on_unknown(value: object, inspection: Inspection) -> OnUnknown:
    wish = next((each for each in OnUnknown if each.value == value), None)
    if wish is None:
        inspection.report("/on_unknown", "unknown-value", f"Give {' or '.join(OnUnknown)}.")
    return wish or OnUnknown.HOLD
