"""Deliver a message that was accepted for later: make at most one attempt, and record its outcome.

Two workers on the same message do no harm: only the worker that has read the latest revision continues, and no other
worker touches a message with the SENDING mark before the lease ends.
"""

from copy import replace
from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.errors import ContentUnavailable, LedgerUnavailable, SenderNotApproved
from mailer.ledger.health import HealthState
from mailer.ledger.held import HeldChoice, choose
from mailer.ledger.lifecycle import (
    RECHECK_INVALID_SECONDS,
    RECHECK_UNAVAILABLE_SECONDS,
    Assessment,
    Reason,
    assess,
    claim,
    conclude,
    hold,
    postpone,
    requeue_busy,
    seconds_to_turn,
    settle,
    settle_lost,
    spread,
)
from mailer.ledger.recipients import (
    give_up_repetitions,
    open_delivery,
    pass_over,
    recipients_at,
    recipients_to_serve,
)
from mailer.ledger.record import PassedOver, Record, State
from mailer.message.draft import StoredDraft
from mailer.ports import Delivery, SendPorts, WriteConflict
from mailer.project import ProjectId
from mailer.secret.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    Resolution,
    UseProjectRelay,
    UseServer,
)
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.announce import announce
from mailer.service.sending.attempt import attempt_message
from mailer.service.sending.compose_message import sender_record, suppress_message
from mailer.service.sending.decide import ByProviders, Decision, decide
from mailer.service.sending.relay_gate import Admitted, GatePass, RelayGate
from mailer.service.sending.release_after_outage import note_server_result
from mailer.service.sending.write_outcome import write_outcome
from mailer.service.sending.write_record import write_record
from mailer.smtp.outcome import Attempt

_SPREAD_SECONDS = 300.0


class DeliveryResult(StrEnum):
    """How a delivery ended."""

    SETTLED = "settled"
    NOTHING_TO_DO = "nothing-to-do"
    NOT_FOUND = "not-found"
    TAKEN_BY_ANOTHER = "taken-by-another"


class Delivered(msgspec.Struct, frozen=True):
    """The result of a delivery: the record if it changed, and the verdicts if there was an attempt.

    `failovers` counts the providers that were asked before the last one, and those that were passed over.
    """

    result: DeliveryResult
    record: Record | None = None
    attempt: Attempt | None = None
    failovers: int = 0


class _Worker(msgspec.Struct, frozen=True):
    ports: SendPorts
    deadline: float
    record_by: float
    lease_seconds: float


def deliver_email(
    project_id: ProjectId | None, id: str, *, ports: SendPorts, deadline: float, record_by: float, lease_seconds: float
) -> Delivered:
    """Do what is due for the message. If it raises `LedgerUnavailable`, the queue delivers the message again.

    The attempt ends by `deadline`, and the write of its outcome is tried until `record_by` (both in monotonic seconds).
    """
    record = ports.ledger.find(project_id, id)
    if record is None:
        return Delivered(DeliveryResult.NOT_FOUND)
    try:
        return _deliver(record, _Worker(ports, deadline, record_by, lease_seconds))
    except WriteConflict:
        return Delivered(DeliveryResult.TAKEN_BY_ANOTHER)


def settle_overdue(record: Record, *, ports: SendPorts) -> Record | None:
    """Settle a record that expired or lost its worker; None if a worker must deliver it, or if nothing is due.

    Raises `WriteConflict` and `LedgerUnavailable`.
    """
    now = ports.timestamp()
    match assess(record, now=now):
        case Assessment.LOST:
            return _write(settle_lost(record, now=now, chance=ports.chance()), ports)
        case Assessment.ABANDONED:
            return _end(record, State.FAILED, Reason.ABANDONED, ports)
        case Assessment.CRASHING:
            return _end(record, State.FAILED, Reason.WORKER_CRASHED, ports)
        case Assessment.OVERDUE:
            return _end(record, State.EXPIRED, Reason.EXPIRED, ports)
        case Assessment.READY | Assessment.WAIT | Assessment.DONE:
            return None
        case unreachable:
            assert_never(unreachable)


