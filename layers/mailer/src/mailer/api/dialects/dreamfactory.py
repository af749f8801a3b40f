"""DreamFactory's e-mail services: `POST /api/v2/{service}` answers with a count, and errors have a cause and a remedy.

A project has one service, `email`. An error that DreamFactory's documentation lists gets the status and message from
that list.
"""

import re
from collections.abc import Mapping
from copy import replace
from http import HTTPStatus
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body, Count, ErrorStatus, fill
from mailer.api.dialects.dialect import Dialect, retry_headers
from mailer.api.dialects.translation import Translation
from mailer.api.emails.request import MAX_RECIPIENTS, TemplateNameField, ValuesField
from mailer.api.emails.responses import SendResult, result_status
from mailer.api.exchange import Answer, answer
from mailer.api.fields.mailbox import MailboxField
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.problems import InternalError, status_of
from mailer.api.route import ErrorShape
from mailer.errors import InvalidRequest, MailerError, NotFound
from mailer.input.inspection import member_pointer
from mailer.problem import Problem
from mailer.smtp.outcome import Cause, Failure

ROUTE = "POST /api/v2/{service}"
SERVICE = "email"
# `template` and `template_id` may be given in the query instead of the body.
PARAMETERS = ("projectId", "template", "template_id")

_ADDRESSES = ("to", "cc", "bcc")
_SENDERS = {"from": ("from_email", "from_name"), "reply_to": ("reply_to_email", "reply_to_name")}
_COPIED = {"subject": "subject", "body_text": "text", "body_html": "html", "template_data": "template_data"}
_NOT_FETCHED = "Give the content itself, in base64: the service reads no path or URL."
_REFUSED: Mapping[str, str] = {
    "attachment": "Give attachments: a list of name, content and content_type.",
    "file": "Give attachments: a list of name, content and content_type.",
    "import_url": _NOT_FETCHED,
}
_ATTACHMENT = {"name": "filename", "content": "content", "content_type": "content_type"}
_ATTACHMENT_REFUSED = dict.fromkeys(("service", "path", "file_path", "import_url"), _NOT_FETCHED)
_RELAY = "relay-"
_TEMPLATE_ID = re.compile(r"[0-9]{1,18}\Z")

_AUTHENTICATION = (
    "Authentication failed",
    "The mail server rejected the credentials.",
    "Verify username and password; Gmail and accounts with two-factor authentication need an app password.",
)
_REFUSED_CONNECTION = (
    "Connection refused",
    "No mail server answers at this host and port.",
    "Check host and port in the SMTP settings; port and encryption must match.",
)
_TIMED_OUT = (
    "Connection timed out",
    "The mail server did not answer in time; often a firewall is the cause.",
    "Check host and port, and that the service can reach the mail server.",
)
_CERTIFICATE = (
    "Certificate error",
    "The service could not make a verified TLS connection to the mail server.",
    "Check the encryption setting (587: tls, 465: ssl) and the server's certificate.",
)
_CONNECTION_CAUSES = frozenset((Cause.REFUSED, Cause.NAME_NOT_FOUND, Cause.NAME_UNAVAILABLE, Cause.CONNECTION_LOST))
_TIMEOUTS = frozenset((Cause.TIMEOUT, Cause.TOO_LITTLE_TIME))


type _Mailboxes = MailboxField | Annotated[list[MailboxField], Meta(max_length=MAX_RECIPIENTS)]


class DreamFactoryAttachment(Body, frozen=True, kw_only=True):
    """A file to attach."""

    name: str
    content: Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]
    content_type: str | None = None


class DreamFactoryEmail(Body, frozen=True, kw_only=True):
    """A message, with DreamFactory's names of fields."""

    to: Annotated[_Mailboxes, Meta(examples=[[{"email": "ada@example.com", "name": "Ada"}]])]
    cc: _Mailboxes | None = None
    bcc: _Mailboxes | None = None
    subject: Annotated[str | None, Meta(examples=["Hello {first_name}"])] = None
    body_text: Annotated[str | None, Meta(examples=["It works, {first_name}."])] = None
    body_html: str | None = None
    from_name: str | None = None
    from_email: str | None = None
    reply_to_name: str | None = None
    reply_to_email: str | None = None
    attachments: list[DreamFactoryAttachment] | None = None
    template: TemplateNameField | None = None
    template_id: Annotated[int | str | None, Meta(description="The name of a stored template, as a number.")] = None
    template_data: Annotated[ValuesField | None, Meta(examples=[{"first_name": "Ada"}])] = None


class DreamFactoryCount(Body, frozen=True, kw_only=True):
    """How many copies were accepted."""

    count: Count


class DreamFactoryContext(Body, frozen=True, kw_only=True):
    """The context of an error; `code` is a code of docs/problems.md."""

    code: str
    retryable: bool
    cause: str | UnsetType = UNSET
    remedy: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    reply: Annotated[str, Meta(description="The text of the relay's reply.")] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


class DreamFactoryFailure(Body, frozen=True, kw_only=True):
    """The status, the message and the context of an error."""

    code: ErrorStatus
    message: str
    context: DreamFactoryContext


class DreamFactoryError(Body, frozen=True, kw_only=True):
    """An error in DreamFactory's shape."""

    error: DreamFactoryFailure


def demand_service(name: str) -> None:
    """Raise `NotFound` unless the service is `email`."""
    if name != SERVICE:
        raise NotFound


def translate(body: object) -> Translation:
    """Translate a message with DreamFactory's fields."""
    translation = Translation()
    members = translation.members(body, "", DreamFactoryEmail, _REFUSED)
    translation.copy_fields(members, _COPIED, "")
    translation.map_pointer("/text", "/body_text")
    for name in _ADDRESSES:
        if name in members:
            _put_addresses(name, members[name], translation)
    for ours, (email, name) in _SENDERS.items():
        _put_sender(ours, members, email, name, translation)
    if "attachments" in members:
        _put_attachments(members["attachments"], translation)
    _put_template(members, translation)
    return translation


