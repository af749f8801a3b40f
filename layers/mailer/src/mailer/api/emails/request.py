"""Request bodies become drafts: parsed once, here, so that nothing behind needs to doubt them.

A request is refused as a whole, with every problem found. Nothing is repaired: a line break in a subject is the
caller's mistake, not ours to guess about. Null means absent. Texts may hold tabs and line ends of any kind; other C0
controls and DEL have no meaning in mail and some in terminals, so they are refused.
"""

from collections.abc import Collection, Mapping

from mailer.api.fields.attachment import read_attachments
from mailer.api.fields.content import read_body, read_subject
from mailer.api.fields.header import read_headers
from mailer.api.fields.mailbox import MAX_REPLY_TO, read_mailboxes, read_sender
from mailer.api.fields.tag import read_tags
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.ledger.record import OnUnknown
from mailer.message.address import Mailbox
from mailer.message.draft import Draft, TemplateUse
from mailer.service.sending.accept_emails import EmailRequest
from mailer.template.placeholder import read_values

MAX_RECIPIENTS = 50
MAX_PROVIDER_ID = 64

CONFIGURATION_FIELDS = ("entries",)

EMAIL_FIELDS = (
    "from", "to", "cc", "bcc", "reply_to", "subject", "text", "html", "headers", "attachments", "on_unknown",
    "template", "template_data", "preferred_provider", "tags", "transport",
)  # fmt: skip


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
    members = inspection.members(value, "", EMAIL_FIELDS)
    if not isinstance(value, dict):
        return EmailRequest(Draft(to=(), subject=""))

    use = _read_template_use(members, inspection)
    is_from_template = use is not None and use.template is not None
    sender, sender_name = read_sender(members, inspection)
    reply_to = read_mailboxes(members, "reply_to", inspection, maximum=MAX_REPLY_TO)
    to, cc, bcc = _read_recipients(members, inspection)
    subject = read_subject(members, inspection)
    if "subject" not in members and not is_from_template:
        inspection.report("/subject", "required", "Give a subject.")
    text = read_body(members, "text", inspection)
    html = read_body(members, "html", inspection)
    if not is_from_template and all(members.get(name, "") == "" for name in ("text", "html")):
        inspection.report("/text", "required", "Give a text, an html or both, one of them not empty.")
    headers = read_headers(members["headers"], "/headers", inspection) if "headers" in members else ()
    has_html = bool(members.get("html")) or is_from_template
    attachments = (
        read_attachments(members["attachments"], "/attachments", inspection, has_html=has_html)
        if "attachments" in members
        else ()
    )
    draft = Draft(
        to=to,
        subject=subject or "",
        sender=sender,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        # An empty one leaves out what the template has.
        text=text if is_from_template else text or None,
        html=html if is_from_template else html or None,
        headers=headers,
        attachments=attachments,
        preferred_provider=_read_preferred_provider(members, inspection),
        sender_name=sender_name,
        tags=read_tags(members["tags"], "/tags", inspection) if "tags" in members else (),
    )
    on_unknown = _read_on_unknown(members.get("on_unknown", OnUnknown.HOLD.value), inspection)
    return EmailRequest(draft, on_unknown, inspection.place, use, members.get("transport"))


def parse_validate_request(body: bytes | str | None) -> Mapping[str, object] | None:
    """Return the entries to validate, or None where the request means the stored ones.

    The entries' values are the secret parser's to judge. Raises `InvalidRequest`, and nothing else.
    """
    if body is None or not body.strip():
        return None
    inspection = Inspection()
    members = _read_object(body, CONFIGURATION_FIELDS, inspection)
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
    to, cc, bcc = (read_mailboxes(members, name, inspection, maximum=MAX_RECIPIENTS) for name in ("to", "cc", "bcc"))
    return to, cc, bcc


def _read_on_unknown(value: object, inspection: Inspection) -> OnUnknown:
    wish = next((each for each in OnUnknown if each.value == value), None)
    if wish is None:
        inspection.report("/on_unknown", "unknown-value", f"Give {' or '.join(OnUnknown)}.")
    return wish or OnUnknown.HOLD


def _read_template_use(members: Mapping[str, object], inspection: Inspection) -> TemplateUse | None:
    """Return what the draft is to be completed with; without a template and values its braces are literal."""
    if "template" not in members and "template_data" not in members:
        return None
    template = members.get("template")
    if template is not None and not isinstance(template, str):
        inspection.report("/template", "wrong-type", "Give the name of a stored template.")
        template = None
    data = members.get("template_data")
    values = {} if data is None else read_values(data, "/template_data", inspection)
    return TemplateUse(template, values, inspection.place)


def _read_preferred_provider(members: Mapping[str, object], inspection: Inspection) -> str | None:
    if "preferred_provider" not in members:
        return None
    return inspection.text(members["preferred_provider"], "/preferred_provider", maximum=MAX_PROVIDER_ID)
