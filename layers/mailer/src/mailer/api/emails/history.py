"""Messages as the ledger knows them, as HTTP callers see them: every recipient, every attempt, never a content."""

from datetime import UTC, datetime
from typing import assert_never

from mailer.api.verdicts import diversion_view, failovers_view
from mailer.ledger.record import AttemptRecord, RecipientRecord, Record, SenderRecord, State
from mailer.message.address import Address
from mailer.ports import Page
from mailer.service.sending.manage_email import Retried
from mailer.smtp.outcome import Accepted, Deferred, Failure, Rejected, RelayError, Unknown, Verdict

# Those whose `due_at` is an attempt, or a look whether one can be made, and not the end of a worker's time.
_WAITING = frozenset({State.DEFERRED, State.HELD, State.UNKNOWN})


def email_view(record: Record) -> dict[str, object]:
    """Show a message."""
    return {
        **_summary(record),
        "from": sender_view(record.sender),
        "recipients": [_recipient_view(each, record.diverted_to) for each in record.recipients],
        "attempts": [_attempt_view(each) for each in record.attempts],
    }


def page_view(page: Page) -> dict[str, object]:
    """Show a page of messages; `cursor` is where the next one begins."""
    return {
        "emails": [{**_summary(record), "recipient_count": len(record.recipients)} for record in page.records],
        "cursor": page.cursor,
    }


def retried_view(retried: Retried) -> dict[str, object]:
    """Show a message that is on its way again."""
    view = email_view(retried.record)
    return {**view, "may_duplicate": True} if retried.may_duplicate else view


def shown_status(record: Record) -> str:
    """Return the state's name; that a worker has taken a message and not begun is nobody's concern."""
    return State.SENDING.value if record.state is State.CLAIMED else record.state.value


def next_attempt_at(record: Record) -> str | None:
    """Return when the message is tried again, or looked at whether it can be; None where it is not."""
    return time_view(record.due_at) if record.due_at is not None and record.state in _WAITING else None


def sender_view(sender: SenderRecord | None) -> dict[str, str | None] | None:
    """Show which From was asked for, which was used, and why; None before the first attempt."""
    if sender is None:
        return None
    return {"requested": sender.requested, "used": sender.used, "reason": sender.reason}


def _summary(record: Record) -> dict[str, object]:
    return {
        "id": record.id,
        "status": shown_status(record),
        "transport": record.transport,
        "message_id": record.message_id,
        "created_at": time_view(record.created_at),
        "updated_at": time_view(record.updated_at),
        "expires_at": time_view(record.expires_at),
        "next_attempt_at": next_attempt_at(record),
        "reason": record.reason,
        "type": record.origin,
        "request_id": record.request_id,
        "count": record.accepted,
        **diversion_view(record.diverted_to),
        "tags": tags_view(record.tags),
        **failovers_view(record.failovers),
    }


def tags_view(tags: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Show a message's tags."""
    return [{"name": name, "value": value} for name, value in tags]


def _recipient_view(recipient: RecipientRecord, diverted_to: Address | None) -> dict[str, object]:
    status, outcome = _verdict(recipient.verdict)
    if diverted_to is not None and isinstance(outcome, Accepted):
        # Nobody who was meant has a copy: theirs became the one for that address.
        status = "diverted"
    reply = outcome.reply if outcome is not None else None
    detail = reply.text if reply is not None else None
    if reply is None and isinstance(outcome, Failure):
        detail = outcome.cause.value
    return {
        "recipient": str(recipient.address),
        "status": status,
        "code": reply.code if reply is not None else None,
        "enhanced_code": reply.enhanced_code if reply is not None else None,
        "detail": detail,
    }


def _verdict(verdict: Verdict | None) -> tuple[str, Accepted | Failure | None]:
    match verdict:
        case None:
            return "pending", None
        case Accepted():
            return "accepted", verdict
        case Rejected(failure):
            return "rejected", failure
        case Deferred(failure):
            return "deferred", failure
        case Unknown(failure):
            return "unknown", failure
        case RelayError(_, failure):
            return "error", failure
        case unreachable:
            assert_never(unreachable)


def _attempt_view(attempt: AttemptRecord) -> dict[str, object]:
    failure = attempt.failure
    reply = failure.reply if failure is not None else None
    return {
        "at": time_view(attempt.at),
        "transport": attempt.transport,
        "provider": attempt.provider,
        "version_id": attempt.version_id,
        "result": attempt.result.value if attempt.result is not None else None,
        "phase": failure.phase.value if failure is not None else None,
        "cause": failure.cause.value if failure is not None else None,
        "code": reply.code if reply is not None else None,
        "enhanced_code": reply.enhanced_code if reply is not None else None,
        "reply": reply.text if reply is not None else None,
    }


def time_view(seconds: float) -> str:
    """Show a time as RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
