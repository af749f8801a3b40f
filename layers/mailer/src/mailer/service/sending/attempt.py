"""Attempt a claimed message, by the server transport or by the project's chain of providers.

The record gets the SENDING mark right before the octets that complete the message are written. If the mark cannot be
written, or another worker has written the record, the message is not sent. The next provider is asked only for
recipients that the previous provider provably did not accept, and never after an unknown outcome. The server transport
is in no chain. After rejected credentials the secret is read once more, and a newer version of it is tried.
"""

from collections.abc import Callable
from copy import replace
from typing import assert_never

import msgspec

from mailer.ledger.lifecycle import is_pending, mark_sending, recipients_to_serve, record_failover, unknown_attempt
from mailer.ledger.record import AttemptRecord, Record, State
from mailer.message.address import Address
from mailer.message.draft import StoredDraft
from mailer.message.message import Message
from mailer.message.stage import on_stage
from mailer.ports import ApiMessage, SendPorts
from mailer.relay.provider import ApiAccount
from mailer.relay.relay import Relay
from mailer.secret.resolution import UseProjectRelay
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.compose_message import compose_message, sender_record
from mailer.service.sending.decide import ByProviders, ByServer, Decision, Target, decide
from mailer.service.sending.relay_gate import RelayGate
from mailer.smtp.outcome import Attempt, RelayError, RelayFault, Unknown
from mailer.smtp.verdict import judge_refused_configuration

# The share of the remaining time for one provider, if another one can be asked after it.
_SHARE_OF_TIME = 0.6


class AttemptedMessage(msgspec.Struct, frozen=True):
    """A message after an attempt: the record as it is in the ledger, not settled yet.

    `target` was asked last; `attempt` and `verdicts` are about it. The record has the attempts of the providers before.
    """

    record: Record
    decision: Decision
    target: Target
    attempt: AttemptRecord
    verdicts: Attempt
    message: Message


def attempt_message(
    claimed: Record,
    stored: StoredDraft,
    decision: Decision,
    *,
    ports: SendPorts,
    deadline: float,
    gate: RelayGate | None,
) -> AttemptedMessage:
    """Make one attempt for the recipients to serve, by as many providers as needed.

    The chain begins with the provider that the gate has admitted; the server transport has no gate. The caller leaves
    the gate after the outcome is recorded. If the record could not be marked, raises `LedgerUnavailable` or
    `WriteConflict`, and the message was not sent.
    """
    stage = ports.settings.stage
    run = _Run(
        replace(claimed, diverted_to=stage.diverts_to),
        replace(stored, draft=on_stage(stored.draft, stage)),
        recipients_to_serve(claimed),
        ports,
        deadline,
    )
    match decision.route:
        case ByServer():
            return run.ask(decision, Target(), deadline)
        case ByProviders() as route if gate is not None:
            return run.ask_chain(decision, route, gate)
        case _:
            msg = "providers need a gate"
            raise TypeError(msg)


