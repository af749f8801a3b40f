"""Translate Nodemailer's message options, as in Medplum's send API and in Courier's `override.body`.

Two kinds of options are refused by name: those by which Nodemailer would read a file or a URL, and those that replace
parts of the message (`raw`, `envelope`, `dkim`...). Without `encoding` an attachment's content is UTF-8 text.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Literal

from msgspec import Meta, field

from mailer.api.body import Always, Body, one_of
from mailer.api.dialects.translation import Translation
from mailer.api.emails.request import MAX_RECIPIENTS
from mailer.input.inspection import member_pointer

_SET_BY_SERVICE = "Remove it: the service sets this."
_NOT_FETCHED = "Give the content itself: the service reads no path or URL."
REFUSED: Mapping[str, str] = {
    "alternatives": "Give text and html, and other forms as attachments.",
    "amp": "Give text and html.",
    "attachDataUrls": "Give the image as an attachment with a cid, and use cid: in the html.",
    "auth": "Remove it: only a transport has credentials.",
    "date": _SET_BY_SERVICE,
    "dkim": "Remove it: the transport signs.",
    "dsn": "Remove it: the message's history has its status.",
    "encoding": "Remove it: texts are UTF-8.",
    "envelope": "Remove it: recipients are to, cc and bcc, and the sender is the transport's return-path.",
    "icalEvent": "Attach it: a filename, the content, and contentType text/calendar.",
    "messageId": _SET_BY_SERVICE,
    "normalizeHeaderKey": _SET_BY_SERVICE,
    "raw": "Give the parts of the message: a raw message could name any sender and recipient.",
    "sender": "Remove it: the message's From is its sender.",
    "textEncoding": _SET_BY_SERVICE,
    "watchHtml": "Give text and html.",
    "xMailer": "Remove it, or set the header X-Mailer.",
}
_ATTACHMENT_REFUSED: Mapping[str, str] = {
    "contentTransferEncoding": _SET_BY_SERVICE,
    "headers": _SET_BY_SERVICE,
    "href": _NOT_FETCHED,
    "httpHeaders": _NOT_FETCHED,
    "path": _NOT_FETCHED,
    "raw": _NOT_FETCHED,
}
_CODECS = {"utf-8": "utf-8", "utf8": "utf-8", "ascii": "latin-1", "binary": "latin-1", "latin1": "latin-1"}
# One address of a list. It ends at a comma outside quoted strings.
_LIST_ITEM = re.compile(r'(?:[^",]++|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))+', re.DOTALL)
PRIORITIES: Mapping[str, Mapping[str, str]] = {
    "high": {"X-Priority": "1 (Highest)", "X-MSMail-Priority": "High", "Importance": "High"},
    "normal": {},
    "low": {"X-Priority": "5 (Lowest)", "X-MSMail-Priority": "Low", "Importance": "Low"},
}
LISTS = {"unsubscribe": "List-Unsubscribe", "id": "List-Id"}


type _AddressField = str | NodemailerAddress
type _AddressesField = Annotated[
    _AddressField | Annotated[list[_AddressField], Meta(max_length=MAX_RECIPIENTS)],
    Meta(description="A string may hold several addresses, separated by commas."),
]
type _UrlField = str | ListUrl


class NodemailerAddress(Body, frozen=True, kw_only=True):
    """An address and a display name."""

    name: str | None = None
    address: str


class NodemailerAttachment(Body, frozen=True, kw_only=True, rename="camel"):
    """A file to attach."""

    filename: Annotated[str | bool | None, Meta(description="false means the same as null.")] = None
    content: str
    content_type: str | None = None
    encoding: Annotated[str | None, Meta(description="base64, hex, latin1 or utf-8; the default is utf-8.")] = None
    cid: str | None = None
    content_disposition: Literal["attachment", "inline"] | None = None


class NodemailerHeader(Body, frozen=True, kw_only=True):
    """A header field."""

    key: str
    value: str


class ListUrl(Body, frozen=True, kw_only=True):
    """The URL of a List-* header field."""

    url: str


class ListHeaders(Body, frozen=True, kw_only=True):
    """The List-* header fields."""

    unsubscribe: _UrlField | None = None
    id: _UrlField | None = None


class MessageOptions(Body, frozen=True, kw_only=True, rename="camel"):
    """Nodemailer's message options."""

    sender: _AddressField | None = field(name="from", default=None)
    to: Annotated[_AddressesField | None, Meta(examples=["ada@example.com"])] = None
    cc: _AddressesField | None = None
    bcc: _AddressesField | None = None
    reply_to: _AddressesField | None = None
    subject: Annotated[str | None, Meta(examples=["Results"])] = None
    text: Annotated[str | None, Meta(examples=["They are here."])] = None
    html: str | None = None
    attachments: Annotated[
        list[NodemailerAttachment] | None, Meta(examples=[[{"filename": "results.txt", "content": "All fine."}]])
    ] = None
    headers: dict[str, str] | list[NodemailerHeader] | None = None
    priority: Annotated[str, one_of(PRIORITIES)] | None = None
    in_reply_to: str | None = None
    references: str | list[str] | None = None
    list: ListHeaders | None = None
    disable_file_access: Always | None = None
    disable_url_access: Always | None = None


