"""Erase a recipient's address from a record. Its counts, codes and times stay."""

from copy import replace
from typing import assert_never

from mailer.ledger.event import plain_request_id
from mailer.ledger.record import FORGOTTEN, AttemptRecord, RecipientRecord, Record
from mailer.message.address import Address
from mailer.smtp.outcome import Accepted, Deferred, Failure, Rejected, RelayError, Unknown, Verdict


def concerns(record: Record, address: Address) -> bool:
    """Whether the address is a recipient of the message, in any case."""
    return any(each.address.matches(address) for each in record.recipients)


def forget(record: Record, address: Address) -> Record:
    """Return the record of an ended message without the address.

    The texts of replies, the tags and the requested From may repeat the address, so they are erased too. Without its
    content the message cannot be retried. `updated_at` stays, so that the record is not kept longer.
    """
    return replace(
        record,
        recipients=tuple(_without(each, address) for each in record.recipients),
        attempts=tuple(map(_attempt, record.attempts)),
        sender=None if record.sender is None else replace(record.sender, requested=None),
        request_id=plain_request_id(record.request_id),
        tags=(),
        has_content=False,
    )


def _without(recipient: RecipientRecord, address: Address) -> RecipientRecord:
    copy = recipient.possible_copy
    return replace(
        recipient,
        address=FORGOTTEN if recipient.address.matches(address) else recipient.address,
        latest=None if recipient.latest is None else _verdict(recipient.latest),
        possible_copy=None if copy is None else replace(copy, failure=_failure(copy.failure)),
    )


def _attempt(attempt: AttemptRecord) -> AttemptRecord:
    return attempt if attempt.failure is None else replace(attempt, failure=_failure(attempt.failure))


def _verdict(verdict: Verdict) -> Verdict:
    match verdict:
        case Accepted(reply):
            return Accepted(replace(reply, text=""))
        case RelayError(fault, failure):
            return RelayError(fault, _failure(failure))
        case Rejected() | Deferred() | Unknown():
            return type(verdict)(_failure(verdict.failure))
        case unreachable:
            assert_never(unreachable)


def _failure(failure: Failure) -> Failure:
    return failure if failure.reply is None else replace(failure, reply=replace(failure.reply, text=""))
