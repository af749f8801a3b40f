"""The epoch of a project's secret: the changes that the service knows of.

Every function reads the epoch with each message. A secret that was read under an older epoch is not used any more. A
change is announced before it is made and again after it. While it is pending, no cached secret is used: so a change
also counts if its maker is lost between the two.
"""

from copy import replace

import msgspec

from mailer.ledger.held import HeldChoice, HeldDecision, decide, without_removal

# A function that changes a secret has certainly ended after this time, and so has the use of a secret that was read
# before its change: an invocation lasts 30 s, and a reading is used for at most 60 s.
PENDING_SECONDS = 120.0
# Secrets Manager is eventually consistent: for this time after a change it may return the version before.
SETTLING_SECONDS = 60.0
_MAX_REPLACED = 10


class PendingChange(msgspec.Struct, frozen=True):
    """A change that was announced: the epoch's number at that time, and the end of its effect on caches."""

    number: int
    until: float


class Epoch(msgspec.Struct, frozen=True):
    """How often the secret changed. `number` counts the writes; each write replaces exactly the number before.

    `version_id` is the version that the last change over the API stored, at `changed_at`. `replaced` has the versions
    that such changes replaced, the latest last. `held` is an admin's choice about waiting messages; it is part of the
    epoch because a worker needs both.
    """

    number: int = 0
    pending: tuple[PendingChange, ...] = ()
    version_id: str | None = None
    changed_at: float = 0.0
    replaced: tuple[str, ...] = ()
    held: HeldDecision | None = None

    def is_pending(self, *, now: float) -> bool:
        """Whether a change is being made, so that no cached secret may be used."""
        return any(now < change.until for change in self.pending)

    def is_settling(self, *, now: float) -> bool:
        """Whether Secrets Manager may still return a version that the last change replaced."""
        return self.version_id is not None and now < self.changed_at + SETTLING_SECONDS


def advance(epoch: Epoch, *, now: float, edited_at: float | None = None) -> Epoch:
    """Return the next epoch: a secret that was read before is not used any more.

    `edited_at` is the time of an edit by another program. If it came after the last change over the API, every state of
    the secret may be current.
    """
    pending = tuple(each for each in epoch.pending if now < each.until)
    is_later = edited_at is not None and edited_at > epoch.changed_at
    version_id = None if is_later else epoch.version_id
    return replace(epoch, number=epoch.number + 1, pending=pending, version_id=version_id)


def begin_change(epoch: Epoch, *, now: float, removes: bool = False) -> Epoch:
    """Announce a change; the number of the new epoch identifies it.

    If the change removes the project's transport (`removes`), an earlier choice about waiting messages is over: they
    stay held until the end of the change tells the choice that belongs to it.
    """
    following = advance(epoch, now=now)
    held = HeldDecision(HeldChoice.KEEP, now) if removes else following.held
    pending = (*following.pending, PendingChange(following.number, now + PENDING_SECONDS))
    return replace(following, pending=pending, held=held)


def end_change(
    epoch: Epoch,
    number: int,
    *,
    version_id: str,
    replaced: str | None,
    now: float,
    configures: bool = False,
    choice: HeldChoice | None = None,
) -> Epoch:
    """Announce that the change `number` has stored this version in place of the version `replaced`.

    If the version configures a transport (`configures`), an earlier choice about a removed transport is over. `choice`
    came with the change.
    """
    following = cancel_change(epoch, number, now=now)
    before = (*following.replaced, *(() if replaced is None else (replaced,)))
    held = without_removal(following.held) if configures else following.held
    if choice is not None:
        held = decide(choice, is_removed=not configures, now=now) or held
    return replace(following, version_id=version_id, changed_at=now, replaced=before[-_MAX_REPLACED:], held=held)


def cancel_change(epoch: Epoch, number: int, *, now: float) -> Epoch:
    """Announce that the change `number` was not made."""
    following = advance(epoch, now=now)
    return replace(following, pending=tuple(each for each in following.pending if each.number != number))


def decide_held(epoch: Epoch, choice: HeldChoice, *, is_removed: bool, now: float) -> Epoch:
    """Record an admin's choice about waiting messages; it replaces an earlier one.

    `is_removed` is true if the project has no transport of its own.
    """
    return replace(advance(epoch, now=now), held=decide(choice, is_removed=is_removed, now=now))


def note_transport(epoch: Epoch, number: int, *, now: float) -> Epoch:
    """Record that a transport was configured in the epoch `number`: a choice about a removed transport is over.

    Nothing changes if the epoch is a later one.
    """
    held = without_removal(epoch.held)
    if epoch.number != number or held == epoch.held:
        return epoch
    return replace(advance(epoch, now=now), held=held)
