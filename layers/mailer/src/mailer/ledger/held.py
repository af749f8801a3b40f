"""What happens to waiting messages after an admin's decision, or after the removal of the project's transport."""

from copy import replace
from enum import StrEnum

import msgspec

from mailer.ledger.recipients import is_pending
from mailer.ledger.record import Record, State


class HeldChoice(StrEnum):
    """What an admin wants for held messages: the server transport sends them, they are cancelled, or they stay held."""

    SEND = "send"
    CANCEL = "cancel"
    KEEP = "keep"


class HeldDecision(msgspec.Struct, frozen=True):
    """An admin's choice at the time `at`, in seconds since the epoch of the clock.

    With `is_about_removal` it covers the messages that waited for the removed transport at that time, queued and
    deferred ones included. Otherwise it is a cancellation of the messages that were held at that time.
    """

    choice: HeldChoice
    at: float
    is_about_removal: bool = True


def decide(choice: HeldChoice, *, is_removed: bool, now: float) -> HeldDecision | None:
    """Return the decision to record. If the project has a transport, only a cancellation must be recorded."""
    if is_removed:
        return HeldDecision(choice, now)
    return HeldDecision(choice, now, is_about_removal=False) if choice is HeldChoice.CANCEL else None


def without_removal(decision: HeldDecision | None) -> HeldDecision | None:
    """Return what is left of a decision when a transport is configured: the cancellation of what was held then."""
    is_cancellation = decision is not None and decision.choice is HeldChoice.CANCEL
    return replace(decision, is_about_removal=False) if decision is not None and is_cancellation else None


def choose(record: Record, decision: HeldDecision | None, *, is_removed: bool) -> HeldChoice:
    """Return what to do with a waiting message; `is_removed` is true if the project has no transport of its own.

    A message that waited for the project's own transport is sent by the server transport only if the admin has chosen
    that after the removal. The transport of a system e-mail is not known before its delivery, so a decision about the
    removal covers every system e-mail until then. `SEND` means the transport that the project has now.
    """
    if decision is not None and decision.choice is HeldChoice.CANCEL and _was_held(record, decision.at):
        return HeldChoice.CANCEL
    if not is_removed or not any(is_pending(each.verdict) for each in record.recipients):
        return HeldChoice.SEND
    is_covered = decision is not None and decision.is_about_removal and _requested_at(record) <= decision.at
    if decision is not None and is_covered and (record.own_transport or record.is_system):
        return decision.choice
    return HeldChoice.KEEP if record.own_transport else HeldChoice.SEND


def _was_held(record: Record, at: float) -> bool:
    return record.state is State.HELD and record.held_since is not None and record.held_since <= at


def _requested_at(record: Record) -> float:
    return record.created_at if record.retried_at is None else record.retried_at