def translate_options(options: Mapping[str, object], place: str, into: Translation) -> None:
    """Write message options into our request. Their names must have been checked before."""
    into.copy_fields(options, {"subject": "subject"}, place)
    for name in ("text", "html"):
        into.put(name, _text(options, name, place, into), f"{place}/{name}")
    for theirs, ours in (("from", "from"), ("to", "to"), ("cc", "cc"), ("bcc", "bcc"), ("replyTo", "reply_to")):
        if theirs in options:
            put_addresses(ours, options[theirs], f"{place}/{theirs}", into, is_list=ours != "from")
    if "attachments" in options:
        _put_attachments(options["attachments"], f"{place}/attachments", into)
    for name in ("disableFileAccess", "disableUrlAccess"):
        into.demand(options, name, True, place, _NOT_FETCHED)
    _put_headers(options, place, into)


def put_addresses(ours: str, value: object, place: str, into: Translation, *, is_list: bool = True) -> None:
    """Write addresses: a string, `{name, address}` or a list of both. If `is_list`, a string may be a list too."""
    written: list[object] = []
    items = enumerate(value) if isinstance(value, list) else ((None, value),)
    into.map_pointer(f"/{ours}", place)
    for index, item in items:
        item_place = place if index is None else f"{place}/{index}"
        if item is None:
            continue
        for part in _listed(item) if is_list else (item,):
            if len(written) > MAX_RECIPIENTS:
                # The list is too long and is refused; the rest of it is not needed.
                break
            pointer = f"/{ours}/{len(written)}"
            into.map_pointer(pointer, item_place)
            into.map_pointer(f"{pointer}/email", f"{item_place}/address")
            written.append(_mailbox(part, item_place, into))
    into.value[ours] = written if is_list or len(written) != 1 else written[0]
    if not is_list:
        into.map_pointer(f"/{ours}/email", f"{place}/address")


def _listed(item: object) -> tuple[object, ...]:
    if not isinstance(item, str):
        return (item,)
    found = [each[0].strip() for each in islice(_LIST_ITEM.finditer(item), MAX_RECIPIENTS + 1)]
    # A list above the maximum is refused as a whole, so no recipient is left out silently.
    return tuple(found) if len(found) > MAX_RECIPIENTS else tuple(part for part in found if part)


def _mailbox(value: object, place: str, into: Translation) -> object:
    if not isinstance(value, dict):
        return value
    members = into.members(value, place, NodemailerAddress)
    # Nodemailer's clients send an empty name if there is no name.
    return {"email": members.get("address"), "name": members.get("name") or None}


def _text(options: Mapping[str, object], name: str, place: str, into: Translation) -> object:
    value = options.get(name)
    if isinstance(value, dict):
        into.inspection.report(f"{place}/{name}", "option-not-supported", _NOT_FETCHED)
        return ""
    return value


def _put_attachments(value: object, place: str, into: Translation) -> None:
    into.put("attachments", value, place)
    if isinstance(value, list):
        into.value["attachments"] = [
            _attachment(item, index, f"{place}/{index}", into) for index, item in enumerate(value)
        ]


