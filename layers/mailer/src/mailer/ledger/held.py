"""What happens to the waiting messages of a project that no longer has a transport of its own."""

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
    """An admin's choice about the messages that were accepted until `at`, in seconds since the epoch of the clock."""

    choice: HeldChoice
    at: float


def choose(record: Record, decision: HeldDecision | None, *, is_removed: bool) -> HeldChoice:
    """Return what to do with a waiting message; `is_removed` is true if the project has no transport of its own.

    A message that waited for the project's own transport is sent by the server transport only if the admin has chosen
    that. `SEND` means the transport that the project has now.
    """
    chosen = decision.choice if decision is not None and record.created_at <= decision.at else HeldChoice.KEEP
    if chosen is HeldChoice.CANCEL and record.state is State.HELD:
        return HeldChoice.CANCEL
    waits_for_own = record.own_transport and any(is_pending(each.verdict) for each in record.recipients)
    return chosen if is_removed and waits_for_own else HeldChoice.SEND
