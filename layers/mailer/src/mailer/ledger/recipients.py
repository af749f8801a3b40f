"""What is known of each recipient from all attempts, and the recipients that an attempt serves.

A delivery asks one provider after another. `merge` combines their verdicts, so that a provider never makes a
recipient's outcome worse than it is without that provider. A recipient whose copy may have been accepted is served
again only by the transport that may have accepted it.
"""

from collections.abc import Callable, Collection, Mapping
from copy import replace
from typing import assert_never

from mailer.ledger.record import (
    AttemptRecord,
    AttemptResult,
    OnUnknown,
    PassedOver,
    PossibleCopy,
    RecipientRecord,
    Record,
    State,
)
from mailer.message.address import Address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase, Rejected, RelayError, Unknown, Verdict

# The transport and the endpoint of an attempt.
type Place = tuple[str, str | None]

# Enough for a day of attempts; only a busy transport is asked more often.
MAX_ATTEMPTS_KEPT = 50
_MAX_PASSED_OVER_KEPT = 20
# In the order of severity.
_RESULTS: Mapping[type[Verdict], AttemptResult] = {
    Accepted: AttemptResult.ACCEPTED,
    Rejected: AttemptResult.REJECTED,
    Deferred: AttemptResult.DEFERRED,
    RelayError: AttemptResult.RELAY_ERROR,
    Unknown: AttemptResult.UNKNOWN,
}
_SEVERITY = list(_RESULTS)


def merge(known: Verdict | None, new: Verdict) -> Verdict:
    """Combine the verdicts of two providers that one delivery has asked for the same recipient.

    An acceptance and an unknown outcome win. A deferral stays, whatever a later provider says about itself or the
    recipient: the provider that deferred may accept later.
    """
    return new if known is None or _weight(new) >= _weight(known) else known


def is_pending(verdict: Verdict | None) -> bool:
    """Whether the recipient needs another attempt: it has no verdict, or was provably neither accepted nor rejected."""
    match verdict:
        case None | Deferred() | RelayError():
            return True
        case Accepted() | Rejected() | Unknown():
            return False
        case unreachable:
            assert_never(unreachable)


def needs_attempt(recipient: RecipientRecord) -> bool:
    """Whether the recipient is pending; a forgotten recipient never is."""
    return not recipient.is_forgotten and is_pending(recipient.latest)


def recipients_to_serve(record: Record, *, now: float) -> tuple[Address, ...]:
    """Return the next delivery's recipients: those that are pending, and those whose repetition is due."""
    return tuple(each.address for each in record.recipients if _is_due(each, now=now))


def recipients_at(record: Record, place: Place) -> tuple[Address, ...]:
    """Return the recipients that the transport at `place` may serve in the current delivery."""
    return tuple(
        each.address
        for each in record.recipients
        if needs_attempt(each) and (each.possible_copy is None or each.possible_copy.place == place)
    )


def recipients_left(record: Record) -> tuple[Address, ...]:
    """Return the recipients that a retry serves: those that were neither accepted nor rejected."""
    return tuple(each.address for each in record.recipients if _is_left(each))


def may_have_copies(record: Record) -> bool:
    """Whether a recipient has a copy, or may have one."""
    return any(isinstance(each.verdict, Accepted | Unknown) for each in record.recipients)


def open_delivery(record: Record, *, now: float) -> Record:
    """Reset the recipients to serve, so that the verdicts of the new delivery replace those of the last one."""
    return _changed(record, lambda each: replace(each, latest=None, repeat_at=None) if _is_due(each, now=now) else each)


def open_retry(record: Record) -> Record:
    """Reset the recipients that a retry serves."""
    return _changed(record, lambda each: replace(each, latest=None, repeat_at=None) if _is_left(each) else each)


def give_up_repetitions(record: Record, places: Collection[Place], *, now: float) -> Record:
    """Leave recipients unknown if the transport that may have accepted their copy is not among `places`."""

    def given_up(each: RecipientRecord) -> RecipientRecord:
        possible = each.possible_copy
        if possible is None or possible.place in places or not _is_due(each, now=now):
            return each
        return replace(each, latest=Unknown(possible.failure), repeat_at=None)

    return _changed(record, given_up)


