"""Messages of the ledger as API callers see them: with recipients and attempts, but without the content."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from mailer.api.body import Always, Body, Count, Time, fill, matches, one_of
from mailer.api.emails.query import ID_PATTERN, MAX_LIMIT, STATUSES
from mailer.api.verdicts import DivertedTo, Failover, diversion_view, failovers_view
from mailer.ledger.record import AttemptRecord, AttemptResult, RecipientRecord, Record, SenderRecord, State
from mailer.message.address import Address
from mailer.ports import Page
from mailer.secret.sender import FromReason
from mailer.service.sending.manage_email import Retried
from mailer.smtp.outcome import Accepted, Cause, Deferred, Phase, Rejected, RelayError, Unknown, Verdict

# In these states `due_at` is the time of the next attempt. In other states it may be the end of a worker's lease.
_WAITING = frozenset({State.DEFERRED, State.HELD, State.UNKNOWN})
_STATUSES: Mapping[type[Verdict], str] = {
    Accepted: "accepted",
    Rejected: "rejected",
    Deferred: "deferred",
    Unknown: "unknown",
    RelayError: "error",
}

type EmailId = Annotated[str, matches(ID_PATTERN.pattern)]
type EmailStatus = Annotated[str, one_of(STATUSES)]
type NextAttempt = Annotated[Time | None, Meta(description="The time of the next attempt; null if there will be none.")]


class UsedFrom(Body, frozen=True, kw_only=True):
    """The From that was requested, the From that is used, and the reason."""

    requested: str | None
    used: str
    reason: Annotated[str, one_of(FromReason)]


class Tag(Body, frozen=True, kw_only=True):
    """A tag of a message."""

    name: str
    value: str


class EmailSummary(Body, frozen=True, kw_only=True):
    """A message of the ledger; `transport` and `message_id` are null before the first attempt."""

    id: EmailId
    status: EmailStatus
    transport: str | None
    message_id: str | None
    created_at: Time
    updated_at: Time
    expires_at: Time
    next_attempt_at: NextAttempt
    reason: Annotated[str | None, Meta(description="Why the message is held, deferred or failed.")]
    type: Annotated[str | None, Meta(description="For a system e-mail: the detail-type of its event.")]
    request_id: Annotated[str | None, Meta(description="For a system e-mail: the requestId of its event.")]
    count: Annotated[Count, Meta(description="How many copies were accepted.")]
    diverted_to: DivertedTo | UnsetType = UNSET
    tags: tuple[Tag, ...]
    failovers: tuple[Failover, ...] | UnsetType = UNSET


class EmailRecipient(Body, frozen=True, kw_only=True):
    """A recipient of a message, with the latest verdict."""

    recipient: str
    status: Annotated[str, one_of(("pending", "accepted", "diverted", "rejected", "deferred", "unknown", "error"))]
    code: int | None
    enhanced_code: str | None
    detail: str | None


class EmailAttempt(Body, frozen=True, kw_only=True):
    """One attempt to deliver a message; `result` is null while it is in progress."""

    at: Time
    transport: str
    provider: str | None
    version_id: str | None
    result: AttemptResult | None
    phase: Phase | None
    cause: Cause | None
    code: int | None
    enhanced_code: str | None
    reply: str | None


class Email(EmailSummary, frozen=True, kw_only=True):
    """A message with its recipients and attempts; `from` is null before the first attempt."""

    sender: UsedFrom | None = field(name="from")
    recipients: tuple[EmailRecipient, ...]
    attempts: tuple[EmailAttempt, ...]


class RetriedEmail(Email, frozen=True, kw_only=True):
    """A message that was queued again."""

    may_duplicate: (
        Annotated[Always, Meta(description="A recipient may have received the message already.")] | UnsetType
    ) = UNSET


class ListedEmail(EmailSummary, frozen=True, kw_only=True):
    """A message in a list."""

    recipient_count: Count


class EmailPage(Body, frozen=True, kw_only=True):
    """A page of messages, newest first."""

    emails: Annotated[tuple[ListedEmail, ...], Meta(max_length=MAX_LIMIT)]
    cursor: Annotated[str | None, Meta(description="The cursor of the next page; null on the last page.")]


def email_view(record: Record) -> Email:
    """Show a message."""
    return _email(Email, record)


def page_view(page: Page) -> EmailPage:
    """Show a page of messages."""
    emails = (_summary(ListedEmail, record, recipient_count=len(record.recipients)) for record in page.records)
    return EmailPage(emails=tuple(emails), cursor=page.cursor)


def retried_view(retried: Retried) -> RetriedEmail:
    """Show a message that was queued again."""
    return _email(RetriedEmail, retried.record, may_duplicate=retried.may_duplicate or None)


def shown_status(record: Record) -> str:
    """Return the state's name; a message that a worker has claimed is shown as being sent."""
    return State.SENDING.value if record.state is State.CLAIMED else record.state.value


def next_attempt_at(record: Record) -> str | None:
    """Return the time of the next attempt; None if there will be none."""
    return time_view(record.due_at) if record.due_at is not None and record.state in _WAITING else None


def sender_view(sender: SenderRecord | None) -> UsedFrom | None:
    """Show the From of a message; None before the first attempt."""
    return fill(UsedFrom, sender) if sender is not None else None


def time_view(seconds: float) -> str:
    """Show a time as RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _email[E: Email](kind: type[E], record: Record, **members: object) -> E:
    return _summary(
        kind,
        record,
        sender=sender_view(record.sender),
        recipients=tuple(_recipient_view(each, record.diverted_to) for each in record.recipients),
        attempts=tuple(map(_attempt_view, record.attempts)),
        **members,
    )


def _summary[E: EmailSummary](kind: type[E], record: Record, **members: object) -> E:
    return fill(
        kind,
        record,
        status=shown_status(record),
        created_at=time_view(record.created_at),
        updated_at=time_view(record.updated_at),
        expires_at=time_view(record.expires_at),
        next_attempt_at=next_attempt_at(record),
        type=record.origin,
        count=record.accepted,
        diverted_to=diversion_view(record.diverted_to),
        tags=tuple(Tag(name=name, value=value) for name, value in record.tags),
        failovers=failovers_view(record.failovers),
        **members,
    )


def _recipient_view(recipient: RecipientRecord, diverted_to: Address | None) -> EmailRecipient:
    verdict = recipient.verdict
    status = "pending" if verdict is None else _STATUSES[type(verdict)]
    if diverted_to is not None and isinstance(verdict, Accepted):
        # This copy went to the stage's address, not to the recipient.
        status = "diverted"
    if verdict is None:
        reply, detail = None, None
    elif isinstance(verdict, Accepted):
        reply, detail = verdict.reply, None
    else:
        reply, detail = verdict.failure.reply, verdict.failure.cause.value
    detail = reply.text if reply is not None else detail
    return fill(EmailRecipient, reply, recipient=str(recipient.address), status=status, detail=detail)


def _attempt_view(attempt: AttemptRecord) -> EmailAttempt:
    failure = attempt.failure
    reply = failure.reply if failure is not None else None
    text = reply.text if reply is not None else None
    return fill(EmailAttempt, attempt, failure, reply, at=time_view(attempt.at), reply=text)
