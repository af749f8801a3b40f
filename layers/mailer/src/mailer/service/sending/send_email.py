"""Send one message while the caller waits: decide, record, make one attempt, record and return the outcome.

Rules. A message is recorded before it is sent. An attempt asks the project's providers or the server transport, never
both. A deferred message continues from the queue. If a message was provably not accepted and cannot be stored for
later, the caller gets an error. A retryable error frees the idempotency key.
"""

from collections.abc import Callable
from copy import replace
from functools import partial

import msgspec

from mailer.errors import LedgerUnavailable, LimitReached, MailerError
from mailer.ledger.idempotency import KeyUse, StoredAnswer
from mailer.ledger.lifecycle import claim
from mailer.ledger.limits import tightest
from mailer.ledger.record import OnUnknown, Record
from mailer.message.compose import envelope_recipients
from mailer.message.draft import Draft, StoredDraft, TemplateUse
from mailer.ports import SendPorts, WriteConflict
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.service.sending.attempt import attempt_message
from mailer.service.sending.complete_draft import complete_draft
from mailer.service.sending.decide import ByProviders, Decision
from mailer.service.sending.demand_sendable import demand_override, demand_sendable
from mailer.service.sending.new_record import new_record
from mailer.service.sending.quota import OperatorQuota, first_to_allow
from mailer.service.sending.relay_gate import NotAdmitted, RelayGate
from mailer.service.sending.repeated_request import Abandoned, Replayed, Resumed, earlier_request, look_up_key, resume
from mailer.service.sending.send_outcome import Closing, SendReport, record_outcome, record_suppressed


def send_email(
    draft: Draft,
    project_id: ProjectId,
    *,
    ports: SendPorts,
    deadline: float,
    record_by: float,
    lease_seconds: float,
    key: KeyUse | None = None,
    on_unknown: OnUnknown = OnUnknown.HOLD,
    override: Relay | None = None,
    use: TemplateUse | None = None,
    role: str | None = None,
    render: Callable[[SendReport | MailerError], StoredAnswer],
) -> SendReport | Replayed | Resumed:
    """Make one attempt within the deadline (monotonic seconds).

    The write of the outcome is tried until `record_by` (monotonic seconds).
    `lease_seconds` is the longest time that this worker can run. `render` turns the outcome into the answer that is
    stored under the key. `override` is the transport given in the request, `role` is the caller's role. If no copy was
    accepted and no later attempt follows, raises a `MailerError`: see `mailer.errors`.
    """
    complete = partial(complete_draft, draft, use, find=partial(ports.templates.get, project_id))
    found = look_up_key(key, project_id, ports)
    if isinstance(found, Abandoned) and override is not None:
        # The queue has no override, so it cannot continue.
        return Resumed(found.record)
    if isinstance(found, Replayed | Resumed | Abandoned):
        return resume(found, complete, ports)
    key = found
    draft = complete()
    if override is None:
        decision = demand_sendable(draft, project_id, ports=ports, deadline=deadline)
    else:
        decision = demand_override(draft, override, project_id, ports, deadline)
    recipients = len(envelope_recipients(draft))
    quota = OperatorQuota(project_id, ports)
    quota.take(role, recipients)
    gate = RelayGate(project_id, ports)
    if not ports.settings.stage.suppresses:
        decision = _admitted(decision, gate, quota, recipients)
    stored = StoredDraft(draft, ports.now())
    now = stored.date.timestamp()
    fresh = new_record(stored, project_id, identity=ports.new_id(), now=now, on_unknown=on_unknown)
    record = claim(fresh, now=now, lease_until=now + lease_seconds)
    known = ports.ledger.insert(record, key=key)
    if known is not None and key is not None:
        gate.leave_all()
        quota.give_back()
        return earlier_request(known, key, project_id, ports)
    report = _hand_over(record, stored, decision, ports, _Times(deadline, record_by), gate, Closing(key, render))
    return replace(report, quota=tightest(filter(None, (quota.status, gate.quota))))


class _Times(msgspec.Struct, frozen=True):
    """The ends of the attempt and of the tries to record it, in monotonic seconds."""

    deadline: float
    record_by: float


def _hand_over(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    ports: SendPorts,
    times: _Times,
    gate: RelayGate,
    closing: Closing,
) -> SendReport:
    """Make the attempt, or suppress the message, and record the outcome. The gate is always left at the end."""
    try:
        if ports.settings.stage.suppresses:
            return record_suppressed(record, stored, decision, ports, closing)
        attempted = attempt_message(record, stored, decision, ports=ports, deadline=times.deadline, gate=gate)
        return record_outcome(attempted, stored, ports, times.record_by, closing)
    except WriteConflict:
        # A suppressed message is never sent. Another writer is possible only if a sweep's clock is ahead.
        raise LedgerUnavailable from None
    finally:
        gate.leave_all()


def _admitted(decision: Decision, gate: RelayGate, quota: OperatorQuota, recipients: int) -> Decision:
    """Return the decision without the providers before the first one that has daily quota left.

    Raises `LimitReached`.
    """
    if not isinstance(decision.route, ByProviders):
        return decision
    admitted = gate.admit(decision.route, recipients)
    if isinstance(admitted, NotAdmitted):
        quota.give_back()
        raise LimitReached(first_to_allow(admitted.exhausted, recipients), asked_for=recipients)
    return replace(decision, route=admitted)