class _Run(msgspec.Struct):
    """The state of one attempt while it runs."""

    record: Record
    stored: StoredDraft
    recipients: tuple[Address, ...]
    ports: SendPorts
    deadline: float
    has_read_again: bool = False

    def ask_chain(
        self, decision: Decision, route: ByProviders, gate: RelayGate, before: AttemptedMessage | None = None
    ) -> AttemptedMessage:
        """Ask the providers in order; `before` is the result of the attempt with the rejected version of the secret."""
        last: AttemptedMessage | None = None
        for index, provider in enumerate(route.chain):
            if gate.enter(provider, route, len(self.recipients)) is not None:
                continue
            if last is not None:
                self._fail_over(last, gate)
            target = Target(provider, route.version_id)
            last = self.ask(decision, target, self._time_for(is_last=index == len(route.chain) - 1))
            gate.note(provider.id, last.verdicts)
            renewed = self._read_again(last, route)
            if renewed is not None and isinstance(renewed.route, ByProviders):
                return self.ask_chain(renewed, renewed.route, gate, last)
            if not _may_fail_over(last.verdicts):
                break
        last = last or before
        if last is None:
            msg = "the gate has admitted the first provider"
            raise ValueError(msg)
        return last

    def ask(self, decision: Decision, target: Target, deadline: float) -> AttemptedMessage:
        """Send the message by one target."""
        message = replace(
            compose_message(self.stored, decision, identity=self.record.id, message_id=self.record.message_id),
            recipients=self.recipients if self.record.diverted_to is None else (self.record.diverted_to,),
        )
        attempt = AttemptRecord(
            self.ports.timestamp(),
            target.transport.value,
            target.version_id,
            target.endpoint,
            provider=target.provider_id,
        )

        def mark() -> None:
            if self.record.state is State.SENDING and self.record.attempts[-1] == attempt:
                return
            marked = mark_sending(self.record, attempt, message_id=message.message_id, sender=sender_record(decision))
            self.record = self.ports.ledger.replace(marked)

        sent = self._send(message, decision, target, deadline, mark)
        verdicts = self._for_recipients(judge_refused_configuration(sent) if self.record.is_system else sent)
        return AttemptedMessage(self.record, decision, target, attempt, verdicts, message)

    def _time_for(self, *, is_last: bool) -> float:
        """Return the deadline of one provider: a provider that hangs must leave time for the next one."""
        if is_last:
            return self.deadline
        now = self.ports.clock()
        return now + (self.deadline - now) * _SHARE_OF_TIME

    def _fail_over(self, last: AttemptedMessage, gate: RelayGate) -> None:
        """Record the last provider's result before the next one is asked."""
        recorded = record_failover(last.record, last.attempt, last.verdicts.verdicts, now=self.ports.timestamp())
        # The SENDING mark must be removed: if the worker is lost after this, the message was not accepted.
        self.record = self.ports.ledger.replace(recorded) if last.record.state is State.SENDING else recorded
        self.recipients = tuple(
            recipient for recipient in self.recipients if is_pending(last.verdicts.verdicts.get(recipient))
        )
        if last.target.provider_id is not None:
            gate.leave(last.target.provider_id)

    def _for_recipients(self, attempt: Attempt) -> Attempt:
        """If the message is diverted, give every recipient the verdict on the diverted copy."""
        if self.record.diverted_to is None:
            return attempt
        return Attempt.uniform(self.recipients, attempt.verdicts[self.record.diverted_to], attempt.reference)

    def _send(
        self, message: Message, decision: Decision, target: Target, deadline: float, mark: Callable[[], None]
    ) -> Attempt:
        if target.provider is None:
            return self.ports.server.send(message, deadline=deadline, before_end=mark)
        if self.record.project_id is None or target.version_id is None:
            msg = "a provider belongs to a version of a project's secret"
            raise TypeError(msg)
        match target.provider.config:
            case Relay() as relay:
                return self.ports.relay.send(
                    message,
                    relay,
                    project_id=self.record.project_id,
                    version_id=target.version_id,
                    deadline=deadline,
                    before_end=mark,
                )
            case ApiAccount() as account:
                return self.ports.api.send(
                    ApiMessage(message, self.stored.draft, decision.sender.used, decision.reply_to),
                    account,
                    project_id=self.record.project_id,
                    version_id=target.version_id,
                    deadline=deadline,
                    before_end=mark,
                )
            case unreachable:
                assert_never(unreachable)

    def _read_again(self, last: AttemptedMessage, route: ByProviders) -> Decision | None:
        """After rejected credentials, return the decision by a newer version of the secret; None if there is none."""
        if route.is_override or self.has_read_again or not _credentials_rejected(last.verdicts):
            return None
        self.has_read_again = True
        configured = read_configuration(
            last.record.project_id,
            settings=self.ports.settings,
            secrets=self.ports.secrets,
            ledger=self.ports.ledger,
            deadline=self.deadline,
            refresh=True,
        )
        resolution = configured.resolution
        # A message that was given to the project's providers is never sent by the server transport.
        if not isinstance(resolution, UseProjectRelay) or resolution.version_id == route.version_id:
            return None
        # A relay may reject the credentials only at MAIL, and the record may be marked by then.
        self.record = last.record
        renewed = decide(self.stored.draft, resolution, server_senders=self.ports.settings.server_senders)
        return pin_after_unknown(last.record, renewed)


def pin_after_unknown(record: Record, decision: Decision) -> Decision | None:
    """After an unknown outcome, restrict the decision to the provider of that outcome.

    Return None if that provider is not in the decision any more.
    """
    unknown = unknown_attempt(record)
    if unknown is None:
        return decision
    match decision.route:
        case ByServer():
            return decision if unknown.transport == decision.first.transport.value else None
        case ByProviders(chain) as route:
            asked = (unknown.transport, unknown.endpoint)
            same = tuple(each for each in chain if (Target(each).transport.value, each.endpoint) == asked)
            return replace(decision, route=replace(route, chain=same[:1])) if same else None
        case unreachable:
            assert_never(unreachable)


def _may_fail_over(attempt: Attempt) -> bool:
    """Whether the next provider may be asked: a recipient is pending, and no outcome is unknown."""
    verdicts = tuple(attempt.verdicts.values())
    return any(map(is_pending, verdicts)) and not any(isinstance(verdict, Unknown) for verdict in verdicts)


def _credentials_rejected(attempt: Attempt) -> bool:
    return bool(attempt.verdicts) and all(
        isinstance(verdict, RelayError) and verdict.fault is RelayFault.AUTH_REJECTED
        for verdict in attempt.verdicts.values()
    )