def _attachment(value: object, index: int, place: str, into: Translation) -> object:
    if not isinstance(value, dict):
        return value
    present = {name: member for name, member in value.items() if (name, member) != ("filename", False)}
    members = into.members(present, place, NodemailerAttachment, _ATTACHMENT_REFUSED)
    disposition = members.get("contentDisposition", "attachment")
    if disposition != "attachment" and not (disposition == "inline" and "cid" in members):
        remedy = "Give attachment, or inline together with a cid by which the html shows it."
        into.inspection.report(f"{place}/contentDisposition", "option-not-supported", remedy)
    pointer = f"/attachments/{index}"
    for theirs, ours in (("contentType", "content_type"), ("cid", "content_id")):
        into.map_pointer(f"{pointer}/{ours}", f"{place}/{theirs}")
    if any(present.get(name) is not None for name in ("path", "href", "raw")):
        # The attachment is already refused, so missing content is not reported as a second problem.
        members.setdefault("content", "")
    return {
        "filename": members.get("filename", f"attachment-{index + 1}"),
        "content": _content(members, place, into),
        "content_type": members.get("contentType"),
        "content_id": members.get("cid"),
    }


def _content(members: Mapping[str, object], place: str, into: Translation) -> object:
    content, encoding = members.get("content"), members.get("encoding", "utf-8")
    if not isinstance(content, str) or encoding == "base64":
        return content
    codec = _CODECS.get(encoding.lower()) if isinstance(encoding, str) else None
    try:
        if codec is not None:
            return b64encode(content.encode(codec)).decode()
        if encoding == "hex":
            return b64encode(bytes.fromhex(content)).decode()
    except ValueError:
        into.inspection.report(f"{place}/content", "encoding-mismatch", "Encode the content as `encoding` says.")
        return ""
    into.inspection.report(f"{place}/encoding", "unknown-value", "Give base64, hex, utf-8 or latin1.")
    return ""


def _put_headers(options: Mapping[str, object], place: str, into: Translation) -> None:
    fields: dict[str, object] = {}
    if "headers" in options:
        into.map_pointer("/headers", f"{place}/headers")
        fields |= _headers(options["headers"], f"{place}/headers", into)
    for theirs, ours in (("inReplyTo", "In-Reply-To"), ("references", "References")):
        if theirs in options:
            value = options[theirs]
            is_listed = isinstance(value, list) and all(isinstance(each, str) for each in value)
            fields[ours] = " ".join(value) if is_listed and isinstance(value, list) else value
            into.map_pointer(f"/headers/{ours}", f"{place}/{theirs}")
    if "priority" in options:
        priority = options["priority"]
        if not isinstance(priority, str) or priority not in PRIORITIES:
            into.inspection.report(f"{place}/priority", "unknown-value", "Give high, normal or low.")
        else:
            fields |= PRIORITIES[priority]
    if "list" in options:
        fields |= _list_headers(options["list"], f"{place}/list", into)
    if fields:
        into.value["headers"] = fields


def _headers(value: object, place: str, into: Translation) -> dict[str, object]:
    if isinstance(value, dict):
        return dict(value)
    if not isinstance(value, list):
        into.inspection.report(place, "wrong-type", "Give an object of header names and values.")
        return {}
    fields: dict[str, object] = {}
    for index, item in enumerate(value):
        members = into.members(item, f"{place}/{index}", NodemailerHeader)
        name = members.get("key")
        if not isinstance(name, str) or name in fields:
            into.inspection.report(f"{place}/{index}/key", "duplicate-header", "Give each header's name once.")
        else:
            fields[name] = members.get("value")
            into.map_pointer(member_pointer("/headers", name), f"{place}/{index}/value")
    return fields


def _list_headers(value: object, place: str, into: Translation) -> dict[str, object]:
    members = into.members(value, place, ListHeaders)
    fields: dict[str, object] = {}
    for name, content in members.items():
        url = content.get("url") if isinstance(content, dict) and content.keys() <= {"url"} else content
        if not isinstance(url, str):
            into.inspection.report(f"{place}/{name}", "wrong-type", "Give one URL, as a string.")
            continue
        # As in Nodemailer: an e-mail address becomes a mailto URL.
        is_address = name == "unsubscribe" and "@" in url and ":" not in url
        fields[LISTS[name]] = f"<mailto:{url}>" if is_address else f"<{url}>"
        into.map_pointer(f"/headers/{LISTS[name]}", f"{place}/{name}")
    return fields
