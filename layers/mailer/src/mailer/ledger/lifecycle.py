"""The lifecycle of a message: pure transitions from one record to the next.

Rules. A final record changes only by an explicit request. A `SENDING` message may have been accepted: if its worker is
lost, the message becomes unknown, never ready again. Every record that is not final has a `due_at`. The ledger refuses
a write that does not replace the latest revision, so each transition happens once.
"""

import math
from collections.abc import Iterable, Mapping
from copy import replace
from enum import StrEnum
from typing import assert_never

from mailer.ledger.record import (
    MAX_AGE_SECONDS,
    AttemptRecord,
    AttemptResult,
    OnUnknown,
    RecipientRecord,
    Record,
    SenderRecord,
    State,
)
from mailer.message.address import Address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase, Rejected, RelayError, Unknown, Verdict

# The waiting times after a deferral, in seconds; up to a fifth is added.
_STEPS = (60.0, 300.0, 1800.0, 7200.0)
_SPREAD = 0.2
# The time before a message with an unknown outcome is repeated: its first copy may need that long to arrive.
REPEAT_AFTER_SECONDS = 300.0
RECHECK_INVALID_SECONDS = 1800.0
RECHECK_UNAVAILABLE_SECONDS = 120.0
_SHORTEST_BUSY_SECONDS = 5.0
_LONGEST_BUSY_SECONDS = 600.0
# The longest wait for a slot or a connection. It is shorter, because the slots keep most of the messages away.
_LONGEST_TURN_SECONDS = 120.0
# A wait that is shorter than this is too short for the sweep, which runs each minute.
_SWEEP_SECONDS = 60.0
# How long a queued message may wait for its worker before the sweep queues it again.
QUEUE_GUARD_SECONDS = 300.0
# Two workers' clocks may differ by this much.
_SKEW_SECONDS = 2.0
MAX_CLAIMS = 5
# Enough for a day of attempts; only a busy transport is asked more often.
MAX_ATTEMPTS_KEPT = 50
# In the order of severity.
_RESULTS: Mapping[type[Verdict], AttemptResult] = {
    Accepted: AttemptResult.ACCEPTED,
    Rejected: AttemptResult.REJECTED,
    Deferred: AttemptResult.DEFERRED,
    RelayError: AttemptResult.RELAY_ERROR,
    Unknown: AttemptResult.UNKNOWN,
}
_SEVERITY = list(_RESULTS)
_LOST = Unknown(Failure(Phase.FINAL, Cause.WORKER_LOST))


class Reason(StrEnum):
    """Why a message is held, waits or has ended, if a transport's reply is not the reason."""

    PROJECT_SMTP_INVALID = "project-smtp-invalid"
    SECRETS_UNAVAILABLE = "secrets-unavailable"
    SENDER_NOT_APPROVED = "sender-not-approved"
    RELAY_PAUSED = "relay-paused"
    RELAY_REMOVED = "relay-removed"
    TRANSPORT_CHANGED = "transport-changed"
    ABANDONED = "abandoned"
    WORKER_CRASHED = "worker-crashed"
    CONTENT_MISSING = "content-missing"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DAILY_LIMIT_REACHED = "daily-limit-reached"
    SUPPRESSED = "suppressed"


class Assessment(StrEnum):
    """What a worker or the sweep must do with a message."""

    READY = "ready"
    WAIT = "wait"
    LOST = "lost"
    ABANDONED = "abandoned"
    CRASHING = "crashing"
    OVERDUE = "overdue"
    DONE = "done"


def assess(record: Record, *, now: float) -> Assessment:
    """Return what to do. An overdue `SENDING` message is lost. An overdue claim is ready if its content is stored."""
    if record.is_final:
        return Assessment.DONE
    is_due = record.due_at is not None and now >= record.due_at
    match record.state:
        case State.SENDING:
            return Assessment.LOST if is_due else Assessment.WAIT
        case State.CLAIMED if not is_due:
            return Assessment.WAIT
        case State.CLAIMED if not record.has_content:
            return Assessment.ABANDONED
        case _ if now >= record.expires_at:
            return Assessment.OVERDUE
        case State.QUEUED if record.due_at is not None and now + _SKEW_SECONDS < record.due_at - QUEUE_GUARD_SECONDS:
            # The delivery for that time is queued already; a worker now would queue a second one.
            return Assessment.WAIT
        case State.CLAIMED | State.QUEUED | State.HELD:
            return Assessment.CRASHING if record.claims >= MAX_CLAIMS else Assessment.READY
        case State.DEFERRED | State.UNKNOWN:
            return Assessment.READY if is_due else Assessment.WAIT
        case _:
            return Assessment.DONE


