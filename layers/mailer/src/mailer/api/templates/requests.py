"""What requests about stored templates ask for; `InvalidRequest` and `TemplateNotFound` are all that they raise."""

import re
from collections.abc import Mapping

import msgspec

from mailer.api.emails.query import DEFAULT_LIMIT, MAX_LIMIT, cursor_problem
from mailer.api.fields.content import read_body, read_subject
from mailer.api.fields.mailbox import MAX_REPLY_TO, read_mailboxes, read_sender
from mailer.api.request_headers import header
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.problem import Problem
from mailer.template.placeholder import check_html, read_values
from mailer.template.template import MAX_TEMPLATE, Precondition, Template, TemplateName, parse_template_name

FIELDS = ("subject", "text", "html", "from", "reply_to", "defaults")
PARAMETERS = ("cursor", "limit")
_ETAG = re.compile(r'"([!#-~]{1,64})"\Z')
_LIMIT = re.compile(r"[1-9][0-9]{0,2}\Z")


class TemplatesQuery(msgspec.Struct, frozen=True):
    """From where on, and how many."""

    after: TemplateName | None
    limit: int


def parse_new_name(text: str) -> TemplateName:
    """Return the name that a template is to have."""
    name = parse_template_name(text)
    if name is None:
        remedy = "Name a template by 1 to 64 letters, digits, dots, underscores and hyphens."
        raise InvalidRequest(Problem("name-malformed", remedy, pointer=""))
    return name


def parse_template(body: bytes | str) -> Template:
    """Return the template that a body holds."""
    inspection = Inspection()
    value = decode_body(body)
    members = inspection.members(value, "", FIELDS)
    template = _read_template(members, inspection)
    inspection.finish()
    if template.size > MAX_TEMPLATE:
        remedy = f"Store at most {MAX_TEMPLATE // 1024} KB in all."
        raise InvalidRequest(Problem("template-too-large", remedy, pointer=""))
    return template


def _read_template(members: Mapping[str, object], inspection: Inspection) -> Template:
    sender, sender_name = read_sender(members, inspection)
    text, html = read_body(members, "text", inspection), read_body(members, "html", inspection)
    if html is not None:
        check_html(html, "/html", inspection)
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
    """Return what must be true for a change: `If-Match` with an ETag or `*`, `If-None-Match` with `*` alone."""
    match, none_match = header(headers, "if-match"), header(headers, "if-none-match")
    if none_match is not None:
        if none_match.strip() != "*" or match is not None or not may_be_new:
            raise _malformed("Give If-None-Match: * to write a new template only, and no If-Match with it.")
        return Precondition(exists=False)
    if match is None:
        return Precondition()
    if match.strip() == "*":
        return Precondition(exists=True)
    etag = _ETAG.match(match.strip())
    if etag is None:
        raise _malformed('Give one ETag as it was answered, in its quotes: If-Match: "...".')
    return Precondition(etag=etag[1])


def parse_templates_query(parameters: Mapping[str, str]) -> TemplatesQuery:
    """Return the page asked for."""
    problems = [
        Problem("unknown-parameter", f"Remove it; known are: {', '.join(PARAMETERS)}.", parameter=name[:64])
        for name in parameters
        if name not in PARAMETERS
    ]
    cursor, limit = parameters.get("cursor"), parameters.get("limit")
    after = None if cursor is None else parse_template_name(cursor)
    if cursor is not None and after is None:
        problems.append(cursor_problem())
    if limit is not None and (not _LIMIT.match(limit) or int(limit) > MAX_LIMIT):
        problems.append(Problem("out-of-range", f"Give a number from 1 to {MAX_LIMIT}.", parameter="limit"))
    if problems:
        raise InvalidRequest(*problems)
    return TemplatesQuery(after, int(limit) if limit is not None else DEFAULT_LIMIT)


def _malformed(remedy: str) -> InvalidRequest:
    return InvalidRequest(Problem("precondition-malformed", remedy, pointer=""))
