"""The lifecycle of a message: pure transitions from one record to the next.

Rules. A final record changes only by an explicit request. A `SENDING` message may have been accepted: if its worker is
lost, the message becomes unknown, never ready again. Every record that is not final has a `due_at`. The ledger refuses
a write that does not replace the latest revision, so each transition happens once.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import replace
from enum import StrEnum

from mailer.ledger.recipients import (
    finished,
    may_have_copies,
    needs_attempt,
    open_delivery,
    open_retry,
    recipients_at,
    with_verdicts,
    without_repetitions,
)
from mailer.ledger.record import MAX_AGE_SECONDS, AttemptRecord, Record, SenderRecord, State
from mailer.message.address import Address
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, RelayError, Unknown, Verdict

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
# In these states a message can be retried by request, if a recipient is left.
RETRIABLE = frozenset(
    {
        State.HELD,
        State.DEFERRED,
        State.UNKNOWN,
        State.PARTIALLY_SENT,
        State.EXPIRED,
        State.FAILED,
        State.CANCELLED,
    }
)
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
    opened = open_delivery(record, now=now)
    return replace(
        opened, state=State.CLAIMED, updated_at=now, due_at=lease_until, claims=record.claims + 1, reason=None
    )


def mark_sending(record: Record, attempt: AttemptRecord, *, message_id: str, sender: SenderRecord) -> Record:
    """Set the SENDING mark, right before the last octets are written; the lease of the claim stays."""
    return replace(
        record,
        state=State.SENDING,
        updated_at=attempt.at,
        attempts=(*finished(record.attempts), attempt),
        message_id=message_id,
        transport=attempt.transport,
        sender=sender,
    )


def judge(
    record: Record, attempt: AttemptRecord, verdicts: Mapping[Address, Verdict], *, now: float, chance: float
) -> Record:
    """Record one provider's verdicts; the state stays. After all providers were asked, `settle` follows."""
    repeat_at = now + spread(REPEAT_AFTER_SECONDS, chance=chance)
    judged = with_verdicts(record, attempt, verdicts, now=now, repeat_at=repeat_at)
    return replace(judged, transport=attempt.transport)


def settle(record: Record, *, now: float, chance: float) -> Record:
    """Decide what happens after a delivery.

    A pending recipient is tried again later, or waits for an admin if only relay errors are left. An unknown outcome is
    repeated at its time. A message without content cannot be continued, so it ends.
    """
    record = replace(record, claims=0, updated_at=now)
    pending = [each for each in record.recipients if needs_attempt(each)]
    repeats = [each.repeat_at for each in record.recipients if each.repeat_at is not None]
    if not record.has_content or not (pending or any(at < record.expires_at for at in repeats)):
        return _ended(record, State.FAILED if pending else State.REJECTED)
    if not pending:
        return replace(record, state=State.UNKNOWN, due_at=min(repeats), reason=None)
    retry_at, record = _next_try(record, [each.latest for each in pending], now=now, chance=chance)
    due_at = min(retry_at, *repeats, record.expires_at)
    faults = [each.latest.fault for each in pending if isinstance(each.latest, RelayError)]
    if len(faults) == len(pending):
        return hold(record, faults[0].value, now=now, recheck_at=due_at)
    state = State.DEFERRED if any(each.possible_copy is None for each in pending) else State.UNKNOWN
    return replace(record, state=state, due_at=due_at, reason=None)


def settle_lost(record: Record, *, now: float, chance: float) -> Record:
    """Record that the worker of a `SENDING` message was lost: the outcome of its last attempt is unknown."""
    attempt = record.attempts[-1]
    lost = dict.fromkeys(recipients_at(record, attempt.place), _LOST)
    return settle(judge(record, attempt, lost, now=now, chance=chance), now=now, chance=chance)


def hold(record: Record, reason: str, *, now: float, recheck_at: float) -> Record:
    """Hold the message until an admin has acted; the sweep checks it at `recheck_at` in any case."""
    due_at = min(recheck_at, record.expires_at)
    since = record.held_since if record.state is State.HELD else now
    return replace(record, state=State.HELD, updated_at=now, due_at=due_at, reason=reason, claims=0, held_since=since)


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

    A message that is held because the project's own transport was removed may then leave by the server transport. One
    that was cancelled for that reason may not: it is held first.
    """
    expires_at = max(record.expires_at, now + MAX_AGE_SECONDS)
    if record.valid_until is not None:
        expires_at = min(expires_at, record.valid_until)
    own_transport = record.own_transport or (record.is_system and record.reason == Reason.RELAY_REMOVED)
    if record.state is State.HELD and record.reason == Reason.RELAY_REMOVED:
        own_transport = False
    retried = replace(open_retry(record), expires_at=expires_at, claims=0, own_transport=own_transport, retried_at=now)
    return requeue(retried, now=now)


def spread(seconds: float, *, chance: float) -> float:
    """Add up to a fifth of the time, so that messages that failed together are not tried again together."""
    return seconds * (1 + _SPREAD * chance)


def _busy_seconds(waits: int, *, chance: float, longest: float) -> float:
    """Return the seconds to wait for a busy transport: longer each time, and spread at random.

    In this way a backlog adapts to the rate that the transport accepts.
    """
    return min(_SHORTEST_BUSY_SECONDS * float(2 ** min(waits, 10)), longest) * (0.5 + chance)


def _next_try(record: Record, pending: Sequence[Verdict | None], *, now: float, chance: float) -> tuple[float, Record]:
    """Return the time of the next try, and the record with one more wait if the transport is only busy."""
    if _is_throttled(pending):
        longest = _LONGEST_TURN_SECONDS if _wants_connection(pending) else _LONGEST_BUSY_SECONDS
        seconds = _busy_seconds(record.waits, chance=chance, longest=longest)
        return now + seconds, replace(record, waits=record.waits + 1)
    # One delivery counts as one try, even if it asked several providers.
    tried = (each for each in record.attempts if each.result is not None and not each.is_failover)
    tries = sum(not _is_about_traffic(each.failure) for each in tried)
    return now + spread(_STEPS[min(max(tries, 1), len(_STEPS)) - 1], chance=chance), record


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
    """End the message in `state`, or in the state implied by what was, or may have been, accepted."""
    return replace(without_repetitions(record), state=_final_state(record) or state, due_at=None)


def _final_state(record: Record) -> State | None:
    """Return the final state implied by what was, or may have been, accepted; else None."""
    if record.accepted:
        return State.SENT if record.accepted == len(record.recipients) else State.PARTIALLY_SENT
    return State.UNKNOWN if may_have_copies(record) else None