def claim(record: Record, *, now: float, lease_until: float) -> Record:
    """Claim the message for one attempt; no other worker may claim it before the lease ends."""
    return replace(
        record, state=State.CLAIMED, updated_at=now, due_at=lease_until, claims=record.claims + 1, reason=None
    )


def mark_sending(record: Record, attempt: AttemptRecord, *, message_id: str, sender: SenderRecord) -> Record:
    """Set the SENDING mark, right before the last octets are written; the lease of the claim stays."""
    return replace(
        record,
        state=State.SENDING,
        updated_at=attempt.at,
        attempts=(*_finished(record.attempts), attempt),
        message_id=message_id,
        transport=attempt.transport,
        sender=sender,
    )


def settle(
    record: Record, attempt: AttemptRecord, verdicts: Mapping[Address, Verdict], *, now: float, chance: float
) -> Record:
    """Record an attempt's verdicts, and the state that follows.

    `attempt` replaces the attempt that the SENDING mark has recorded, if any. Deferred recipients are tried again
    later, relay errors wait for an admin, and an unknown outcome is repeated once if `on_unknown` says so.
    """
    settled = replace(_judged(record, attempt, verdicts, now=now), claims=0, transport=attempt.transport)
    return _with_next_state(settled, now=now, chance=chance)


def record_failover(
    record: Record, attempt: AttemptRecord, verdicts: Mapping[Address, Verdict], *, now: float
) -> Record:
    """Record one provider's verdicts before the next provider is asked; the message stays claimed."""
    return replace(_judged(record, replace(attempt, is_failover=True), verdicts, now=now), state=State.CLAIMED)


def settle_lost(record: Record, *, now: float, chance: float) -> Record:
    """Record that the worker of a `SENDING` message was lost: the verdict of every recipient to serve is unknown."""
    return settle(
        record, record.attempts[-1], dict.fromkeys(recipients_to_serve(record), _LOST), now=now, chance=chance
    )


def is_pending(verdict: Verdict | None) -> bool:
    """Whether the recipient needs another attempt: it has no verdict, or was provably neither accepted nor rejected."""
    match verdict:
        case None | Deferred() | RelayError():
            return True
        case Accepted() | Rejected() | Unknown():
            return False
        case unreachable:
            assert_never(unreachable)


def recipients_to_serve(record: Record) -> tuple[Address, ...]:
    """Return the next attempt's recipients: the pending recipients or, if there are none, the unknown recipients."""
    pending = tuple(each.address for each in record.recipients if is_pending(each.verdict))
    if pending:
        return pending
    return tuple(each.address for each in record.recipients if isinstance(each.verdict, Unknown))


def unknown_attempt(record: Record) -> AttemptRecord | None:
    """Return the last attempt with an unknown outcome. After such an attempt no other transport may be asked."""
    return next((each for each in reversed(record.attempts) if each.result is AttemptResult.UNKNOWN), None)


def hold(record: Record, reason: str, *, now: float, recheck_at: float) -> Record:
    """Hold the message until an admin has acted; the sweep checks it at `recheck_at` in any case."""
    due_at = min(recheck_at, record.expires_at)
    return replace(record, state=State.HELD, updated_at=now, due_at=due_at, reason=reason, claims=0)


def postpone(record: Record, *, now: float, until: float, reason: str | None = None) -> Record:
    """Defer the message without counting an attempt."""
    due_at = min(until, record.expires_at)
    return replace(record, state=State.DEFERRED, updated_at=now, due_at=due_at, reason=reason, claims=0)


