"""Send one message while the caller waits: decide, record, make one attempt, record and return the outcome.

Rules. A message is recorded before it is sent. An attempt asks the project's providers or the server transport, never
both. A deferred message continues from the queue. If a message was provably not accepted and cannot be stored for
later, the caller gets an error. A retryable error frees the idempotency key.
"""

import logging
from collections.abc import Callable, Mapping
from copy import replace
from functools import partial

import msgspec

from mailer.errors import (
    ContentUnavailable,
    KeyInFlight,
    KeyReused,
    LedgerUnavailable,
    LimitReached,
    MailerError,
    ProjectSmtpDisabled,
    ProjectSmtpInvalid,
    RelayUnreachable,
    SecretsUnavailable,
)
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import Assessment, Reason, assess, claim, conclude, settle, settle_lost, unknown_attempt
from mailer.ledger.limits import QuotaStatus, tightest
from mailer.ledger.record import MAX_AGE_SECONDS, OnUnknown, RecipientRecord, Record, State
from mailer.message.address import Address
from mailer.message.compose import envelope_recipients
from mailer.message.draft import Draft, StoredDraft, TemplateUse
from mailer.ports import SendPorts, WriteConflict
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.secret.names import ENABLED
from mailer.secret.resolution import ConfigurationInvalid, ConfigurationUnavailable
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.attempt import AttemptedMessage, attempt_message
from mailer.service.sending.attempt_error import attempt_error
from mailer.service.sending.complete_draft import complete_draft
from mailer.service.sending.compose_message import suppress_message
from mailer.service.sending.decide import (
    ByProviders,
    Decision,
    Target,
    TransportName,
    decide,
    decide_override,
    demand_preferred,
)
from mailer.service.sending.quota import OperatorQuota, first_to_allow
from mailer.service.sending.relay_gate import NotAdmitted, RelayGate
from mailer.smtp.outcome import Deferred, Unknown, Verdict

_LOGGER = logging.getLogger(__name__)
_WAITING = frozenset({State.DEFERRED, State.HELD})


class SendReport(msgspec.Struct, frozen=True):
    """A message that was sent, may have been sent, or will be sent later; the record says which.

    `target` is the target that was asked last. `quota` is the tightest limit that the message counts for.
    """

    record: Record
    decision: Decision
    target: Target
    message_id: str
    verdicts: Mapping[Address, Verdict]
    quota: QuotaStatus | None = None

    @property
    def id(self) -> str:
        """The message's id."""
        return self.record.id

    @property
    def status(self) -> State:
        """The message's state."""
        return self.record.state

    @property
    def transport(self) -> TransportName:
        """The transport that was asked last."""
        return self.target.transport


class Replayed(msgspec.Struct, frozen=True):
    """The answer that the same request got before."""

    answer: StoredAnswer


class Resumed(msgspec.Struct, frozen=True):
    """The message of an earlier request with the same key; no answer was stored for that request."""

    record: Record


class _Closing(msgspec.Struct, frozen=True):
    """The request's idempotency key, and the function that renders the answer to store under it."""

    key: KeyUse | None
    render: Callable[[SendReport | MailerError], StoredAnswer]

    def with_outcome(self, outcome: SendReport | MailerError) -> KeyClosing | None:
        """Return what to write for the key: the answer, or after a retryable error nothing, which frees the key."""
        if self.key is None:
            return None
        frees_key = isinstance(outcome, MailerError) and outcome.retryable
        return KeyClosing(self.key.digest, None if frees_key else self.render(outcome))


def send_email(
    draft: Draft,
    project_id: ProjectId,
    *,
    ports: SendPorts,
    deadline: float,
    lease_seconds: float,
    key: KeyUse | None = None,
    on_unknown: OnUnknown = OnUnknown.HOLD,
    override: Relay | None = None,
    use: TemplateUse | None = None,
    role: str | None = None,
    render: Callable[[SendReport | MailerError], StoredAnswer],
) -> SendReport | Replayed | Resumed:
    """Make one attempt within the deadline (monotonic seconds).

    `lease_seconds` is the longest time that this worker can run. `render` turns the outcome into the answer that is
    stored under the key. `override` is the transport given in the request, `role` is the caller's role. If no copy was
    accepted and no later attempt follows, raises a `MailerError`: see `mailer.errors`.
    """
    found = look_up_key(key, project_id, ports)
    if isinstance(found, Replayed | Resumed):
        return found
    key = found
    draft = complete_draft(draft, use, find=partial(ports.templates.get, project_id))
    if override is None:
        decision = demand_sendable(draft, project_id, ports=ports, deadline=deadline)
    else:
        decision = _demand_override(draft, override, project_id, ports, deadline)
    recipients = len(envelope_recipients(draft))
    quota = OperatorQuota(project_id, ports)
    quota.take(role, recipients)
    gate = RelayGate(project_id, ports)
    if not ports.settings.stage.suppresses:
        decision = _admitted(decision, gate, quota, recipients)
    stored = StoredDraft(draft, ports.now())
    fresh = new_record(stored, project_id, identity=ports.new_id(), now=ports.timestamp(), on_unknown=on_unknown)
    record = claim(fresh, now=ports.timestamp(), lease_until=ports.timestamp() + lease_seconds)
    known = ports.ledger.insert(record, key=key)
    if known is not None and key is not None:
        gate.leave_all()
        quota.give_back()
        return earlier_request(known, key, project_id, ports)
    report = _hand_over(record, stored, decision, ports, deadline, gate, _Closing(key, render))
    return replace(report, quota=tightest(filter(None, (quota.status, gate.quota))))


