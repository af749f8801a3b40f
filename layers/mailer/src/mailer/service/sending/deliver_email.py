"""Deliver a message that was accepted for later: one look, at most one attempt, and what follows from it.

Whoever looks twice, or at the same time as another, finds that there is nothing to do: only the holder of the latest
revision goes on, and what is `SENDING` is nobody else's.
"""

from copy import replace
from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.errors import ContentUnavailable, SenderNotApproved
from mailer.ledger import breaker
from mailer.ledger.backoff import RECHECK_INVALID_SECONDS, RECHECK_UNAVAILABLE_SECONDS, spread
from mailer.ledger.event import email_event
from mailer.ledger.lifecycle import (
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
    wait_turn,
)
from mailer.ledger.limits import QuotaStatus
from mailer.ledger.record import Record, State
from mailer.message.draft import StoredDraft
from mailer.ports import (
    Delivery,
    SendPorts,
    Superseded,
)
from mailer.project import ProjectId
from mailer.secret.resolution import ConfigurationInvalid, ConfigurationUnavailable, UseProjectRelay, UseServer
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.attempt import attempt_message, where_it_may_be
from mailer.service.sending.decide import ByProviders, Decision, decide
from mailer.service.sending.doorkeeper import Doorkeeper
from mailer.service.sending.limits import Allowance
from mailer.service.sending.suppress import suppress
from mailer.smtp.outcome import Attempt

_SPREAD_SECONDS = 300.0
_KEPT_FOR_A_REPEAT = frozenset({State.UNKNOWN, State.EXPIRED, State.CANCELLED, State.FAILED})


class DeliveryResult(StrEnum):
    """What a look at a message came to."""

    SETTLED = "settled"
    NOTHING_TO_DO = "nothing-to-do"
    NOT_FOUND = "not-found"
    TAKEN_BY_ANOTHER = "taken-by-another"


class Delivered(msgspec.Struct, frozen=True):
    """The look, the record after it where it changed, and the verdicts where there was an attempt.

    `failovers` is how many providers it passed over.
    """

    look: DeliveryResult
    record: Record | None = None
    attempt: Attempt | None = None
    failovers: int = 0


def deliver_email(
    project_id: ProjectId | None, id: str, *, ports: SendPorts, deadline: float, lease_seconds: float
) -> Delivered:
    """Look at the message and do what is to be done.

    Raises `LedgerUnavailable` where the ledger gives no answer: the queue brings the message again.
    """
    record = ports.ledger.find(project_id, id)
    if record is None:
        return Delivered(DeliveryResult.NOT_FOUND)
    try:
        return _deliver(record, ports, deadline, lease_seconds)
    except Superseded:
        return Delivered(DeliveryResult.TAKEN_BY_ANOTHER)


def settle_overdue(record: Record, *, ports: SendPorts) -> Record | None:
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


def _deliver(record: Record, ports: SendPorts, deadline: float, lease_seconds: float) -> Delivered:
    settled = settle_overdue(record, ports=ports)
    if settled is not None:
        return Delivered(DeliveryResult.SETTLED, settled)
    if assess(record, now=_now(ports)) is not Assessment.READY:
        return Delivered(DeliveryResult.NOTHING_TO_DO)
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
        return Delivered(DeliveryResult.SETTLED, ended)
    try:
        decision = decide(stored.draft, configured, server_senders=ports.settings.server_senders)
    except SenderNotApproved:
        return _held(record, Reason.SENDER_NOT_APPROVED, RECHECK_INVALID_SECONDS, ports)
    narrowed = where_it_may_be(record, decision)
    if narrowed is None:
        # What may have been accepted elsewhere must not leave from here.
        ended = _write(conclude(record, State.UNKNOWN, Reason.TRANSPORT_CHANGED, now=_now(ports)), ports)
        return Delivered(DeliveryResult.SETTLED, ended)
    if ports.settings.stage.suppresses:
        return Delivered(DeliveryResult.SETTLED, _write(suppress(record, stored, narrowed, now=_now(ports)), ports))
    return _visit(record, stored, narrowed, ports, deadline, lease_seconds)