def _deliver(record: Record, worker: _Worker) -> Delivered:
    ports = worker.ports
    settled = settle_overdue(record, ports=ports)
    if settled is not None:
        return Delivered(DeliveryResult.SETTLED, settled)
    if assess(record, now=ports.timestamp()) is not Assessment.READY:
        return Delivered(DeliveryResult.NOTHING_TO_DO)
    configured = read_configuration(
        record.project_id,
        settings=ports.settings,
        secrets=ports.secrets,
        ledger=ports.ledger,
        deadline=worker.deadline,
    )
    match choose(record, configured.epoch.held, is_removed=configured.is_removed):
        case HeldChoice.CANCEL:
            return Delivered(DeliveryResult.SETTLED, _end(record, State.CANCELLED, Reason.RELAY_REMOVED, ports))
        case HeldChoice.KEEP:
            waiting = replace(record, own_transport=True)
            return _held(waiting, Reason.RELAY_REMOVED, RECHECK_INVALID_SECONDS, ports)
        case HeldChoice.SEND:
            return _send(record, configured.resolution, worker)
        case unreachable:
            assert_never(unreachable)


def _send(record: Record, resolution: Resolution, worker: _Worker) -> Delivered:
    """Hold the message if the configuration is not usable; otherwise make an attempt by its transport."""
    ports = worker.ports
    match resolution:
        case ConfigurationInvalid(is_only_off=is_only_off):
            waiting = replace(record, own_transport=record.own_transport or not is_only_off)
            return _held(waiting, Reason.PROJECT_SMTP_INVALID, RECHECK_INVALID_SECONDS, ports)
        case ConfigurationUnavailable():
            waiting = replace(record, own_transport=record.own_transport or _had_transport(record, ports))
            return _held(waiting, Reason.SECRETS_UNAVAILABLE, RECHECK_UNAVAILABLE_SECONDS, ports)
        case UseProjectRelay():
            record = replace(record, own_transport=True)
        case UseServer():
            pass
        case unreachable:
            assert_never(unreachable)
    try:
        stored = ports.drafts.get(record.project_id, record.id)
    except ContentUnavailable:
        # No transport was asked, so no attempt is counted.
        return _postponed(record, RECHECK_UNAVAILABLE_SECONDS, ports)
    if stored is None:
        return Delivered(DeliveryResult.SETTLED, _end(record, State.FAILED, Reason.CONTENT_MISSING, ports))
    try:
        decision = decide(stored.draft, resolution, server_senders=ports.settings.server_senders)
    except SenderNotApproved:
        return _held(record, Reason.SENDER_NOT_APPROVED, RECHECK_INVALID_SECONDS, ports)
    now = ports.timestamp()
    places = [target.place for target in decision.targets]
    record = give_up_repetitions(record, places, sender_record(decision, record.id).from_digest, now=now)
    if not recipients_to_serve(record, now=now):
        # Only the same octets by the former transport may repeat the copies of the recipients that are left.
        ended = settle(record, now=now, chance=ports.chance())
        is_there = any(each.possible_copy and each.possible_copy.place in places for each in record.recipients)
        reason = Reason.SENDER_CHANGED if is_there else Reason.TRANSPORT_CHANGED
        return Delivered(DeliveryResult.SETTLED, _write(replace(ended, reason=reason), ports))
    if ports.settings.stage.suppresses:
        suppressed = suppress_message(record, stored, decision, now=ports.timestamp())
        return Delivered(DeliveryResult.SETTLED, _write(suppressed, ports))
    opened = open_delivery(record, now=now)
    decision = decision.only_at([each.place for each in decision.targets if recipients_at(opened, each.place)])
    return _attempt_when_admitted(record, stored, decision, worker)


def _had_transport(record: Record, ports: SendPorts) -> bool:
    """Whether the last validation found a transport of the project's own, for which a system e-mail then waits."""
    health = ports.ledger.health(record.project_id) if record.is_system and record.project_id is not None else None
    if health is None or health.state is HealthState.SERVER:
        return False
    return not health.problems or any(problem.code != "email-disabled" for problem in health.problems)


