"""Record the outcome of a synchronous attempt, and answer the idempotency key of its request.

If a message was provably not accepted and cannot be stored for later, the caller gets an error. A retryable error frees
the key.
"""

import logging
from collections.abc import Callable, Mapping
from copy import replace

import msgspec

from mailer.errors import ContentUnavailable, LedgerUnavailable, MailerError, RelayUnreachable
from mailer.ledger.idempotency import KeyClosing, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import Reason, conclude, settle, unknown_attempt
from mailer.ledger.limits import QuotaStatus
from mailer.ledger.record import OnUnknown, Record, State
from mailer.message.address import Address
from mailer.message.draft import StoredDraft
from mailer.ports import SendPorts, WriteConflict
from mailer.service.sending.attempt import AttemptedMessage
from mailer.service.sending.attempt_error import attempt_error
from mailer.service.sending.compose_message import suppress_message
from mailer.service.sending.decide import ByProviders, Decision, Target, TransportName
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
    written = ports.ledger.replace(ended, closing=closing.with_outcome(report))
    ports.publish_state(written)
    return replace(report, record=written)


def record_outcome(attempted: AttemptedMessage, stored: StoredDraft, ports: SendPorts, closing: Closing) -> SendReport:
    """Settle the record, and store the outcome under the idempotency key or free the key.

    An outcome that is an error is raised.
    """
    record = _with_content(attempted, stored, ports)
    settled = settle(
        record, attempted.attempt, attempted.verdicts.verdicts, now=ports.timestamp(), chance=ports.chance()
    )
    outcome: SendReport | MailerError
    if settled.state in {State.FAILED, State.REJECTED}:
        outcome = attempt_error(
            settled.verdicts, attempted.target, settled, has_return_path=attempted.decision.has_return_path
        )
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