def with_verdicts(
    record: Record, attempt: AttemptRecord, verdicts: Mapping[Address, Verdict], *, now: float, repeat_at: float
) -> Record:
    """Record one provider's verdicts: the attempt with its worst verdict, and the merged verdict of each recipient.

    `attempt` replaces the attempt that the SENDING mark has recorded, if any. After its first unknown outcome a
    recipient is served again at `repeat_at`, if `on_unknown` says so.
    """
    worst = max(verdicts.values(), key=lambda verdict: _SEVERITY.index(type(verdict)))
    failure = None if isinstance(worst, Accepted) else worst.failure
    ended = replace(attempt, result=_RESULTS[type(worst)], failure=failure)
    due = repeat_at if record.on_unknown is OnUnknown.RETRY else None

    def changed(each: RecipientRecord) -> RecipientRecord:
        verdict = verdicts.get(each.address)
        return each if verdict is None else _judged(each, attempt, verdict, due)

    attempts = _newest((*finished(record.attempts), ended))
    return _changed(replace(record, updated_at=now, attempts=attempts), changed)


def note_failover(record: Record, *, now: float) -> Record:
    """Record that the next provider is asked, and remove the SENDING mark: the message is claimed again."""
    last = replace(record.attempts[-1], is_failover=True)
    return replace(record, state=State.CLAIMED, updated_at=now, attempts=(*record.attempts[:-1], last))


def pass_over(record: Record, passed: tuple[PassedOver, ...]) -> Record:
    """Record providers that were not asked; the oldest are dropped."""
    return replace(record, passed_over=(*record.passed_over, *passed)[-_MAX_PASSED_OVER_KEPT:])


def doubt_pending(record: Record) -> Record:
    """Make pending recipients unknown: a worker that serves them later may exist, or not."""
    last = record.attempts[-1]
    doubt = PossibleCopy(last.transport, last.endpoint, Failure(Phase.FINAL, Cause.WORKER_LOST))
    return _changed(
        record,
        lambda each: (
            replace(each, latest=Unknown(doubt.failure), possible_copy=each.possible_copy or doubt)
            if is_pending(each.latest)
            else each
        ),
    )


def without_repetitions(record: Record) -> Record:
    """Return the record without any repetition of an unknown outcome."""
    return _changed(record, lambda each: replace(each, repeat_at=None))


def finished(attempts: tuple[AttemptRecord, ...]) -> tuple[AttemptRecord, ...]:
    """Return the attempts that have a result."""
    return attempts[:-1] if attempts and attempts[-1].result is None else attempts


def _judged(
    recipient: RecipientRecord, attempt: AttemptRecord, verdict: Verdict, repeat_at: float | None
) -> RecipientRecord:
    merged = merge(recipient.latest, verdict)
    if not isinstance(merged, Unknown) or recipient.possible_copy is not None:
        return replace(recipient, latest=merged, repeat_at=None)
    possible = PossibleCopy(attempt.transport, attempt.endpoint, merged.failure)
    return replace(recipient, latest=merged, possible_copy=possible, repeat_at=repeat_at)


def _weight(verdict: Verdict) -> int:
    match verdict:
        case Accepted():
            return 5
        case Unknown():
            return 4
        case Deferred(failure):
            # A provider that has answered may accept at its next try; one that cannot be reached says nothing.
            return 2 if failure.is_unreachable else 3
        case RelayError():
            return 1
        case Rejected():
            return 0
        case unreachable:
            assert_never(unreachable)


def _is_left(recipient: RecipientRecord) -> bool:
    return not recipient.is_forgotten and not isinstance(recipient.latest, Accepted | Rejected)


def _is_due(recipient: RecipientRecord, *, now: float) -> bool:
    if recipient.repeat_at is not None:
        return recipient.repeat_at <= now
    return needs_attempt(recipient)


def _changed(record: Record, change: Callable[[RecipientRecord], RecipientRecord]) -> Record:
    return replace(record, recipients=tuple(map(change, record.recipients)))


def _newest(attempts: tuple[AttemptRecord, ...]) -> tuple[AttemptRecord, ...]:
    """Drop the oldest attempts over the limit, but keep those with an unknown outcome."""
    while len(attempts) > MAX_ATTEMPTS_KEPT:
        known = (index for index, each in enumerate(attempts[:-1]) if each.result is not AttemptResult.UNKNOWN)
        dropped = next(known, 0)
        attempts = attempts[:dropped] + attempts[dropped + 1 :]
    return attempts
