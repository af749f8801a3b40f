"""Composes drafts with fixed ids and dates, and reads the result with the standard library."""

import email
import email.policy
from datetime import UTC, datetime
from email.header import decode_header
from email.message import Message as ParsedMessage
from email.utils import getaddresses

from mailer.message.address import Mailbox, parse_address, parse_mailbox
from mailer.message.compose import compose
from mailer.message.draft import Attachment, Draft
from mailer.message.message import Message

TOKEN = "k3j9x0q7v5t1"
DATE = datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)
MESSAGE_ID = "<0123456789abcdef@good.example>"
SENDER = parse_mailbox("Good Shop <shop@good.example>")


def make_draft(
    *,
    to: tuple[str, ...] = ("ann@example.net",),
    cc: tuple[str, ...] = (),
    bcc: tuple[str, ...] = (),
    subject: str = "Hello",
    text: str | None = "Hello.\n",
    html: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    attachments: tuple[Attachment, ...] = (),
) -> Draft:
    """Return a draft with the parts that matter to a test."""
    return Draft(
        to=tuple(map(parse_mailbox, to)),
        cc=tuple(map(parse_mailbox, cc)),
        bcc=tuple(map(parse_mailbox, bcc)),
        subject=subject,
        text=text,
        html=html,
        headers=headers,
        attachments=attachments,
    )


def composed(
    draft: Draft,
    *,
    sender: Mailbox = SENDER,
    reply_to: tuple[Mailbox, ...] = (),
    message_id: str = MESSAGE_ID,
    tokens: tuple[str, ...] = (TOKEN,),
) -> Message:
    """Compose with the given boundary tokens; the last token is repeated."""
    drawn = iter(tokens)
    return compose(
        draft,
        sender=sender,
        reply_to=reply_to,
        envelope_sender=parse_address("bounces@good.example"),
        message_id=message_id,
        date=DATE,
        boundary_token=lambda: next(drawn, tokens[-1]),
    )


def header_of(message: Message) -> str:
    """Return the header block as it is on the wire."""
    return message.as_bytes().partition(b"\r\n\r\n")[0].decode("ascii")


def read(message: Message) -> ParsedMessage:
    """Parse with the old API of `email`: in Python 3.13.0 the new API fails on encoded-words in display names."""
    return email.message_from_bytes(message.as_bytes(), policy=email.policy.compat32)


def read_part(message: Message, index: int) -> ParsedMessage:
    """Return one of the top-level parts."""
    part = read(message).get_payload(index)
    if not isinstance(part, ParsedMessage):
        msg = "no part with this index"
        raise TypeError(msg)
    return part


def read_text(value: str) -> str:
    """Unfold a header value and decode its encoded-words."""
    unfolded = value.replace("\r\n", "").replace("\n", "")
    return "".join(
        octets.decode(charset or "ascii") if isinstance(octets, bytes) else octets
        for octets, charset in decode_header(unfolded)
    )


def read_addresses(parsed: ParsedMessage, name: str) -> list[tuple[str, str]]:
    """Return display names, decoded, and addresses of all fields of this name."""
    fields = [value.replace("\r\n", "").replace("\n", "") for value in parsed.get_all(name, [])]
    return [(read_text(display_name), address) for display_name, address in getaddresses(fields)]


def read_content(part: ParsedMessage) -> bytes:
    """Return a leaf's content, decoded from its transfer encoding."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        msg = "not a leaf"
        raise TypeError(msg)
    return content


def structure(part: ParsedMessage) -> list[object]:
    """Return the tree of content types."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [part.get_content_type(), *(structure(child) for child in payload if isinstance(child, ParsedMessage))]
    return [part.get_content_type()]