def _hand_over(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    ports: SendPorts,
    deadline: float,
    gate: RelayGate,
    closing: _Closing,
) -> SendReport:
    """Make the attempt, or suppress the message, and record the outcome. The gate is always left at the end."""
    try:
        if ports.settings.stage.suppresses:
            return _suppress(record, stored, decision, ports, closing)
        attempted = attempt_message(record, stored, decision, ports=ports, deadline=deadline, gate=gate)
        return _conclude(attempted, stored, ports, closing)
    except WriteConflict:
        # Another writer is possible only if a sweep's clock is ahead. Nothing of the message has been sent.
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


def _suppress(
    record: Record, stored: StoredDraft, decision: Decision, ports: SendPorts, closing: _Closing
) -> SendReport:
    ended = suppress_message(record, stored, decision, now=ports.timestamp())
    report = SendReport(ended, decision, decision.first, ended.message_id or "", {})
    written = ports.ledger.replace(ended, closing=closing.with_outcome(report))
    ports.publish_state(written)
    return replace(report, record=written)


def demand_sendable(draft: Draft, project_id: ProjectId, *, ports: SendPorts, deadline: float) -> Decision:
    """Decide how the draft would be sent; raises the error that sending would raise before its attempt."""
    configured = read_configuration(project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline)
    demand_preferred(draft, configured.resolution)
    return decide(draft, configured.resolution, server_senders=ports.settings.server_senders)


def _demand_override(
    draft: Draft, override: Relay, project_id: ProjectId, ports: SendPorts, deadline: float
) -> Decision:
    """Decide by the override. The project's secret is read only to check whether it switches all mail off."""
    if not ports.settings.allow_project_smtp:
        raise ProjectSmtpDisabled
    configured = read_configuration(project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline)
    match configured.resolution:
        case ConfigurationUnavailable():
            raise SecretsUnavailable
        case ConfigurationInvalid(problems) if any(problem.entry == ENABLED for problem in problems):
            raise ProjectSmtpInvalid(problems)
        case _:
            return decide_override(draft, override)


def new_record(
    stored: StoredDraft,
    project_id: ProjectId | None,
    *,
    identity: str,
    now: float,
    on_unknown: OnUnknown = OnUnknown.HOLD,
    valid_until: float | None = None,
) -> Record:
    """Return the record of a new message."""
    expires_at = now + MAX_AGE_SECONDS
    return Record(
        id=identity,
        project_id=project_id,
        state=State.QUEUED,
        created_at=now,
        updated_at=now,
        expires_at=expires_at if valid_until is None else min(expires_at, valid_until),
        recipients=tuple(map(RecipientRecord, envelope_recipients(stored.draft))),
        tags=stored.draft.tags,
        on_unknown=on_unknown,
        valid_until=valid_until,
    )


def _conclude(attempted: AttemptedMessage, stored: StoredDraft, ports: SendPorts, closing: _Closing) -> SendReport:
    """Settle the record, and store the outcome under the idempotency key or free the key.

    An outcome that is an error is raised.
    """
    record = _with_content(attempted, stored, ports)
    settled = settle(
        record, attempted.attempt, attempted.verdicts.verdicts, now=ports.timestamp(), chance=ports.chance()
    )
    outcome: SendReport | MailerError
    if settled.state in {State.FAILED, State.REJECTED}:
        outcome = attempt_error(settled.verdicts, attempted.target, settled)
        settled = replace(settled, reason=outcome.code)
    else:
        # The verdicts of all providers, not only of the last one.
        outcome = SendReport(
            settled, attempted.decision, attempted.target, attempted.message.message_id, settled.verdicts
        )
    settled = _recorded(settled, closing.with_outcome(outcome), ports)
    ports.publish_state(settled)
    if isinstance(outcome, MailerError):
        raise outcome
    return replace(outcome, record=settled)


