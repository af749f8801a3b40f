"""The header fields that a caller may set, and the values that they may have.

A caller may not set fields that address, route, sign or frame a message (To, Bcc, Sender, Resent-*, Received, DKIM-*,
Content-*...), or fields that relays read as commands (X-SES-*, X-SMTPAPI...).
"""

import re
from collections.abc import Mapping
from itertools import chain
from typing import Annotated

from msgspec import Meta

from mailer.input.inspection import Inspection, member_pointer
from mailer.message.compose.headers import longest_piece

MAX_HEADERS = 50
MAX_VALUE = 2_000
# A word and the spaces before it cannot be folded. With the name they must fit into a line of 998 octets.
MAX_UNBROKEN = 900

_NAME = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_URI = r"<(?:[Hh][Tt][Tt][Pp][Ss]://|[Mm][Aa][Ii][Ll][Tt][Oo]:)[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+>"
_MESSAGE_ID = r"<[!-;=?A-~]+@[!-;=?A-~]+>"
_PLAIN = re.compile(r"[ -~]+\Z")
FREE_TEXT = frozenset(("comments", "keywords"))
RULES = {
    "auto-submitted": (
        re.compile(r"(?:no|auto-generated|auto-replied|auto-notified)\Z", re.IGNORECASE),
        "Give no, auto-generated, auto-replied or auto-notified.",
    ),
    "feedback-id": (re.compile(r"[!-~]{1,255}\Z"), "Give printable ASCII without spaces."),
    "importance": (re.compile(r"(?:low|normal|high)\Z", re.IGNORECASE), "Give low, normal or high."),
    "in-reply-to": (re.compile(rf"{_MESSAGE_ID}(?: +{_MESSAGE_ID})*\Z"), "Give message ids: <left@right>."),
    "list-id": (
        re.compile(r"(?:[ -;=?-~]*[ ])?<[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+>\Z"),
        "Give a list id: <list.example.com>, with or without an ASCII description before it.",
    ),
    "list-unsubscribe": (
        re.compile(rf"{_URI}(?:, *{_URI})*\Z"),
        "Give https: or mailto: URIs in angle brackets, separated by commas.",
    ),
    "list-unsubscribe-post": (re.compile(r"List-Unsubscribe=One-Click\Z"), "Give List-Unsubscribe=One-Click."),
    "precedence": (re.compile(r"(?:bulk|list|junk|first-class)\Z", re.IGNORECASE), "Give bulk, list or junk."),
    "priority": (
        re.compile(r"(?:normal|urgent|non-urgent)\Z", re.IGNORECASE),
        "Give normal, urgent or non-urgent.",
    ),
    "references": (re.compile(rf"{_MESSAGE_ID}(?: +{_MESSAGE_ID})*\Z"), "Give message ids: <left@right>."),
}
# The names by which relays take commands begin with these prefixes. Some commands add recipients, drop the message or
# switch off a spam check.
COMMAND_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "Alibaba Cloud": ("x-alidm-",),
    "Amazon SES": ("x-ses-",),
    "Brevo": ("x-sib-", "x-mailin-"),
    "Elastic Email": ("x-elasticemail-",),
    "Exchange": ("x-ms-exchange-", "x-microsoft-", "x-forefront-"),
    "GreenArrow and PowerMTA": ("x-greenarrow-", "x-virtual-mta"),
    "Mailgun": ("x-mailgun-",),
    "Mailjet": ("x-mailjet-", "x-mj-"),
    "MailerSend": ("x-mailersend-",),
    "Mailtrap": ("x-mt-",),
    "Mandrill": ("x-mc-",),
    "Postal": ("x-postal-",),
    "Postmark": ("x-pm-",),
    "SendGrid": ("x-smtpapi", "x-sg-"),
    "SMTPeter": ("x-smtpeter-",),
    "SocketLabs": ("x-xs",),
    "SparkPost": ("x-msys-",),
}
_COMMANDS = tuple(chain.from_iterable(COMMAND_PREFIXES.values()))
_ALLOWED = (
    "Set another field. Allowed are X-* (but not commands to relays, such as X-SES-*), Auto-Submitted, "
    "Comments, Feedback-ID, Importance, In-Reply-To, Keywords, List-Id, List-Unsubscribe, List-Unsubscribe-Post, "
    "Precedence, Priority and References."
)

type HeadersField = Annotated[
    dict[str, Annotated[str, Meta(max_length=MAX_VALUE)]],
    Meta(
        max_length=MAX_HEADERS,
        description="X-* (but not commands to relays, such as X-SES-*), Comments, Keywords, "
        + ", ".join(name.title() for name in sorted(RULES)),
    ),
]


def read_headers(value: object, pointer: str, inspection: Inspection) -> tuple[tuple[str, str], ...]:
    """Return the names and values of the header fields, in their order; empty if `value` is None."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        inspection.report(pointer, "wrong-type", "Give an object of header names and values.")
        return ()
    if len(value) > MAX_HEADERS:
        inspection.report(pointer, "too-many-headers", f"Give at most {MAX_HEADERS} header fields.")
        return ()
    fields: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, content in value.items():
        place = member_pointer(pointer, name)
        key = name.lower()
        if not _NAME.match(name):
            inspection.report(place, "header-name-malformed", "Name it with 1 to 64 ASCII letters, digits and hyphens.")
        elif not _is_allowed(key):
            inspection.report(place, "header-not-allowed", _ALLOWED)
        elif key in seen:
            inspection.report(place, "duplicate-header", "Give each header field once, whatever its case.")
        elif (text := _read_value(key, content, place, inspection)) is not None:
            fields.append((name, text))
        seen.add(key)
    return tuple(fields)


def _is_allowed(name: str) -> bool:
    if name.startswith("x-"):
        return len(name) > len("x-") and not name.startswith(_COMMANDS)
    return name in RULES or name in FREE_TEXT


def _read_value(name: str, value: object, pointer: str, inspection: Inspection) -> str | None:
    text = inspection.text(value, pointer, maximum=MAX_VALUE)
    if text is None:
        return None
    text = text.strip(" ")
    if name not in RULES:
        return text
    grammar, remedy = RULES[name]
    if not _PLAIN.match(text) or longest_piece(text) > MAX_UNBROKEN or not grammar.match(text):
        inspection.report(pointer, "header-value-malformed", remedy)
        return None
    return text
