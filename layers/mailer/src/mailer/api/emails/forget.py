"""The request to erase what is kept about an address, and its answer."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from mailer.api.body import Body, Count, Time, field_names
from mailer.api.emails.history import time_view
from mailer.api.emails.query import CURSOR_PATTERN
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.message.address import Address, parse_address
from mailer.service.sending.forget_address import Forgotten

_DAY = timedelta(days=1)
# What stays, for how long, and what it says. docs/operations.md lists the same times.
_REMAINS: tuple[tuple[str, timedelta | None, str], ...] = (
    ("stored-answers", _DAY, "Answers to requests with an Idempotency-Key name the recipients."),
    ("lifecycle-events", 18 * _DAY, "An event that was not processed waits in its queue or in the failure queue."),
    ("records", 30 * _DAY, "The messages without the address: states, times and reply codes."),
    ("ledger-backups", 35 * _DAY, "The ledger can be restored as it was before."),
    ("logs", 90 * _DAY, "Log lines have the domain of the address."),
    ("deliveries", None, "What a relay, a provider or a mailbox received is not under the control of this service."),
)


class ForgetBody(Body, frozen=True, kw_only=True):
    """The address to forget, and the cursor of an earlier answer."""

    address: Annotated[str, Meta(description="One address, without a name.", examples=["ada@example.com"])]
    cursor: Annotated[str | None, Meta(description="From the answer of the call before.")] = None


class Remaining(Body, frozen=True, kw_only=True):
    """Data that stays; `until` is null if this service does not keep it."""

    data: str
    until: Time | None
    detail: str


class ForgottenAddress(Body, frozen=True, kw_only=True):
    """What was erased, and what remains."""

    erased: Annotated[Count, Meta(description="How many messages no longer have the address or a content.")]
    cancelled: Annotated[Count, Meta(description="How many of them were waiting, and are not sent any more.")]
    waiting: Annotated[Count, Meta(description="How many are being sent, or wait for other recipients: call again.")]
    cursor: Annotated[str | None, Meta(description="If it is not null, call again with it: there are more messages.")]
    remains: tuple[Remaining, ...]


class ForgetRequest(msgspec.Struct, frozen=True):
    """A valid request."""

    address: Address
    cursor: str | None


def parse_forget_request(body: bytes | str) -> ForgetRequest:
    """Return the request; raises `InvalidRequest`."""
    inspection = Inspection()
    members = inspection.members(decode_body(body), "", field_names(ForgetBody))
    address = inspection.parsed(members.get("address"), "/address", parse_address, required="Give the address.")
    cursor = members.get("cursor")
    if cursor is not None and not (isinstance(cursor, str) and CURSOR_PATTERN.match(cursor)):
        inspection.report("/cursor", "cursor-malformed", "Give the cursor from the answer before, or leave it out.")
    return ForgetRequest(inspection.finish_with(address), cursor if isinstance(cursor, str) else None)


def forgotten_view(forgotten: Forgotten, *, now: datetime) -> ForgottenAddress:
    """Show what was erased, and what remains until when."""
    remains = (
        Remaining(data=data, until=None if kept is None else time_view((now + kept).timestamp()), detail=detail)
        for data, kept, detail in _REMAINS
    )
    return ForgottenAddress(
        erased=forgotten.erased,
        cancelled=forgotten.cancelled,
        waiting=forgotten.waiting,
        cursor=forgotten.cursor,
        remains=tuple(remains),
    )
