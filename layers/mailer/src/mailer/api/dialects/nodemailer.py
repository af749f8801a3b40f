"""Nodemailer's message options in our words: what Medplum's send API takes, and Courier's override of a body.

Options that have Nodemailer read a file, ask a URL, or that take the message out of our hands (`raw`, `envelope`,
`dkim`...) are refused by name. Contents are text unless their `encoding` says otherwise, as there.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from itertools import islice

from mailer.api.dialects.translation import Translation
from mailer.api.emails.request import MAX_RECIPIENTS
from mailer.input.inspection import member_pointer

FIELDS = (
    "from", "to", "cc", "bcc", "replyTo", "subject", "text", "html", "attachments", "headers", "priority", "inReplyTo",
    "references", "list", "disableFileAccess", "disableUrlAccess",
)  # fmt: skip
_OWN = "Remove it: the service writes this itself."
_FETCHED = "Give the content itself: nothing is read from a path or a URL."
REFUSED: Mapping[str, str] = {
    "alternatives": "Give text and html; another form of the content goes as an attachment.",
    "amp": "Give text and html.",
    "attachDataUrls": "Give the image as an attachment with a cid, and show it by cid: in the html.",
    "auth": "Remove it: log-in belongs to the transport, not to a message.",
    "date": _OWN,
    "dkim": "Remove it: the transport signs.",
    "dsn": "Remove it: what became of the message is told by its history.",
    "encoding": "Remove it: texts are UTF-8.",
    "envelope": "Remove it: recipients are to, cc and bcc, and the sender is the transport's return-path.",
    "icalEvent": "Attach it: a filename, the content, and contentType text/calendar.",
    "messageId": _OWN,
    "normalizeHeaderKey": _OWN,
    "raw": "Give the message in parts: a finished one could name any sender and any recipient.",
    "sender": "Remove it: the message's From is its sender.",
    "textEncoding": _OWN,
    "watchHtml": "Give text and html.",
    "xMailer": "Remove it, or set the header X-Mailer.",
}
ATTACHMENT_FIELDS = ("filename", "content", "contentType", "encoding", "cid", "contentDisposition")
_ATTACHMENT_REFUSED: Mapping[str, str] = {
    "contentTransferEncoding": _OWN,
    "headers": _OWN,
    "href": _FETCHED,
    "httpHeaders": _FETCHED,
    "path": _FETCHED,
    "raw": _FETCHED,
}
_TEXTS = {"utf-8": "utf-8", "utf8": "utf-8", "ascii": "latin-1", "binary": "latin-1", "latin1": "latin-1"}
# One address of a list: up to a comma that is not within a quoted string.
_LISTED = re.compile(r'(?:[^",]++|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))+', re.DOTALL)
PRIORITIES: Mapping[str, Mapping[str, str]] = {
    "high": {"X-Priority": "1 (Highest)", "X-MSMail-Priority": "High", "Importance": "High"},
    "normal": {},
    "low": {"X-Priority": "5 (Lowest)", "X-MSMail-Priority": "Low", "Importance": "Low"},
}
LISTS = {"unsubscribe": "List-Unsubscribe", "id": "List-Id"}


def translate_options(options: Mapping[str, object], place: str, into: Translation) -> None:
    """Write message options, whose names have been looked at, into our request."""
    into.copied(options, {"subject": "subject"}, place)
    for name in ("text", "html"):
        into.put(name, _text(options, name, place, into), f"{place}/{name}")
    for theirs, ours in (("from", "from"), ("to", "to"), ("cc", "cc"), ("bcc", "bcc"), ("replyTo", "reply_to")):
        if theirs in options:
            put_addresses(ours, options[theirs], f"{place}/{theirs}", into, is_list=ours != "from")
    if "attachments" in options:
        _put_attachments(options["attachments"], f"{place}/attachments", into)
    for name in ("disableFileAccess", "disableUrlAccess"):
        if options.get(name, True) is not True:
            into.inspection.report(f"{place}/{name}", "option-not-supported", _FETCHED)
    _put_headers(options, place, into)


def put_addresses(ours: str, value: object, place: str, into: Translation, *, is_list: bool = True) -> None:
    """Write addresses: strings, which may be lists by commas, `{name, address}`, or a list of both."""
    written: list[object] = []
    items = enumerate(value) if isinstance(value, list) else ((None, value),)
    into.stood(f"/{ours}", place)
    for index, item in items:
        item_place = place if index is None else f"{place}/{index}"
        if item is None:
            continue
        for part in _listed(item) if is_list else (item,):
            if len(written) > MAX_RECIPIENTS:
                # More than enough to be refused.
                break
            pointer = f"/{ours}/{len(written)}"
            into.stood(pointer, item_place)
            into.stood(f"{pointer}/email", f"{item_place}/address")
            written.append(_mailbox(part, item_place, into))
    into.value[ours] = written if is_list or len(written) != 1 else written[0]
    if not is_list:
        into.stood(f"/{ours}/email", f"{place}/address")


def _listed(item: object) -> tuple[object, ...]:
    if not isinstance(item, str):
        return (item,)
    found = [each[0].strip() for each in islice(_LISTED.finditer(item), MAX_RECIPIENTS + 1)]
    # One too many is refused whole, so that nobody is left out unsaid.
    return tuple(found) if len(found) > MAX_RECIPIENTS else tuple(part for part in found if part)


def _mailbox(value: object, place: str, into: Translation) -> object:
    if not isinstance(value, dict):
        return value
    members = into.members(value, place, ("name", "address"), {})
    # Nodemailer's clients give a name even where there is none.
    return {"email": members.get("address"), "name": members.get("name") or None}


def _text(options: Mapping[str, object], name: str, place: str, into: Translation) -> object:
    value = options.get(name)
    if isinstance(value, dict):
        into.inspection.report(f"{place}/{name}", "option-not-supported", _FETCHED)
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
    given = {name: member for name, member in value.items() if (name, member) != ("filename", False)}
    members = into.members(given, place, ATTACHMENT_FIELDS, _ATTACHMENT_REFUSED)
    disposition = members.get("contentDisposition", "attachment")
    if disposition != "attachment" and not (disposition == "inline" and "cid" in members):
        remedy = "Give attachment, or inline together with a cid by which the html shows it."
        into.inspection.report(f"{place}/contentDisposition", "option-not-supported", remedy)
    pointer = f"/attachments/{index}"
    for theirs, ours in (("contentType", "content_type"), ("cid", "content_id")):
        into.stood(f"{pointer}/{ours}", f"{place}/{theirs}")
    if any(given.get(name) is not None for name in ("path", "href", "raw")):
        # Refused already; that its content is missing is no second mistake.
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
    codec = _TEXTS.get(encoding.lower()) if isinstance(encoding, str) else None
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
        into.stood("/headers", f"{place}/headers")
        fields |= _headers(options["headers"], f"{place}/headers", into)
    for theirs, ours in (("inReplyTo", "In-Reply-To"), ("references", "References")):
        if theirs in options:
            value = options[theirs]
            is_listed = isinstance(value, list) and all(isinstance(each, str) for each in value)
            fields[ours] = " ".join(value) if is_listed and isinstance(value, list) else value
            into.stood(f"/headers/{ours}", f"{place}/{theirs}")
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
        members = into.members(item, f"{place}/{index}", ("key", "value"), {})
        name = members.get("key")
        if not isinstance(name, str) or name in fields:
            into.inspection.report(f"{place}/{index}/key", "duplicate-header", "Give each header's name once.")
        else:
            fields[name] = members.get("value")
            into.stood(member_pointer("/headers", name), f"{place}/{index}/value")
    return fields


def _list_headers(value: object, place: str, into: Translation) -> dict[str, object]:
    members = into.members(value, place, tuple(LISTS), {})
    fields: dict[str, object] = {}
    for name, content in members.items():
        url = content.get("url") if isinstance(content, dict) and content.keys() <= {"url"} else content
        if not isinstance(url, str):
            into.inspection.report(f"{place}/{name}", "wrong-type", "Give one URL, as a string.")
            continue
        # As there: an address of either kind becomes what belongs between the angle brackets.
        is_address = name == "unsubscribe" and "@" in url and ":" not in url
        fields[LISTS[name]] = f"<mailto:{url}>" if is_address else f"<{url}>"
        into.stood(f"/headers/{LISTS[name]}", f"{place}/{name}")
    return fields
