"""Compose a draft and its decision into the octets that every transport sends.

`headers` and `body` write the octets, and `verify` reads them back. There is no randomness and no clock: the same
arguments give the same octets.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

from mailer.message.address import Address, Mailbox
from mailer.message.compose.body import Collision, build_entity
from mailer.message.compose.headers import UNDISCLOSED, FieldValue, render_fields
from mailer.message.compose.verify import CompositionFault, verify
from mailer.message.draft import Draft
from mailer.message.message import Body, Message

__all__ = ["CompositionFault", "compose", "envelope_recipients"]

# Programs write and read these fields, so their values are never encoded by RFC 2047.
_PROTOCOL_FIELDS = frozenset(
    (
        "auto-submitted", "feedback-id", "importance", "in-reply-to", "list-id", "list-unsubscribe",
        "list-unsubscribe-post", "precedence", "priority", "references",
    )
)  # fmt: skip


def compose(
    draft: Draft,
    *,
    sender: Mailbox,
    reply_to: tuple[Mailbox, ...],
    envelope_sender: Address,
    message_id: str,
    date: datetime,
    boundary_token: Callable[[], str],
) -> Message:
    """Compose the message; Bcc recipients are in the envelope only.

    `message_id` includes the angle brackets. `boundary_token` returns letters and digits; if a content contains them,
    it is called again. If the octets differ from the arguments, which is a bug, raises `CompositionFault`.
    """
    try:
        fields = _fields(draft, sender, reply_to, message_id, date)
        entity = build_entity(draft, boundary_token)
        header = f"{render_fields(fields)}MIME-Version: 1.0\r\n{entity.fields}\r\n".encode("ascii")
    except (UnicodeEncodeError, Collision):
        msg = "the message cannot be written"
        raise CompositionFault(msg) from None
    segments = _joined([header, *entity.segments])
    verify(b"".join(segment for segment in segments if isinstance(segment, bytes)), fields, entity.boundaries)
    return Message(
        message_id=message_id,
        envelope_sender=envelope_sender,
        recipients=envelope_recipients(draft),
        segments=segments,
        size=sum(len(segment) if isinstance(segment, bytes) else segment.size for segment in segments),
    )


def _fields(
    draft: Draft, sender: Mailbox, reply_to: tuple[Mailbox, ...], message_id: str, date: datetime
) -> list[tuple[str, FieldValue]]:
    sent_at = format_datetime(date.astimezone(UTC))
    fields: list[tuple[str, FieldValue]] = [("Date", sent_at.encode()), ("From", (sender,))]
    if draft.to:
        fields.append(("To", draft.to))
    elif not draft.cc:
        fields.append(("To", UNDISCLOSED))
    if draft.cc:
        fields.append(("Cc", draft.cc))
    if reply_to:
        fields.append(("Reply-To", reply_to))
    fields.append(("Subject", draft.subject))
    fields.append(("Message-ID", message_id.encode("ascii")))
    for name, value in draft.headers:
        is_protocol = name.lower() in _PROTOCOL_FIELDS and value.isascii()
        fields.append((name, value.encode() if is_protocol else value))
    return fields


def envelope_recipients(draft: Draft) -> tuple[Address, ...]:
    """Return each address once, in its first spelling. Addresses are equal if only the case of the domain differs."""
    unique: dict[tuple[str, str], Address] = {}
    for mailbox in (*draft.to, *draft.cc, *draft.bcc):
        address = mailbox.address
        unique.setdefault((address.local_part, address.domain.lower()), address)
    return tuple(unique.values())


def _joined(segments: list[bytes | Body]) -> tuple[bytes | Body, ...]:
    """Join neighbouring octets, and end in CRLF. A message without attachments becomes one piece."""
    joined: list[bytes | Body] = []
    run: list[bytes] = []
    for segment in segments:
        if isinstance(segment, bytes):
            run.append(segment)
        else:
            joined += [b"".join(run), segment]
            run = []
    tail = b"".join(run)
    joined.append(tail if tail.endswith(b"\r\n") else tail + b"\r\n")
    return tuple(joined)