def _attempt_when_admitted(record: Record, stored: StoredDraft, decision: Decision, worker: _Worker) -> Delivered:
    """Make an attempt with the first provider that the gate admits; if there is none, wait.

    A system e-mail ignores the daily quota, because it is useful only now; the relay itself may still refuse it.
    """
    ports = worker.ports
    if not isinstance(decision.route, ByProviders) or record.project_id is None:
        return _attempt(record, stored, decision, worker, None)
    gate = RelayGate(
        record.project_id,
        ports,
        GatePass(ports.new_id(), worker.lease_seconds, enforces_quota=not record.is_system, waits=record.waits),
    )
    try:
        admitted = gate.admit(decision.route, len(recipients_to_serve(record, now=ports.timestamp())))
    except LedgerUnavailable:
        gate.leave_all()
        raise
    if isinstance(admitted, Admitted):
        decision = replace(decision, route=admitted.route)
        return _attempt(record, stored, decision, worker, gate, admitted.passed)
    if admitted.busy is not None:
        return _wait_for_slot(record, ports)
    if admitted.paused:
        return _wait_for_relay(record, min(each.until for each in admitted.paused), ports)
    return _postponed(record, min(each.resets_in for each in admitted.exhausted), ports, Reason.DAILY_LIMIT_REACHED)


def _attempt(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    worker: _Worker,
    gate: RelayGate | None,
    passed: tuple[PassedOver, ...] = (),
) -> Delivered:
    ports, now = worker.ports, worker.ports.timestamp()
    try:
        claimed = claim(pass_over(record, passed), now=now, lease_until=now + worker.lease_seconds)
        claimed = ports.ledger.replace(claimed)
        attempted = attempt_message(claimed, stored, decision, ports=ports, deadline=worker.deadline, gate=gate)
        settled = settle(attempted.record, now=ports.timestamp(), chance=ports.chance())
        unconfirmed = attempted.unconfirmed
        written = write_outcome(settled, ports=ports, record_by=worker.record_by, unconfirmed=unconfirmed)
        announce(written, ports)
    finally:
        # This comes after the outcome: between the relay's reply and the record nothing else may be written.
        if gate is not None:
            gate.leave_all()
    if not decision.by_own_transport:
        note_server_result(record, written, ports)
    delay = seconds_to_turn(written, now=ports.timestamp())
    if delay is not None:
        ports.queue.send([Delivery(written.project_id, written.id, delay)])
    asked = {recipient for each in attempted.asked for recipient in each.result.verdicts}
    return Delivered(
        DeliveryResult.SETTLED,
        written,
        Attempt({each: verdict for each, verdict in settled.verdicts.items() if each in asked}) if asked else None,
        max(0, len(settled.failovers) - len(record.failovers)),
    )


def _wait_for_relay(record: Record, until: float, ports: SendPorts) -> Delivered:
    """Hold the message while the breaker is open."""
    reason = record.reason if record.state is State.HELD and record.reason else Reason.RELAY_PAUSED.value
    return _held(record, reason, max(0.0, until - ports.timestamp()) + 1.0, ports)


def _wait_for_slot(record: Record, ports: SendPorts) -> Delivered:
    """Queue the message again until a slot is free."""
    waiting, delay = requeue_busy(record, now=ports.timestamp(), chance=ports.chance())
    queued = write_record(waiting, ports)
    ports.queue.send([Delivery(record.project_id, record.id, delay)])
    return Delivered(DeliveryResult.SETTLED, queued)


def _held(record: Record, reason: str, seconds: float, ports: SendPorts) -> Delivered:
    now = ports.timestamp()
    recheck_at = now + spread(seconds, chance=ports.chance())
    was_held = record.state is State.HELD and record.reason == reason
    held = write_record(hold(record, reason, now=now, recheck_at=recheck_at), ports)
    if not was_held:
        ports.publish_state(held)
    return Delivered(DeliveryResult.SETTLED, held)


def _postponed(record: Record, seconds: float, ports: SendPorts, reason: str | None = None) -> Delivered:
    now = ports.timestamp()
    until = now + seconds
    if reason is not None:
        # All messages wait for the same moment, and must not all be sent at that moment.
        until += _SPREAD_SECONDS * ports.chance()
    later = write_record(postpone(record, now=now, until=until, reason=reason), ports)
    if reason not in (None, record.reason):
        ports.publish_state(later)
    return Delivered(DeliveryResult.SETTLED, later)


def _end(record: Record, state: State, reason: Reason, ports: SendPorts) -> Record:
    return _write(conclude(record, state, reason, now=ports.timestamp()), ports)


def _write(record: Record, ports: SendPorts) -> Record:
    written = write_record(record, ports)
    announce(written, ports)
    return written
