"""Send one message while the caller waits: decide, record, make one attempt, record and return the outcome.

Rules. A message is recorded before it is sent. An attempt asks the project's providers or the server transport, never
both. A deferred message continues from the queue. If a message was provably not accepted and cannot be stored for
later, the caller gets an error. A retryable error frees the idempotency key.

The request passes the relay gate as a worker does. If all slots are in use, the message waits its turn in the queue.
While the breaker is open, the caller gets an error, and there is no attempt and no record.
"""

import math
from collections.abc import Callable
from copy import replace
from functools import partial

import msgspec

from mailer.errors import AcceptanceUnknown, AttemptContext, LedgerUnavailable, LimitReached, MailerError, RelayPaused
from mailer.ledger.idempotency import KeyUse, StoredAnswer
from mailer.ledger.lifecycle import claim
from mailer.ledger.limits import tightest
from mailer.ledger.recipients import is_pending, pass_over
from mailer.ledger.record import OnUnknown, PassedOver, Record
from mailer.message.compose import envelope_recipients
from mailer.message.draft import Draft, StoredDraft, TemplateUse
from mailer.ports import SendPorts, WriteConflict
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.service.sending.accept_emails import Accepted, EmailRequest, queue_accepted
from mailer.service.sending.attempt import attempt_message
from mailer.service.sending.complete_draft import complete_draft
from mailer.service.sending.decide import ByProviders, Decision
from mailer.service.sending.demand_sendable import demand_override, demand_sendable
from mailer.service.sending.new_record import new_record
from mailer.service.sending.quota import OperatorQuota, first_to_allow
from mailer.service.sending.relay_gate import GatePass, NotAdmitted, RelayGate
from mailer.service.sending.repeated_request import Replayed, Resumed, earlier_request, look_up_key
from mailer.service.sending.send_outcome import Closing, SendReport, record_outcome, record_suppressed
from mailer.smtp.outcome import Rejected, Verdict


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
    may_queue: bool = True,
    render: Callable[[SendReport | Accepted | MailerError], StoredAnswer],
) -> SendReport | Accepted | Replayed | Resumed:
    """Make one attempt within the deadline (monotonic seconds); if all slots are in use and `may_queue`, queue it.

    The write of the outcome is tried until `record_by` (monotonic seconds). `lease_seconds` is the longest time that
    this worker can run. `render` turns the outcome into the answer that is stored under the key. `override` is the
    transport given in the request, `role` is the caller's role. If no copy was accepted and no later attempt follows,
    raises a `MailerError`: see `mailer.errors`. The message then does not count for any limit.
    """
    found = look_up_key(key, project_id, ports)
    if isinstance(found, Replayed | Resumed):
        return found
    draft = complete_draft(draft, use, find=partial(ports.templates.get, project_id))
    if override is None:
        decision = demand_sendable(draft, project_id, ports=ports, deadline=deadline)
    else:
        decision = demand_override(draft, override, project_id, ports, deadline)
    identity = ports.new_id()
    gate = RelayGate(project_id, ports, GatePass(identity, lease_seconds, is_caller=True))
    quota = OperatorQuota(project_id, ports)
    try:
        quota.take(role, len(envelope_recipients(draft)))
    except LimitReached:
        # An equal request may have begun since the key was looked up, and used up the limit.
        found = look_up_key(key, project_id, ports)
        if isinstance(found, Replayed | Resumed):
            return found
        raise
    request = _Request(
        identity, draft, project_id, ports, deadline, record_by, lease_seconds, found, on_unknown, may_queue, render
    )
    try:
        return request.send(decision, gate, quota)
    except MailerError:
        quota.give_back()
        raise
    finally:
        gate.leave_all()


