"""Send one message while the caller waits: decide, write it down, make one attempt, say what became of it.

The rules that make it safe. Nothing leaves that is not in the ledger. An attempt goes to the project's own providers or
to the server, never to both. What the transport deferred goes on from the queue; what provably was not accepted and
cannot be kept is an error, and a retryable one frees its idempotency key.
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
    MailerError,
    ProjectSmtpDisabled,
    ProjectSmtpInvalid,
    RelayUnreachable,
    SecretsUnavailable,
)
from mailer.ledger.event import email_event
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import Assessment, Reason, assess, claim, conclude, settle, settle_lost, unknown_attempt
from mailer.ledger.limits import QuotaStatus
from mailer.ledger.record import MAX_AGE_SECONDS, OnUnknown, RecipientRecord, Record, State
from mailer.message.address import Address
from mailer.message.compose import envelope_recipients
from mailer.message.draft import Draft, StoredDraft, TemplateUse
from mailer.ports import (
    SendPorts,
    Superseded,
)
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.secret.names import ENABLED
from mailer.secret.resolution import ConfigurationInvalid, ConfigurationUnavailable
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.attempt import Attempted, attempt_message
from mailer.service.sending.complete_draft import complete_draft
from mailer.service.sending.decide import ByProviders, Decision, decide, decide_override
from mailer.service.sending.limits import Allowance, operator_counters
from mailer.service.sending.preferred_provider import demand_preferred
from mailer.service.sending.suppress import suppress
from mailer.service.sending.unsent import unsent
from mailer.smtp.outcome import Attempt, Deferred, Unknown, Verdict

_LOGGER = logging.getLogger(__name__)
_WAITING = frozenset({State.DEFERRED, State.HELD})


class SendReport(msgspec.Struct, frozen=True):
    """A message that somebody gets, may have got, or gets later: the record says which.

    `quota` is how the tightest limit stands that it counts for.
    """

    record: Record
    decision: Decision
    message_id: str
    verdicts: Mapping[Address, Verdict]
    quota: QuotaStatus | None = None

    @property
    def id(self) -> str:
        """The message's id."""
        return self.record.id

    @property
    def status(self) -> State:
        """What became of the message."""
        return self.record.state


class Replayed(msgspec.Struct, frozen=True):
    """The answer that was given to the same request before."""

    answer: StoredAnswer


class Resumed(msgspec.Struct, frozen=True):
    """The message of the same request, whose first answer was never given: what became of it."""

    record: Record


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

    `lease_seconds` is how long this worker can live at most. `render` turns the outcome into the answer that is kept
    under the key. `override` is a transport that the message brought along, `role` the caller's. Raises a `MailerError`
    where provably no copy was accepted and none will be: see `mailer.errors`.
    """
    if key is not None and (known := ports.ledger.find_key(project_id, key.digest, now=_now(ports))) is not None:
        superseded = recognise(known, key, project_id, ports)
        if not isinstance(superseded, str):
            return superseded
        key = replace(key, supersedes=superseded)
    draft = complete_draft(draft, use, find=partial(ports.templates.get, project_id))
    if override is None:
        decision = demand_sendable(draft, project_id, ports=ports, deadline=deadline)
    else:
        decision = _demand_override(draft, override, project_id, ports, deadline)
    recipients = envelope_recipients(draft)
    allowance = Allowance(project_id, ledger=ports.ledger, now=ports.now)
    allowance.demand(operator_counters(ports.settings, role), len(recipients))
    if not ports.settings.stage.suppresses:
        decision = allowance.narrow(decision, len(recipients))
    stored = StoredDraft(draft, ports.now())
    record = claim(
        new_record(stored, project_id, identity=ports.new_id(), now=_now(ports), on_unknown=on_unknown),
        now=_now(ports),
        lease_until=_now(ports) + lease_seconds,
    )
    known = ports.ledger.insert(record, key=key)
    if known is not None and key is not None:
        allowance.give_back()
        found = recognise(known, key, project_id, ports)
        if isinstance(found, str):
            raise KeyInFlight
        return found
    try:
        if ports.settings.stage.suppresses:
            report = _suppress(record, stored, decision, ports, key, render)
        else:
            attempted = attempt_message(
                record, stored, decision, recipients, ports=ports, deadline=deadline, allowance=allowance
            )
            report = _conclude(attempted, stored, ports, key, render)
    except Superseded:
        # Only a clock that runs ahead of ours can take the message away; nothing of it has left.
        raise LedgerUnavailable from None
    finally:
        allowance.leave_all()
    return replace(report, quota=allowance.quota)


def _suppress(
    record: Record,
    stored: StoredDraft,
    decision: Decision,
    ports: SendPorts,
    key: KeyUse | None,
    render: Callable[[SendReport | MailerError], StoredAnswer],
) -> SendReport:
    ended = suppress(record, stored, decision, now=_now(ports))
    report = SendReport(ended, decision, ended.message_id or "", {})
    closing = KeyClosing(key.digest, render(report)) if key is not None else None
    written = ports.ledger.replace(ended, closing=closing)
    _tell(written, ports)
    return replace(report, record=written)


def demand_sendable(draft: Draft, project_id: ProjectId, *, ports: SendPorts, deadline: float) -> Decision:
    """Decide how the draft would leave; raises the error that sending would end with before anything is tried."""
    configured = read_configuration(project_id, settings=ports.settings, secrets=ports.secrets, deadline=deadline)
    demand_preferred(draft, configured.resolution)
    return decide(draft, configured.resolution, server_senders=ports.settings.server_senders)


def _demand_override(
    draft: Draft, override: Relay, project_id: ProjectId, ports: SendPorts, deadline: float
) -> Decision:
    """Decide by the transport that was brought along; the project's own counts only where its mail is switched off."""
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
    """Return the record of a message that nothing has happened to yet."""
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


