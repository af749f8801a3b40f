"""Read a request to send into a draft.

A request with problems is refused, and the error has all problems found; nothing is repaired. Null means absent. Texts
may contain tabs and line ends of any kind, but no other C0 controls and no DEL.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, field

from mailer.api.body import Body, Object, field_names, matches
from mailer.api.emails.override import TransportBody
from mailer.api.fields.attachment import AttachmentsField, read_attachments
from mailer.api.fields.content import SubjectField, TextField, read_body, read_subject
from mailer.api.fields.header import HeadersField, read_headers
from mailer.api.fields.mailbox import (
    MAX_REPLY_TO,
    MailboxField,
    ReplyToField,
    SenderField,
    read_mailboxes,
    read_sender,
)
from mailer.api.fields.tag import TagsField, read_tags
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.ledger.record import OnUnknown
from mailer.message.address import Mailbox
from mailer.message.draft import Draft, TemplateUse
from mailer.service.sending.accept_emails import EmailRequest
from mailer.template.placeholder import MAX_DEPTH, MAX_NAME, MAX_VALUES, read_values

MAX_RECIPIENTS = 50
MAX_PROVIDER_ID = 64

type RecipientsField = MailboxField | Annotated[list[MailboxField], Meta(max_length=MAX_RECIPIENTS)]
type ValuesField = Annotated[
    dict[Annotated[str, matches(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}")], str | float | bool | Object | None],
    Meta(description=f"Values for placeholders: up to {MAX_DEPTH} levels, at most {MAX_VALUES} values."),
]
type TemplateNameField = Annotated[str, Meta(description="The name of a stored template.")]
type _OnUnknownField = Annotated[
    OnUnknown,
    Meta(description="What to do if it is unknown whether the message was accepted: hold it, or send it once more."),
]
type _ProviderIdField = Annotated[
    str, Meta(min_length=1, max_length=MAX_PROVIDER_ID, description="The id of the provider to try first.")
]


class EmailBody(Body, frozen=True, kw_only=True):
    """A message to send."""

    sender: SenderField | None = field(name="from", default=None)
    to: Annotated[
        MailboxField | Annotated[list[MailboxField], Meta(min_length=1, max_length=MAX_RECIPIENTS)],
        Meta(examples=["Ada <ada@example.com>"]),
    ]
    cc: RecipientsField | None = None
    bcc: RecipientsField | None = None
    reply_to: ReplyToField | None = None
    subject: Annotated[SubjectField | None, Meta(examples=["Your order"])] = None
    text: Annotated[TextField | None, Meta(examples=["It is on its way."])] = None
    html: TextField | None = None
    headers: HeadersField | None = None
    attachments: AttachmentsField | None = None
    on_unknown: _OnUnknownField | None = None
    template: TemplateNameField | None = None
    template_data: ValuesField | None = None
    preferred_provider: _ProviderIdField | None = None
    tags: Annotated[TagsField | None, Meta(examples=[[{"name": "order", "value": "4711"}]])] = None
    transport: TransportBody | None = None


def parse_email_request(body: bytes | str) -> EmailRequest:
    """Read the body of a request to send.

    For any body, the only error raised is `InvalidRequest`.
    """
    inspection = Inspection()
    request = read_email(decode_body(body), inspection)
    inspection.finish()
    return request


def read_email(value: object, inspection: Inspection) -> EmailRequest:
    """Read one message; the result must not be used if the inspection has a problem."""
    members = inspection.members(value, "", field_names(EmailBody))
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
    headers = read_headers(members.get("headers"), "/headers", inspection)
    has_html = bool(members.get("html")) or is_from_template
    attachments = read_attachments(members.get("attachments"), "/attachments", inspection, has_html=has_html)
    preferred = members.get("preferred_provider")
    if preferred is not None:
        preferred = inspection.text(preferred, "/preferred_provider", maximum=MAX_PROVIDER_ID)
    draft = Draft(
        to=to,
        subject=subject or "",
        sender=sender,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        # If the request has an empty text, the template's text is not used.
        text=text if is_from_template else text or None,
        html=html if is_from_template else html or None,
        headers=headers,
        attachments=attachments,
        preferred_provider=preferred,
        sender_name=sender_name,
        tags=read_tags(members.get("tags"), "/tags", inspection),
    )
    on_unknown = _read_on_unknown(members.get("on_unknown", OnUnknown.HOLD.value), inspection)
    return EmailRequest(draft, on_unknown, inspection.place, use, members.get("transport"))


def _read_recipients(
    members: Mapping[str, object], inspection: Inspection
) -> tuple[tuple[Mailbox, ...], tuple[Mailbox, ...], tuple[Mailbox, ...]]:
    if members.get("to", []) == []:
        inspection.report("/to", "required", "Give at least one recipient.")
    count = 0
    for name in ("to", "cc", "bcc"):
        value = members.get(name, [])
        count += len(value) if isinstance(value, list) else 1
        if count > MAX_RECIPIENTS:
            inspection.report(
                f"/{name}",
                "too-many-recipients",
                f"Give at most {MAX_RECIPIENTS} recipients in total: to, cc and bcc together.",
            )
            return (), (), ()
    to, cc, bcc = (read_mailboxes(members, name, inspection, maximum=MAX_RECIPIENTS) for name in ("to", "cc", "bcc"))
    return to, cc, bcc


def _read_on_unknown(value: object, inspection: Inspection) -> OnUnknown:
    on_unknown = next((each for each in OnUnknown if each.value == value), None)
    if on_unknown is None:
        inspection.report("/on_unknown", "unknown-value", f"Give {' or '.join(OnUnknown)}.")
    return on_unknown or OnUnknown.HOLD


def _read_template_use(members: Mapping[str, object], inspection: Inspection) -> TemplateUse | None:
    """Return the template and the values. If the request has neither, return None: braces are then literal."""
    if "template" not in members and "template_data" not in members:
        return None
    template = members.get("template")
    if template is not None and not isinstance(template, str):
        inspection.report("/template", "wrong-type", "Give the name of a stored template.")
        template = None
    data = members.get("template_data")
    values = {} if data is None else read_values(data, "/template_data", inspection)
    return TemplateUse(template, values, inspection.place)