def _visit(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    ports: SendPorts,
    deadline: float,
    lease_seconds: float,
) -> Delivered:
    """Go to the first provider that may be gone to now; while none may, wait.

    A system e-mail does not wait for a day to end: what it says is of use now, and the relay itself has the last word.
    """
    if not isinstance(decision.route, ByProviders) or record.project_id is None:
        return _attempt(record, stored, decision, ports, deadline, lease_seconds)
    allowance = Allowance(record.project_id, ledger=ports.ledger, now=ports.now, must_pass=record.is_system)
    chain, version_id = decision.route.chain, decision.route.version_id
    doorkeeper = Doorkeeper(
        record.project_id,
        version_id,
        ledger=ports.ledger,
        now=ports.now,
        token=ports.new_id(),
        lease_seconds=lease_seconds,
    )
    paused: list[breaker.Paused] = []
    exhausted: list[QuotaStatus] = []
    for index, provider in enumerate(chain):
        quota = allowance.enter(provider, len(recipients_to_serve(record)))
        if quota is not None:
            exhausted.append(quota)
            continue
        closed = doorkeeper.enter(provider)
        if closed is None:
            open_chain = replace(decision, route=ByProviders(chain[index:], version_id))
            return _attempt(record, stored, open_chain, ports, deadline, lease_seconds, doorkeeper, allowance)
        allowance.leave(provider.id)
        paused.append(closed)
    if not paused:
        return _postponed(record, min(each.resets_in for each in exhausted), ports, Reason.DAILY_LIMIT_REACHED)
    return _kept_waiting(record, min(paused, key=lambda each: each.until), ports)


def _attempt(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    ports: SendPorts,
    deadline: float,
    lease_seconds: float,
    doorkeeper: Doorkeeper | None = None,
    allowance: Allowance | None = None,
) -> Delivered:
    now = _now(ports)
    try:
        claimed = ports.ledger.replace(claim(record, now=now, lease_until=now + lease_seconds))
        attempted = attempt_message(
            claimed,
            stored,
            decision,
            recipients_to_serve(claimed),
            ports=ports,
            deadline=deadline,
            doorkeeper=doorkeeper,
            allowance=allowance,
        )
        verdicts = attempted.verdicts.verdicts
        settled = settle(attempted.record, attempted.attempt, verdicts, now=_now(ports), chance=ports.chance())
        written = _write(settled, ports)
    finally:
        # After the outcome: between the relay's word and the ledger's nothing else is written.
        if doorkeeper is not None:
            doorkeeper.leave_all()
        if allowance is not None:
            allowance.leave_all()
    served = frozenset(recipients_to_serve(claimed))
    return Delivered(
        DeliveryResult.SETTLED,
        written,
        Attempt({each: verdict for each, verdict in settled.verdicts.items() if each in served}),
        max(0, len(settled.failovers) - len(claimed.failovers)),
    )


def _kept_waiting(record: Record, paused: breaker.Paused, ports: SendPorts) -> Delivered:
    """Wait for a turn; at a relay that is given a rest, until the rest is over or its configuration is mended."""
    now = _now(ports)
    if paused.is_open:
        reason = record.reason if record.state is State.HELD and record.reason else Reason.RELAY_PAUSED.value
        return _held(record, reason, max(0.0, paused.until - now) + 1.0, ports)
    waiting, delay = wait_turn(record, now=now, chance=ports.chance())
    queued = ports.ledger.replace(waiting)
    ports.queue.send([Delivery(record.project_id, record.id, delay)])
    return Delivered(DeliveryResult.SETTLED, queued)


def _held(record: Record, reason: str, seconds: float, ports: SendPorts) -> Delivered:
    now = _now(ports)
    look_again_at = now + spread(seconds, chance=ports.chance())
    was_held = record.state is State.HELD and record.reason == reason
    held = ports.ledger.replace(hold(record, reason, now=now, look_again_at=look_again_at))
    if not was_held:
        _tell(held, ports)
    return Delivered(DeliveryResult.SETTLED, held)


def _postponed(record: Record, seconds: float, ports: SendPorts, reason: str | None = None) -> Delivered:
    now = _now(ports)
    until = now + seconds
    if reason is not None:
        # Everything that waits for the same moment must not come at it.
        until += _SPREAD_SECONDS * ports.chance()
    later = ports.ledger.replace(postpone(record, now=now, until=until, reason=reason))
    if reason not in (None, record.reason):
        _tell(later, ports)
    return Delivered(DeliveryResult.SETTLED, later)


def _write(record: Record, ports: SendPorts) -> Record:
    """Write the record, tell what it came to, and forget a content that nobody can need any more."""
    written = ports.ledger.replace(record)
    _tell(written, ports)
    if written.is_final and written.has_content and written.state not in _KEPT_FOR_A_REPEAT:
        ports.drafts.delete(written.project_id, written.id)
    return written


def _tell(record: Record, ports: SendPorts) -> None:
    event = email_event(record)
    if event is not None:
        ports.events.publish([event])


def _now(ports: SendPorts) -> float:
    return ports.now().timestamp()
