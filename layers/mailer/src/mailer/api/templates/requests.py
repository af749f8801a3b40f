"""Parse requests about stored templates; the parsers raise only `InvalidRequest`."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from mailer.api.access import unknown_parameters
from mailer.api.body import Body, field_names
from mailer.api.emails.query import cursor_problem, read_limit
from mailer.api.emails.request import ValuesField
from mailer.api.fields.content import SubjectField, TextField, read_body, read_subject
from mailer.api.fields.mailbox import MAX_REPLY_TO, ReplyToField, SenderField, read_mailboxes, read_sender
from mailer.api.request_headers import ANY_ETAG, header, if_match
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.problem import Problem
from mailer.template.placeholder import check_html, read_values
from mailer.template.template import MAX_TEMPLATE, Precondition, Template, TemplateName, parse_template_name

PARAMETERS = ("cursor", "limit")


class TemplateBody(Body, frozen=True, kw_only=True):
    """A template to store."""

    subject: Annotated[SubjectField | None, Meta(examples=["Welcome, {first_name}"])] = None
    text: Annotated[TextField | None, Meta(examples=["Hello {first_name}."])] = None
    html: TextField | None = None
    sender: SenderField | None = msgspec.field(name="from", default=None)
    reply_to: ReplyToField | None = None
    defaults: Annotated[ValuesField | None, Meta(examples=[{"first_name": "friend"}])] = None


class TemplatesQuery(msgspec.Struct, frozen=True):
    """The query of a page: it starts after the name `after` and has at most `limit` templates."""

    after: TemplateName | None
    limit: int


def parse_new_name(text: str) -> TemplateName:
    """Return the name for a template to store."""
    name = parse_template_name(text)
    if name is None:
        remedy = "Name a template by 1 to 64 letters, digits, dots, underscores and hyphens."
        raise InvalidRequest(Problem("name-malformed", remedy, pointer=""))
    return name


def parse_template(body: bytes | str) -> Template:
    """Return the template of a body."""
    inspection = Inspection()
    value = decode_body(body)
    members = inspection.members(value, "", field_names(TemplateBody))
    template = _read_template(members, inspection)
    if template.size > MAX_TEMPLATE:
        # The check of megabytes of HTML would take seconds.
        remedy = f"Store at most {MAX_TEMPLATE // 1024} KB in all."
        raise InvalidRequest(Problem("template-too-large", remedy, pointer=""))
    if template.html is not None:
        check_html(template.html, "/html", inspection)
    inspection.finish()
    return template


def _read_template(members: Mapping[str, object], inspection: Inspection) -> Template:
    sender, sender_name = read_sender(members, inspection)
    text, html = read_body(members, "text", inspection), read_body(members, "html", inspection)
    defaults = members.get("defaults")
    if defaults is not None:
        read_values(defaults, "/defaults", inspection)
    return Template(
        subject=read_subject(members, inspection),
        text=text or None,
        html=html or None,
        sender=sender,
        sender_name=sender_name,
        reply_to=read_mailboxes(members, "reply_to", inspection, maximum=MAX_REPLY_TO),
        defaults=defaults if isinstance(defaults, dict) else {},
    )


def parse_precondition(headers: Mapping[str, str], *, may_be_new: bool) -> Precondition:
    """Return the condition of a change: `If-Match` with an ETag or `*`, or `If-None-Match` with `*`."""
    none_match = header(headers, "if-none-match")
    if none_match is not None:
        if none_match.strip() != ANY_ETAG or header(headers, "if-match") is not None or not may_be_new:
            remedy = "Give If-None-Match: * without If-Match, and only to store a new template."
            raise InvalidRequest(Problem("precondition-malformed", remedy, pointer=""))
        return Precondition(exists=False)
    etag = if_match(headers)
    return Precondition(exists=True) if etag == ANY_ETAG else Precondition(etag=etag)


def parse_templates_query(parameters: Mapping[str, str]) -> TemplatesQuery:
    """Return the requested page."""
    problems = unknown_parameters(parameters, PARAMETERS)
    cursor = parameters.get("cursor")
    after = None if cursor is None else parse_template_name(cursor)
    if cursor is not None and after is None:
        problems.append(cursor_problem())
    limit = read_limit(parameters, problems)
    if problems:
        raise InvalidRequest(*problems)
    return TemplatesQuery(after, limit)