def requeue(record: Record, *, now: float, delay: float = 0.0) -> Record:
    """Queue the message; if no worker handles it, the sweep queues it again."""
    due_at = now + delay + QUEUE_GUARD_SECONDS
    return replace(record, state=State.QUEUED, updated_at=now, due_at=due_at, reason=None)


def recheck(record: Record, *, now: float) -> Record:
    """Keep the message held while a worker checks it; if no worker does, the sweep calls another one."""
    return replace(record, updated_at=now, due_at=min(now + QUEUE_GUARD_SECONDS, record.expires_at))


def requeue_busy(record: Record, *, now: float, chance: float) -> tuple[Record, int]:
    """Queue the message again because no slot is free; return the record and the delay in seconds."""
    delay = int(_busy_seconds(record.waits, chance=chance, longest=_LONGEST_TURN_SECONDS))
    return requeue(replace(record, waits=record.waits + 1), now=now, delay=delay), delay


def seconds_to_turn(record: Record, *, now: float) -> int | None:
    """Return the delay of the queue entry for a message that waits shortly for a busy transport.

    None if the message does not wait for that, or so long that the sweep finds it.
    """
    verdicts = [each.verdict for each in record.recipients]
    if record.state is not State.DEFERRED or record.due_at is None or not _is_throttled(verdicts):
        return None
    seconds = math.ceil(record.due_at - now)
    return max(0, seconds) if seconds < _SWEEP_SECONDS else None


def conclude(record: Record, state: State, reason: str, *, now: float) -> Record:
    """End the message in `state`. If a copy was or may have been accepted, the state that says so is used instead."""
    return _ended(replace(record, updated_at=now, reason=reason), state)


def retry(record: Record, *, now: float) -> Record:
    """Queue the message again by request, for the recipients that have neither accepted nor rejected it.

    A message that is held because the project's own transport was removed may then leave by the server transport.
    """
    recipients = tuple(
        each
        if isinstance(each.verdict, Accepted | Rejected)
        else RecipientRecord(each.address, earlier_unknown=_earlier_unknown(each))
        for each in record.recipients
    )
    expires_at = max(record.expires_at, now + MAX_AGE_SECONDS)
    if record.valid_until is not None:
        expires_at = min(expires_at, record.valid_until)
    own_transport = record.own_transport and record.reason != Reason.RELAY_REMOVED
    retried = replace(record, recipients=recipients, expires_at=expires_at, claims=0, own_transport=own_transport)
    return requeue(retried, now=now)


def spread(seconds: float, *, chance: float) -> float:
    """Add up to a fifth of the time, so that messages that failed together are not tried again together."""
    return seconds * (1 + _SPREAD * chance)


def _busy_seconds(waits: int, *, chance: float, longest: float) -> float:
    """Return the seconds to wait for a busy transport: longer each time, and spread at random.

    In this way a backlog adapts to the rate that the transport accepts.
    """
    return min(_SHORTEST_BUSY_SECONDS * float(2 ** min(waits, 10)), longest) * (0.5 + chance)


def _judged(record: Record, attempt: AttemptRecord, verdicts: Mapping[Address, Verdict], *, now: float) -> Record:
    """Record the attempt's worst verdict, and the verdict of each recipient."""
    worst = max(verdicts.values(), key=lambda verdict: _SEVERITY.index(type(verdict)))
    failure = None if isinstance(worst, Accepted) else worst.failure
    ended = replace(attempt, result=_RESULTS[type(worst)], failure=failure)
    return replace(
        record,
        updated_at=now,
        attempts=_newest((*_finished(record.attempts), ended)),
        recipients=tuple(
            replace(each, verdict=verdicts[each.address], earlier_unknown=_earlier_unknown(each))
            if each.address in verdicts
            else each
            for each in record.recipients
        ),
    )


def _earlier_unknown(recipient: RecipientRecord) -> Unknown | None:
    """Return the latest unknown verdict, before the next attempt replaces it."""
    return recipient.verdict if isinstance(recipient.verdict, Unknown) else recipient.earlier_unknown