def with_parameters(body: object, parameters: Mapping[str, str]) -> object:
    """Return the body with the template of the query. A template in the body takes precedence."""
    named = {name: parameters[name] for name in ("template", "template_id") if name in parameters}
    return {**named, **body} if isinstance(body, dict) else body


def show(result: SendResult) -> Answer:
    """Answer how many copies were accepted."""
    return answer(DreamFactoryCount(count=result.count), result_status(result))


def refuse(error: MailerError, instance: str = "") -> Answer:
    """Answer with an error. If DreamFactory's documentation lists it, use the status and message from there."""
    status, message = status_of(error.code), error.detail
    reply = error.failure.reply if error.failure is not None else None
    context = fill(
        DreamFactoryContext,
        error,
        detail=None,
        problems=problem_views(error.problems) or None,
        reply=reply.text if reply is not None else None,
        request_id=instance if isinstance(error, InternalError) else None,
    )
    row = _documented_error(error.failure) if error.failure is not None else None
    if row is not None and error.code.startswith(_RELAY):
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        message, cause, remedy = row
        context = replace(context, cause=cause, remedy=remedy, detail=error.detail)
    elif isinstance(error, InvalidRequest):
        message = _invalid_request_text(error.problems)
        context = replace(context, remedy="Correct the places in `problems`, first the recipients' addresses.")
    failure = DreamFactoryFailure(code=int(status), message=message, context=context)
    return answer(DreamFactoryError(error=failure), status).with_headers(**retry_headers(error))


def _documented_error(failure: Failure) -> tuple[str, str, str] | None:
    cause = failure.cause
    if cause.value.startswith(("certificate", "tls", "starttls")):
        return _CERTIFICATE
    if cause is Cause.AUTH_MECHANISM_UNSUPPORTED or (cause is Cause.REPLY and failure.phase.value == "auth"):
        return _AUTHENTICATION
    if cause in _TIMEOUTS:
        return _TIMED_OUT
    return _REFUSED_CONNECTION if cause in _CONNECTION_CAUSES else None


def _invalid_request_text(problems: tuple[Problem, ...]) -> str:
    codes = {problem.code for problem in problems}
    if "invalid-json" in codes:
        return "No valid data in request."
    if any(code.startswith(("address-", "domain-")) for code in codes):
        return "Bad Request: invalid email format."
    return f"Bad Request: {problems[0].detail}" if problems else "Bad Request"


def _put_addresses(name: str, value: object, into: Translation) -> None:
    """Write addresses. Each is a string or `{email, name}`; the value is one address or a list of them."""
    into.put(name, [_address(item) for item in value] if isinstance(value, list) else _address(value), f"/{name}")


def _address(value: object) -> object:
    # DreamFactory's clients send an empty name if there is no name.
    return {**value, "name": value["name"] or None} if isinstance(value, dict) and "name" in value else value


def _put_sender(ours: str, members: Mapping[str, object], email: str, name: str, into: Translation) -> None:
    """Write a mailbox from its two fields. For `from` a name alone is allowed: the default address is used with it."""
    into.map_pointer(f"/{ours}", f"/{email}")
    into.map_pointer(f"/{ours}/email", f"/{email}")
    into.map_pointer(f"/{ours}/name", f"/{name}")
    if email in members or (name in members and ours == "from"):
        into.value[ours] = {"email": members.get(email), "name": members.get(name)}
    elif name in members:
        into.inspection.report(f"/{name}", "required", f"Give {email} too: a name needs an address.")


def _put_attachments(value: object, into: Translation) -> None:
    into.put("attachments", value, "/attachments")
    if not isinstance(value, list):
        return
    written: list[object] = []
    for index, item in enumerate(value):
        place = f"/attachments/{index}"
        members = into.members(item, place, DreamFactoryAttachment, _ATTACHMENT_REFUSED)
        for theirs, ours in _ATTACHMENT.items():
            into.map_pointer(f"{place}/{ours}", f"{place}/{theirs}")
        written.append({ours: members.get(theirs) for theirs, ours in _ATTACHMENT.items()})
    into.value["attachments"] = written


def _put_template(members: Mapping[str, object], into: Translation) -> None:
    name, number = members.get("template"), members.get("template_id")
    if name is not None and number is not None:
        into.inspection.report("/template_id", "ambiguous", "Give template or template_id, not both.")
    if name is not None:
        into.put("template", name, "/template")
    elif number is not None:
        # A template that was imported from DreamFactory has its number there as its name.
        text = str(number) if isinstance(number, int) and not isinstance(number, bool) else number
        if not isinstance(text, str) or not _TEMPLATE_ID.match(text):
            into.inspection.report(member_pointer("", "template_id"), "wrong-type", "Give the template's number.")
        else:
            into.put("template", text, "/template_id")


def _statuses(code: str) -> tuple[HTTPStatus, ...]:
    own = (HTTPStatus.INTERNAL_SERVER_ERROR,) if code.startswith(_RELAY) else ()
    return (status_of(code), *own)


DIALECT = Dialect(
    name="DreamFactory",
    route=ROUTE,
    summary="Send a message with DreamFactory's fields",
    request=DreamFactoryEmail,
    answers={200: DreamFactoryCount, 202: DreamFactoryCount},
    translate=translate,
    show=show,
    errors=ErrorShape(refuse, DreamFactoryError, statuses=_statuses),
    parameters=PARAMETERS,
    check_path=lambda path: demand_service(path["service"]),
    with_query=with_parameters,
)