class _Request(msgspec.Struct, frozen=True):
    """One request to send, whose message has the id `identity`."""

    identity: str
    draft: Draft
    project_id: ProjectId
    ports: SendPorts
    deadline: float
    record_by: float
    lease_seconds: float
    key: KeyUse | None
    on_unknown: OnUnknown
    may_queue: bool
    render: Callable[[SendReport | Accepted | MailerError], StoredAnswer]

    def send(
        self, decision: Decision, gate: RelayGate, quota: OperatorQuota
    ) -> SendReport | Accepted | Replayed | Resumed:
        """Make the attempt if the gate admits it; queue the message if all slots are in use."""
        passed: tuple[PassedOver, ...] = ()
        if isinstance(decision.route, ByProviders) and not self.ports.settings.stage.suppresses:
            admitted = gate.admit(decision.route, len(envelope_recipients(self.draft)))
            if isinstance(admitted, NotAdmitted):
                self._demand_free_slot_later(admitted, decision.route)
                return self._queue(decision, quota)
            decision, passed = replace(decision, route=admitted.route), admitted.passed
        stored = StoredDraft(self.draft, self.ports.now())
        now = stored.date.timestamp()
        fresh = new_record(
            stored,
            self.project_id,
            identity=self.identity,
            now=now,
            on_unknown=self.on_unknown,
            own_transport=decision.by_own_transport,
        )
        record = claim(pass_over(fresh, passed), now=now, lease_until=now + self.lease_seconds)
        known = self.ports.ledger.insert(record, key=self.key)
        if known is not None and self.key is not None:
            quota.give_back()
            return earlier_request(known, self.key, self.project_id, self.ports)
        report = self._hand_over(record, stored, decision, gate, quota)
        return replace(report, quota=tightest(filter(None, (quota.status, gate.quota))))

    def _hand_over(
        self, record: Record, stored: StoredDraft, decision: Decision, gate: RelayGate, quota: OperatorQuota
    ) -> SendReport:
        """Make the attempt, or suppress the message, and record the outcome."""
        ports, closing = self.ports, Closing(self.key, self.render)
        try:
            if ports.settings.stage.suppresses:
                return record_suppressed(record, stored, decision, ports, closing)
        except WriteConflict:
            # A suppressed message is never sent. Another writer is possible only if a sweep's clock is ahead.
            raise LedgerUnavailable from None
        attempted = attempt_message(record, stored, decision, ports=ports, deadline=self.deadline, gate=gate)
        try:
            report = record_outcome(attempted, stored, ports, self.record_by, closing)
        except (LedgerUnavailable, AcceptanceUnknown):
            if self._may_continue():
                quota.keep()
            raise
        if report.record.is_final:
            quota.give_back(sum(map(_has_no_copy, report.verdicts.values())))
        return report

    def _may_continue(self) -> bool:
        """Whether a worker continues with the message, or may continue: only then its content is stored."""
        try:
            found = self.ports.ledger.find(self.project_id, self.identity)
        except LedgerUnavailable:
            return True
        return found is not None and found.has_content

    def _demand_free_slot_later(self, refused: NotAdmitted, route: ByProviders) -> None:
        """Return if the message may wait for a free slot; otherwise raise the error that tells when to repeat."""
        if refused.busy is not None and self.may_queue and not route.is_override:
            return
        now = self.ports.timestamp()
        waits = (refused.busy,) if refused.busy is not None else refused.paused
        if not waits:
            recipients = len(envelope_recipients(self.draft))
            raise LimitReached(first_to_allow(refused.exhausted, recipients), asked_for=recipients)
        first = min(waits, key=lambda each: each.until)
        retry_after = max(1, math.ceil(first.until - now))
        # The last provider is not asked either, but no other one follows it.
        context = AttemptContext(failovers=refused.passed[:-1])
        raise RelayPaused(retry_after=retry_after, last_failure=first.last_failure, context=context)

    def _queue(self, decision: Decision, quota: OperatorQuota) -> Accepted | Replayed | Resumed:
        accepted = Accepted(self.identity, decision, self.ports.settings.stage, quota.status, is_requested=False)
        request = EmailRequest(self.draft, self.on_unknown)
        return queue_accepted(
            accepted, request, self.project_id, ports=self.ports, key=self.key, quota=quota, render=self.render
        )


def _has_no_copy(verdict: Verdict) -> bool:
    return is_pending(verdict) or isinstance(verdict, Rejected)
