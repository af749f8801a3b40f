"""Deliver a message that was accepted for later: one look, at most one attempt, and what follows from it.

Whoever looks twice, or at the same time as another, finds that there is nothing to do: only the holder of the latest
revision goes on, and what is `SENDING` is nobody else's.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import assert_never

import msgspec

from mailer import pace
from mailer.backoff import RECHECK_INVALID_SECONDS, RECHECK_UNAVAILABLE_SECONDS, spread
from mailer.draft import StoredDraft
from mailer.errors import ContentUnavailable, LedgerUnavailable, SenderNotApproved
from mailer.lifecycle import (
    Assessment,
    Reason,
    assess,
    claim,
    conclude,
    hold,
    postpone,
    recipients_to_serve,
    settle,
    settle_lost,
    unknown_attempt,
    wait_turn,
)
from mailer.notice import email_notice
from mailer.outcome import Attempt, Deferred, Phase, RelayError, RelayFault, Verdict
from mailer.ports import (
    Delivery,
    DeliveryQueue,
    DraftStore,
    Ledger,
    NoticeBoard,
    RelayTransport,
    SecretStore,
    ServerTransport,
    Superseded,
)
from mailer.project import ProjectId
from mailer.record import Record, State
from mailer.resolution import ConfigurationInvalid, ConfigurationUnavailable, UseProjectRelay, UseServer
from mailer.service.attempt import attempt_message, endpoint
from mailer.service.decide import ByRelay, Decision, decide
from mailer.service.read_configuration import read_configuration
from mailer.settings import Settings

_NO_CONVERSATION = frozenset(
    {Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.AUTH}
)
_KEPT_FOR_A_REPEAT = frozenset({State.UNKNOWN, State.EXPIRED, State.CANCELLED, State.FAILED})


class DeliverPorts(msgspec.Struct, frozen=True):
    """What delivering touches."""

    settings: Settings
    secrets: SecretStore
    relay: RelayTransport
    server: ServerTransport
    ledger: Ledger
    drafts: DraftStore
    queue: DeliveryQueue
    notices: NoticeBoard
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    chance: Callable[[], float]


class Look(StrEnum):
    """What a look at a message came to."""

    SETTLED = "settled"
    NOTHING_TO_DO = "nothing-to-do"
    NOT_FOUND = "not-found"
    TAKEN_BY_ANOTHER = "taken-by-another"


class Delivered(msgspec.Struct, frozen=True):
    """The look, the record after it where it changed, and the verdicts where there was an attempt."""

    look: Look
    record: Record | None = None
    attempt: Attempt | None = None


def deliver_email(
    project_id: ProjectId | None, id: str, *, ports: DeliverPorts, deadline: float, lease_seconds: float
) -> Delivered:
    """Look at the message and do what is to be done.

    Raises `LedgerUnavailable` where the ledger gives no answer: the queue brings the message again.
    """
    record = ports.ledger.find(project_id, id)
    if record is None:
        return Delivered(Look.NOT_FOUND)
    try:
        return _deliver(record, ports, deadline, lease_seconds)
    except Superseded:
        return Delivered(Look.TAKEN_BY_ANOTHER)


def settle_overdue(record: Record, *, ports: DeliverPorts) -> Record | None:
    """Do what time alone has decided about a record; None where a worker is to look at it.

    Raises `Superseded` and `LedgerUnavailable`.
    """
    now = _now(ports)
    match assess(record, now=now):
        case Assessment.LOST:
            return _write(settle_lost(record, now=now, chance=ports.chance()), ports)
        case Assessment.ABANDONED:
            return _write(conclude(record, State.FAILED, Reason.ABANDONED, now=now), ports)
        case Assessment.CRASHING:
            return _write(conclude(record, State.FAILED, Reason.WORKER_CRASHED, now=now), ports)
        case Assessment.OVERDUE:
            return _write(conclude(record, State.EXPIRED, Reason.EXPIRED, now=now), ports)
        case Assessment.READY | Assessment.WAIT | Assessment.DONE:
            return None
        case unreachable:
            assert_never(unreachable)


def _deliver(record: Record, ports: DeliverPorts, deadline: float, lease_seconds: float) -> Delivered:
    settled = settle_overdue(record, ports=ports)
    if settled is not None:
        return Delivered(Look.SETTLED, settled)
    if assess(record, now=_now(ports)) is not Assessment.READY:
        return Delivered(Look.NOTHING_TO_DO)
    configured = read_configuration(
        record.project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline
    ).resolution
    match configured:
        case ConfigurationInvalid():
            return _held(record, Reason.PROJECT_SMTP_INVALID, RECHECK_INVALID_SECONDS, ports)
        case ConfigurationUnavailable():
            return _held(record, Reason.SECRETS_UNAVAILABLE, RECHECK_UNAVAILABLE_SECONDS, ports)
        case UseProjectRelay() | UseServer():
            pass
        case unreachable:
            assert_never(unreachable)
    try:
        stored = ports.drafts.get(record.project_id, record.id)
    except ContentUnavailable:
        # The message is all right; its content cannot be had now. Nothing was tried, so nothing is counted.
        return _postponed(record, RECHECK_UNAVAILABLE_SECONDS, ports)
    if stored is None:
        ended = _write(conclude(record, State.FAILED, Reason.CONTENT_MISSING, now=_now(ports)), ports)
        return Delivered(Look.SETTLED, ended)
    try:
        decision = decide(stored.draft, configured, server_senders=ports.settings.server_senders)
    except SenderNotApproved:
        return _held(record, Reason.SENDER_NOT_APPROVED, RECHECK_INVALID_SECONDS, ports)
    ambiguous = unknown_attempt(record)
    here = (decision.transport.value, endpoint(decision))
    if ambiguous is not None and (ambiguous.transport, ambiguous.endpoint) != here:
        # What may have been accepted there must not leave from here.
        ended = _write(conclude(record, State.UNKNOWN, Reason.TRANSPORT_CHANGED, now=_now(ports)), ports)
        return Delivered(Look.SETTLED, ended)
    return _visit(record, stored, decision, ports, deadline, lease_seconds)


def _visit(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    ports: DeliverPorts,
    deadline: float,
    lease_seconds: float,
) -> Delivered:
    """Go to the transport if it may be gone to now, and come back."""
    if not isinstance(decision.route, ByRelay) or record.project_id is None:
        return _attempt(record, stored, decision, ports, deadline, lease_seconds)
    token, version_id = ports.new_id(), decision.route.version_id
    paused = _enter(record.project_id, version_id, token, ports, lease_seconds)
    if paused is not None:
        return _kept_waiting(record, paused, ports)
    has_failed: bool | None = None
    try:
        delivered = _attempt(record, stored, decision, ports, deadline, lease_seconds)
        has_failed = None if delivered.attempt is None else _no_conversation(delivered.attempt)
    finally:
        _come_back(record.project_id, version_id, token, ports, has_failed=has_failed)
    return delivered


def _attempt(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    ports: DeliverPorts,
    deadline: float,
    lease_seconds: float,
) -> Delivered:
    now = _now(ports)
    claimed = ports.ledger.replace(claim(record, now=now, lease_until=now + lease_seconds))
    attempted = attempt_message(claimed, stored, decision, recipients_to_serve(claimed), ports=ports, deadline=deadline)
    verdicts = attempted.verdicts.verdicts
    settled = settle(attempted.record, attempted.attempt, verdicts, now=_now(ports), chance=ports.chance())
    return Delivered(Look.SETTLED, _write(settled, ports), attempted.verdicts)


def _kept_waiting(record: Record, paused: pace.Paused, ports: DeliverPorts) -> Delivered:
    """Wait for a turn; at a relay that is given a rest, until the rest is over or its configuration is mended."""
    now = _now(ports)
    if paused.is_open:
        reason = record.reason if record.state is State.HELD and record.reason else Reason.RELAY_PAUSED.value
        return _held(record, reason, max(0.0, paused.until - now) + 1.0, ports)
    waiting, delay = wait_turn(record, now=now, chance=ports.chance())
    queued = ports.ledger.replace(waiting)
    ports.queue.send([Delivery(record.project_id, record.id, delay)])
    return Delivered(Look.SETTLED, queued)


def _held(record: Record, reason: str, seconds: float, ports: DeliverPorts) -> Delivered:
    now = _now(ports)
    look_again_at = now + spread(seconds, chance=ports.chance())
    was_held = record.state is State.HELD and record.reason == reason
    held = ports.ledger.replace(hold(record, reason, now=now, look_again_at=look_again_at))
    if not was_held:
        _tell(held, ports)
    return Delivered(Look.SETTLED, held)


def _postponed(record: Record, seconds: float, ports: DeliverPorts) -> Delivered:
    now = _now(ports)
    later = ports.ledger.replace(postpone(record, now=now, until=now + seconds))
    return Delivered(Look.SETTLED, later)


def _write(record: Record, ports: DeliverPorts) -> Record:
    """Write the record, tell what it came to, and forget a content that nobody can need any more."""
    written = ports.ledger.replace(record)
    _tell(written, ports)
    if written.is_final and written.has_content and written.state not in _KEPT_FOR_A_REPEAT:
        ports.drafts.delete(written.project_id, written.id)
    return written


def _tell(record: Record, ports: DeliverPorts) -> None:
    notice = email_notice(record)
    if notice is not None:
        ports.notices.publish([notice])


def _enter(
    project_id: ProjectId, version_id: str, token: str, ports: DeliverPorts, lease_seconds: float
) -> pace.Paused | None:
    while True:
        now = _now(ports)
        known = ports.ledger.pace(project_id)
        match pace.admit(known, version_id=version_id, token=token, now=now, until=now + lease_seconds):
            case pace.Paused() as paused:
                return paused
            case pace.Admitted(entered):
                try:
                    ports.ledger.save_pace(project_id, entered)
                except Superseded:
                    continue
                return None
            case unreachable:
                assert_never(unreachable)


def _come_back(
    project_id: ProjectId, version_id: str, token: str, ports: DeliverPorts, *, has_failed: bool | None
) -> None:
    while True:
        try:
            known = ports.ledger.pace(project_id)
            left = pace.leave(known, version_id=version_id, token=token, now=_now(ports), has_failed=has_failed)
            ports.ledger.save_pace(project_id, left)
        except Superseded:
            continue
        except LedgerUnavailable:
            # The visit ends by itself when its time is over.
            return
        return


def _no_conversation(attempt: Attempt) -> bool:
    return bool(attempt.verdicts) and all(map(_speaks_of_the_road, attempt.verdicts.values()))


def _speaks_of_the_road(verdict: Verdict) -> bool:
    match verdict:
        case RelayError(fault):
            return fault is not RelayFault.SERVER_SUSPENDED
        case Deferred(failure):
            return failure.phase in _NO_CONVERSATION
        case _:
            return False


def _now(ports: DeliverPorts) -> float:
    return ports.now().timestamp()
