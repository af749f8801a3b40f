"""Verdicts and replies as API callers see them."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body, fill
from mailer.ledger.event import FailoverCause, FailoverResult, failover
from mailer.ledger.record import AttemptRecord, PassedOver
from mailer.message.address import Address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase, Rejected, RelayError, Unknown, Verdict

type DivertedTo = Annotated[
    str,
    Meta(description="On a stage that is not production: the address that gets the message instead of the recipients."),
]


class SmtpFailure(Body, frozen=True, kw_only=True):
    """Where the attempt failed, and the relay's reply if there was one."""

    phase: Phase
    cause: Cause
    code: int | UnsetType = UNSET
    enhanced_code: str | UnsetType | None = UNSET
    reply: Annotated[str, Meta(description="The text of the relay's reply.")] | UnsetType = UNSET


class RefusedRecipient(Body, frozen=True, kw_only=True):
    """A recipient whose copy was not accepted; `detail` is the relay's reply or the cause."""

    recipient: str
    code: int | None
    enhanced_code: str | None
    detail: str


class Failover(Body, frozen=True, kw_only=True):
    """A provider that did not accept the message, or was passed over, before the next provider was tried."""

    provider: str | None
    result: FailoverResult | None
    cause: FailoverCause | None
    code: int | None


def smtp_view(failure: Failure) -> SmtpFailure:
    """Show where an attempt failed, and the relay's reply."""
    reply = failure.reply
    if reply is None:
        return SmtpFailure(phase=failure.phase, cause=failure.cause)
    return SmtpFailure(
        phase=failure.phase, cause=failure.cause, code=reply.code, enhanced_code=reply.enhanced_code, reply=reply.text
    )


def diversion_view(diverted_to: Address | None) -> str | None:
    """Show the address that gets a diverted message instead of its recipients; None if it is not diverted."""
    return None if diverted_to is None else str(diverted_to)


def accepted_view(verdicts: Mapping[Address, Verdict]) -> tuple[str, ...]:
    """List the recipients whose copy was accepted."""
    return tuple(str(recipient) for recipient, verdict in verdicts.items() if isinstance(verdict, Accepted))


def refused_view(
    verdicts: Mapping[Address, Verdict], *kinds: type[Rejected | RelayError | Deferred | Unknown]
) -> tuple[RefusedRecipient, ...]:
    """List the recipients that have a verdict of these kinds, each with the reply or the cause."""
    return tuple(
        _refused_recipient(recipient, verdict.failure)
        for recipient, verdict in verdicts.items()
        if isinstance(verdict, kinds)
    )


def failovers_view(failovers: Sequence[AttemptRecord | PassedOver]) -> tuple[Failover, ...] | None:
    """Show the failovers of a message; None if the first provider was the only one that was tried."""
    return tuple(map(_failover_view, failovers)) or None


def _refused_recipient(recipient: Address, failure: Failure) -> RefusedRecipient:
    reply = failure.reply
    detail = reply.text if reply is not None else failure.cause.value
    return fill(RefusedRecipient, reply, recipient=str(recipient), detail=detail)


def _failover_view(attempt: AttemptRecord | PassedOver) -> Failover:
    return fill(Failover, failover(attempt))
