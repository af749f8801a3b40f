"""Record the outcome of a synchronous attempt, and answer the idempotency key of its request.

If a message was provably not accepted and cannot be stored for later, the caller gets an error. A retryable error frees
the key.
"""

import logging
from collections.abc import Callable, Mapping
from copy import replace

import msgspec

from mailer.errors import AcceptanceUnknown, ContentUnavailable, LedgerUnavailable, MailerError, RelayDeferred
from mailer.ledger.idempotency import KeyClosing, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import Reason, conclude, settle
from mailer.ledger.limits import QuotaStatus
from mailer.ledger.recipients import doubt_pending, may_have_copies
from mailer.ledger.record import Record, State
from mailer.message.address import Address
from mailer.message.draft import StoredDraft
from mailer.ports import SendPorts, WriteConflict
from mailer.service.sending.announce import announce
from mailer.service.sending.attempt import AttemptedMessage
from mailer.service.sending.attempt_error import attempt_error
from mailer.service.sending.compose_message import suppress_message
from mailer.service.sending.decide import ByProviders, Decision, Target, TransportName
from mailer.service.sending.write_outcome import write_outcome
from mailer.service.sending.write_record import write_record
from mailer.smtp.outcome import Verdict

_LOGGER = logging.getLogger(__name__)
# How long the write of an error is tried. If it is lost, the sweep ends the message, so the caller need not wait.
_ERROR_SECONDS = 2.0


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


class Closing(msgspec.Struct, frozen=True):
    """The request's idempotency key, and the function that renders the answer to store under it."""

    key: KeyUse | None
    render: Callable[[SendReport | MailerError], StoredAnswer]

    def with_outcome(self, outcome: SendReport | MailerError) -> KeyClosing | None:
        """Return what to write for the key: the answer, or after a retryable error nothing, which frees the key."""
        if self.key is None:
            return None
        frees_key = isinstance(outcome, MailerError) and outcome.retryable
        return KeyClosing(self.key.digest, None if frees_key else self.render(outcome))


def record_suppressed(
    record: Record, stored: StoredDraft, decision: Decision, ports: SendPorts, closing: Closing
) -> SendReport:
    """Record that the stage suppresses the message, and store the answer under the idempotency key."""
    ended = suppress_message(record, stored, decision, now=ports.timestamp())
    report = SendReport(ended, decision, decision.first, ended.message_id or "", {})
    written = write_record(ended, ports, closing=closing.with_outcome(report))
    ports.publish_state(written)
    return replace(report, record=written)


def record_outcome(
    attempted: AttemptedMessage, stored: StoredDraft, ports: SendPorts, record_by: float, closing: Closing
) -> SendReport:
    """Settle the record, and store the outcome under the idempotency key or free the key.

    An outcome that is an error is raised: no recipient has a copy, or may have one. The write of any other outcome is
    tried until `record_by` (monotonic seconds).
    """
    settled = _with_content(attempted, stored, ports)
    outcome: SendReport | MailerError
    if not attempted.asked:
        outcome = LedgerUnavailable()
    elif settled.state in {State.FAILED, State.REJECTED}:
        outcome = attempt_error(attempted)
    else:
        outcome = SendReport(
            settled, attempted.decision, attempted.asked[-1].target, attempted.message_id, settled.verdicts
        )
    if isinstance(outcome, MailerError):
        settled = replace(settled, reason=outcome.code)
    try:
        written = write_outcome(
            settled,
            ports=ports,
            record_by=min(record_by, ports.clock() + _ERROR_SECONDS) if isinstance(outcome, MailerError) else record_by,
            closing=closing.with_outcome(outcome),
            unconfirmed=attempted.unconfirmed,
        )
    except (LedgerUnavailable, WriteConflict):
        _LOGGER.exception("outcome not recorded", extra={"id": settled.id})
        if not attempted.asked:
            raise LedgerUnavailable from None
        written = _unrecorded(settled, closing, ports)
    announce(written, ports)
    if isinstance(outcome, MailerError):
        raise outcome
    return replace(outcome, record=written, verdicts=written.verdicts)


def _with_content(attempted: AttemptedMessage, stored: StoredDraft, ports: SendPorts) -> Record:
    """Settle the record. If the queue continues with the message, its content is stored before."""
    record, now, chance = attempted.record, ports.timestamp(), ports.chance()
    continued = settle(replace(record, has_content=True), now=now, chance=chance)
    if record.has_content or continued.is_final or not _may_continue(attempted):
        return settle(record, now=now, chance=chance)
    try:
        ports.drafts.put(record.project_id, record.id, stored)
    except ContentUnavailable:
        _LOGGER.warning("content not stored for later", extra={"id": record.id})
        return settle(record, now=now, chance=chance)
    return continued


def _may_continue(attempted: AttemptedMessage) -> bool:
    """Whether the queue may continue with the message.

    If no recipient has a copy and no provider has answered about the message, the caller gets an error at once.
    """
    if not attempted.asked:
        return False
    if isinstance(attempted.decision.route, ByProviders) and attempted.decision.route.is_override:
        # The override is stored nowhere, so a worker could not continue.
        return False
    return may_have_copies(attempted.record) or isinstance(attempt_error(attempted), RelayDeferred)


def _unrecorded(settled: Record, closing: Closing, ports: SendPorts) -> Record:
    """Return what is certain about an outcome that the ledger may not hold, without a promise of a later attempt.

    Raises `LedgerUnavailable` or `AcceptanceUnknown` if no recipient has a copy, but a worker may continue.
    """
    if settled.is_final:
        return settled
    may_continue = _continues(settled, ports)
    if may_have_copies(settled):
        known = doubt_pending(settled) if may_continue else settled
        return conclude(known, State.FAILED, Reason.ABANDONED, now=ports.timestamp())
    if may_continue and closing.key is None:
        raise AcceptanceUnknown(settled.id)
    # With a key a repeated request finds the message, so it is not sent twice.
    raise LedgerUnavailable


def _continues(settled: Record, ports: SendPorts) -> bool:
    """Whether a worker continues with the message, or may continue."""
    try:
        found = ports.ledger.find(settled.project_id, settled.id)
    except LedgerUnavailable:
        return True
    # Only a message that continues has content: its outcome, or the note of a failover.
    return found is not None and found.has_content