def _with_content(attempted: AttemptedMessage, stored: StoredDraft, ports: SendPorts) -> Record:
    """Store the content if the queue continues with the message, and return the record."""
    record = attempted.record
    if not _continues_later(attempted):
        return record
    try:
        ports.drafts.put(record.project_id, record.id, stored)
    except ContentUnavailable:
        _LOGGER.warning("content not stored for later", extra={"id": record.id})
        return record
    return replace(record, has_content=True)


def _recorded(settled: Record, closing: KeyClosing | None, ports: SendPorts) -> Record:
    """Write the outcome. If that fails, return what is certain about it, or raise `LedgerUnavailable`."""
    try:
        return ports.ledger.replace(settled, closing=closing)
    except (LedgerUnavailable, WriteConflict):
        _LOGGER.exception("outcome not recorded", extra={"id": settled.id})
    if settled.state in _WAITING and not settled.accepted and unknown_attempt(settled) is None:
        # The message was provably not accepted, and it is not certain that a worker continues with it.
        raise LedgerUnavailable from None
    # The caller gets the true outcome, without a promise of a later attempt. The ledger will say unknown, because the
    # record has the SENDING mark.
    return settled if settled.is_final else conclude(settled, State.FAILED, Reason.ABANDONED, now=ports.timestamp())


def _continues_later(attempted: AttemptedMessage) -> bool:
    """Whether the queue continues with the message, so that its content is needed later.

    If the relay is unreachable, the queue does not continue: the caller gets an error at once.
    """
    if isinstance(attempted.decision.route, ByProviders) and attempted.decision.route.is_override:
        # The override is stored nowhere, so a worker could not continue.
        return False
    verdicts = attempted.verdicts.verdicts.values()
    if any(isinstance(verdict, Unknown) for verdict in verdicts) and attempted.record.on_unknown is OnUnknown.RETRY:
        return True
    if not any(isinstance(verdict, Deferred) for verdict in verdicts):
        return False
    error = attempt_error(attempted.verdicts.verdicts, attempted.target, attempted.record)
    return not isinstance(error, RelayUnreachable)


def look_up_key(key: KeyUse | None, project_id: ProjectId, ports: SendPorts) -> KeyUse | Replayed | Resumed | None:
    """Return the result of an earlier request with this key; if this request must be served, return the key.

    If the earlier message failed, the key may be used again: the returned key names that message in `supersedes`.
    Raises `KeyInFlight` and `KeyReused`.
    """
    known = find_key(key, project_id, ports) if key is not None else None
    if key is None or known is None:
        return key
    found = _recognise(known, key, project_id, ports)
    return replace(key, supersedes=found) if isinstance(found, str) else found


def find_key(key: KeyUse, project_id: ProjectId, ports: SendPorts) -> KeyState | None:
    """Return the state of the key; None if the key is unknown or expired."""
    return ports.ledger.find_key(project_id, key.digest, now=ports.timestamp())


def earlier_request(known: KeyState, key: KeyUse, project_id: ProjectId, ports: SendPorts) -> Replayed | Resumed:
    """Return the result of the request that used the key first; raises `KeyInFlight` and `KeyReused`."""
    found = _recognise(known, key, project_id, ports)
    if isinstance(found, str):
        raise KeyInFlight
    return found


def _recognise(state: KeyState, key: KeyUse, project_id: ProjectId, ports: SendPorts) -> Replayed | Resumed | str:
    """Return the answer or the message of a known key; if its message failed, the id of that message."""
    if state.fingerprint != key.fingerprint:
        raise KeyReused
    if state.answer is not None:
        return Replayed(state.answer)
    record = ports.ledger.find(project_id, state.id)
    if record is None:
        return state.id
    now = ports.timestamp()
    match assess(record, now=now):
        case Assessment.WAIT if record.state in {State.CLAIMED, State.SENDING}:
            raise KeyInFlight
        case Assessment.ABANDONED:
            return _replaced(conclude(record, State.FAILED, Reason.ABANDONED, now=now), ports).id
        case Assessment.LOST:
            return Resumed(_replaced(settle_lost(record, now=now, chance=ports.chance()), ports))
        case _:
            return record.id if record.state is State.FAILED else Resumed(record)


def _replaced(record: Record, ports: SendPorts) -> Record:
    try:
        return ports.ledger.replace(record)
    except WriteConflict:
        raise KeyInFlight from None