def _now(ports: SendPorts) -> float:
    return ports.now().timestamp()


def _conclude(
    attempted: Attempted,
    stored: StoredDraft,
    ports: SendPorts,
    key: KeyUse | None,
    render: Callable[[SendReport | MailerError], StoredAnswer],
) -> SendReport:
    verdicts = attempted.verdicts.verdicts
    record = attempted.record
    if _may_go_on(attempted):
        try:
            ports.drafts.put(record.project_id, record.id, stored)
            record = replace(record, has_content=True)
        except ContentUnavailable:
            _LOGGER.warning("a message cannot be kept for later", extra={"id": record.id})
    now = _now(ports)
    settled = settle(record, attempted.attempt, verdicts, now=now, chance=ports.chance())
    outcome: SendReport | MailerError
    if settled.state in {State.FAILED, State.REJECTED}:
        outcome = unsent(Attempt(settled.verdicts), attempted.decision)
        outcome.diverted_to = settled.diverted_to
        outcome.failovers = settled.failovers
        settled = replace(settled, reason=outcome.code)
    else:
        # With several providers, what the ones before the last have settled is a part of the answer.
        outcome = SendReport(settled, attempted.decision, attempted.message.message_id, settled.verdicts)
    closing = None
    if key is not None:
        is_open = isinstance(outcome, MailerError) and outcome.retryable
        closing = KeyClosing(key.digest, None if is_open else render(outcome))
    try:
        settled = ports.ledger.replace(settled, closing=closing)
    except (LedgerUnavailable, Superseded):
        _LOGGER.exception("the outcome could not be written down", extra={"id": record.id})
        if settled.state in _WAITING and not settled.accepted and unknown_attempt(settled) is None:
            # Provably nobody has it, and nobody can be relied on to go on with it.
            raise LedgerUnavailable from None
        if not settled.is_final:
            # Nor is anybody who waits for it promised anything.
            settled = conclude(settled, State.FAILED, Reason.ABANDONED, now=now)
        # The caller is told the truth; the ledger will say unknown, because its last word is that the message left.
    _tell(settled, ports)
    if isinstance(outcome, MailerError):
        raise outcome
    return replace(outcome, record=settled)


def _tell(record: Record, ports: SendPorts) -> None:
    event = email_event(record)
    if event is not None:
        ports.events.publish([event])


def _may_go_on(attempted: Attempted) -> bool:
    """Whether the queue goes on with the message, so that its content is needed later.

    A relay with which no conversation came about is the caller's to hear of at once.
    """
    if isinstance(attempted.decision.route, ByProviders) and attempted.decision.route.is_override:
        # What it came with is stored nowhere, so nobody could go on with it.
        return False
    verdicts = attempted.verdicts.verdicts.values()
    if any(isinstance(verdict, Unknown) for verdict in verdicts) and attempted.record.on_unknown is OnUnknown.RETRY:
        return True
    is_deferred = any(isinstance(verdict, Deferred) for verdict in verdicts)
    return is_deferred and not isinstance(unsent(attempted.verdicts, attempted.decision), RelayUnreachable)


def recognise(state: KeyState, key: KeyUse, project_id: ProjectId, ports: SendPorts) -> Replayed | Resumed | str:
    """Say what a key that is in use means for this request; a message's id where that came to nothing.

    Such a key may be used again, superseding that message. Raises `KeyInFlight` and `KeyReused`.
    """
    if state.fingerprint != key.fingerprint:
        raise KeyReused
    if state.answer is not None:
        return Replayed(state.answer)
    record = ports.ledger.find(project_id, state.id)
    if record is None:
        return state.id
    now = _now(ports)
    match assess(record, now=now):
        case Assessment.WAIT if record.state in {State.CLAIMED, State.SENDING}:
            raise KeyInFlight
        case Assessment.ABANDONED:
            return _taken(conclude(record, State.FAILED, Reason.ABANDONED, now=now), ports).id
        case Assessment.LOST:
            return Resumed(_taken(settle_lost(record, now=now, chance=ports.chance()), ports))
        case _:
            return record.id if record.state is State.FAILED else Resumed(record)


def _taken(record: Record, ports: SendPorts) -> Record:
    try:
        return ports.ledger.replace(record)
    except Superseded:
        raise KeyInFlight from None