def _with_next_state(record: Record, *, now: float, chance: float) -> Record:
    verdicts = [each.verdict for each in record.recipients]
    faults = [verdict.fault for verdict in verdicts if isinstance(verdict, RelayError)]
    # One delivery counts as one try, even if it asked several providers.
    tried = (each for each in record.attempts if each.result is not None and not each.is_failover)
    tries = sum(not _is_about_traffic(each.failure) for each in tried)
    due_at = now + spread(_STEPS[min(max(tries, 1), len(_STEPS)) - 1], chance=chance)
    if _is_throttled(verdicts):
        longest = _LONGEST_TURN_SECONDS if _wants_connection(verdicts) else _LONGEST_BUSY_SECONDS
        due_at = now + _busy_seconds(record.waits, chance=chance, longest=longest)
        record = replace(record, waits=record.waits + 1)
    due_at = min(due_at, record.expires_at)
    if faults and record.has_content:
        return hold(record, faults[0].value, now=now, recheck_at=due_at)
    if any(verdict is None or isinstance(verdict, Deferred) for verdict in verdicts) and record.has_content:
        return replace(record, state=State.DEFERRED, due_at=due_at, reason=None)
    if any(is_pending(verdict) for verdict in verdicts):
        return _ended(record, State.FAILED)
    unknowns = sum(each.result is AttemptResult.UNKNOWN for each in record.attempts)
    state = _final_state(record) or State.REJECTED
    has_unknown = any(isinstance(verdict, Unknown) for verdict in verdicts)
    may_repeat = record.on_unknown is OnUnknown.RETRY and record.has_content and unknowns == 1 and has_unknown
    repeat_at = now + spread(REPEAT_AFTER_SECONDS, chance=chance)
    if state is State.UNKNOWN and may_repeat and repeat_at < record.expires_at:
        return replace(record, state=state, due_at=repeat_at)
    return _ended(record, state)


def _is_throttled(verdicts: Iterable[Verdict | None]) -> bool:
    """Whether the transport only asked for fewer messages at a time, so its reply is not about this message."""
    deferred = [verdict for verdict in verdicts if isinstance(verdict, Deferred)]
    return bool(deferred) and all(_is_about_traffic(verdict.failure) for verdict in deferred)


def _wants_connection(verdicts: Iterable[Verdict | None]) -> bool:
    deferred = (verdict for verdict in verdicts if isinstance(verdict, Deferred))
    return all(verdict.failure.cause is Cause.TOO_MANY_CONNECTIONS for verdict in deferred)


def _is_about_traffic(failure: Failure | None) -> bool:
    return failure is not None and failure.cause in (Cause.THROTTLED, Cause.TOO_MANY_CONNECTIONS)


def _ended(record: Record, state: State) -> Record:
    """End the message in `state`, or in the state implied by what was, or may have been, accepted.

    A recipient whose copy may have been accepted ends as unknown, even if a later attempt failed.
    """
    recipients = tuple(
        replace(each, verdict=each.earlier_unknown)
        if each.earlier_unknown is not None and not isinstance(each.verdict, Accepted)
        else each
        for each in record.recipients
    )
    return replace(record, state=_final_state(record) or state, due_at=None, recipients=recipients)


def _final_state(record: Record) -> State | None:
    """Return the final state implied by what was, or may have been, accepted; else None."""
    if record.accepted:
        return State.SENT if record.accepted == len(record.recipients) else State.PARTIALLY_SENT
    if unknown_attempt(record) is not None:
        return State.UNKNOWN
    return None


def _finished(attempts: tuple[AttemptRecord, ...]) -> tuple[AttemptRecord, ...]:
    return attempts[:-1] if attempts and attempts[-1].result is None else attempts


def _newest(attempts: tuple[AttemptRecord, ...]) -> tuple[AttemptRecord, ...]:
    """Drop the oldest attempts over the limit, but keep unknown ones: they restrict the message to a transport."""
    while len(attempts) > MAX_ATTEMPTS_KEPT:
        known = (index for index, each in enumerate(attempts[:-1]) if each.result is not AttemptResult.UNKNOWN)
        dropped = next(known, 0)
        attempts = attempts[:dropped] + attempts[dropped + 1 :]
    return attempts
