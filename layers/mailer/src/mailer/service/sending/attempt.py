"""Attempt a claimed message, by the server transport or by the project's chain of providers.

The record gets the SENDING mark right before the octets that complete the message are written. If the mark cannot be
written, or another worker has written the record, the message is not sent. The next provider is asked only for
recipients that the previous providers provably did not accept; a recipient with an unknown outcome is not among them.
The server transport is in no chain. After rejected credentials the secret is read once more, and a newer version of it
is tried. If the ledger fails during an attempt, no further provider is asked.

If a recipient has a copy, or may have one, the content is stored before the next provider is asked. If the worker is
lost after that, another one serves the other recipients with the same content.
"""

import logging
from collections.abc import Callable
from copy import replace
from typing import assert_never

import msgspec
from msgspec import field

from mailer.errors import ContentUnavailable, LedgerUnavailable, MailerError
from mailer.ledger.lifecycle import judge, mark_sending
from mailer.ledger.recipients import may_have_copies, note_failover, pass_over, recipients_at
from mailer.ledger.record import AttemptRecord, Record, State
from mailer.message.address import Address
from mailer.message.draft import StoredDraft
from mailer.message.message import Message
from mailer.message.stage import on_stage
from mailer.ports import ApiMessage, SendPorts, WriteConflict
from mailer.relay.provider import ApiAccount
from mailer.relay.relay import Relay
from mailer.secret.resolution import UseProjectRelay
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.compose_message import compose_message, sender_record
from mailer.service.sending.decide import ByProviders, ByServer, Decision, Target, decide
from mailer.service.sending.relay_gate import PATIENT_WAITS, RelayGate, is_busy
from mailer.smtp.outcome import Attempt, RelayError, RelayFault
from mailer.smtp.verdict import judge_refused_configuration

# The share of the remaining time for one provider, if another one can be asked after it.
_SHARE_OF_TIME = 0.6
_LOGGER = logging.getLogger(__name__)


class Asked(msgspec.Struct, frozen=True):
    """A target that was asked, and its verdicts."""

    target: Target
    attempt: AttemptRecord
    result: Attempt


class AttemptedMessage(msgspec.Struct, frozen=True):
    """A message after an attempt.

    `record` has the verdicts of every target that was asked; it is neither settled nor written. `asked` is empty if a
    store failed before the first target had ended, and then nothing was sent. `unconfirmed` is a record that the
    ledger may hold in place of the last written one, because the answer to its write was lost.
    """

    record: Record
    decision: Decision
    asked: tuple[Asked, ...]
    message_id: str
    unconfirmed: Record | None = None


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
    the gate after the outcome is recorded. A failure of the ledger is not raised: the result says what was asked.
    """
    stage = ports.settings.stage
    run = _Run(
        replace(claimed, diverted_to=stage.diverts_to),
        stored,
        replace(stored, draft=on_stage(stored.draft, stage)),
        decision,
        ports,
        deadline,
    )
    try:
        run.start(gate)
    except (MailerError, WriteConflict) as error:
        if not run.has_asked and not isinstance(error, LedgerUnavailable | WriteConflict):
            raise
        # A provider may have accepted the message before, so the caller must get what is known.
        _LOGGER.warning("attempt ended early", extra={"id": claimed.id, "error_type": type(error).__name__})
    return run.finish()


class _Run(msgspec.Struct):
    """The state of one attempt while it runs.

    `content` is what is stored for a later attempt, `stored` is what this stage sends.
    `outdated` is the result with rejected credentials, until a newer version of the secret has a result.
    """

    record: Record
    content: StoredDraft
    stored: StoredDraft
    decision: Decision
    ports: SendPorts
    deadline: float
    has_read_again: bool = False
    asked: list[Asked] = field(default_factory=list)
    outdated: Asked | None = None
    message_id: str = ""
    unconfirmed: Record | None = None

    @property
    def has_asked(self) -> bool:
        """Whether a target has ended."""
        return bool(self.asked) or self.outdated is not None

    def start(self, gate: RelayGate | None) -> None:
        """Ask the server transport or the chain."""
        match self.decision.route:
            case ByServer():
                self._judge(self._ask(Target(), recipients_at(self.record, Target().place), self.deadline))
            case ByProviders() as route if gate is not None:
                self._ask_chain(route, gate)
            case _:
                msg = "providers need a gate"
                raise TypeError(msg)

    def finish(self) -> AttemptedMessage:
        """Return what is known after the last target."""
        if self.outdated is not None:
            self._judge(self.outdated)
        return AttemptedMessage(self.record, self.decision, tuple(self.asked), self.message_id, self.unconfirmed)

    def _ask_chain(self, route: ByProviders, gate: RelayGate) -> None:
        """Ask the providers in order, each for the recipients that it may serve."""
        last: Asked | None = None
        for index, provider in enumerate(route.chain):
            target = Target(provider, route.version_id)
            recipients = recipients_at(self.record, target.place)
            if not recipients:
                continue
            refusal = gate.enter(provider, route, len(recipients))
            if refusal is not None:
                if gate.must_wait(refusal):
                    break
                self.record = pass_over(self.record, (gate.passed_over(target, refusal),))
                continue
            if last is not None:
                self._fail_over(last, route, gate)
            last = self._ask(target, recipients, self._time_for(is_last=index == len(route.chain) - 1))
            gate.note(provider.id, last.result)
            renewed = self._read_again(last, route)
            if renewed is not None and isinstance(renewed.route, ByProviders):
                self.outdated, self.decision = last, renewed
                self._ask_chain(renewed.route, gate)
                return
            self._judge(last)
            if is_busy(last.result) and self.record.waits < PATIENT_WAITS:
                # The provider works, so its turn comes soon.
                break

    def _ask(self, target: Target, recipients: tuple[Address, ...], deadline: float) -> Asked:
        """Send the message by one target."""
        diverted_to = self.record.diverted_to
        message = replace(
            compose_message(self.stored, self.decision, identity=self.record.id, message_id=self.record.message_id),
            recipients=recipients if diverted_to is None else (diverted_to,),
        )
        self.message_id = message.message_id
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
            sender = sender_record(self.decision)
            self._write(mark_sending(self.record, attempt, message_id=message.message_id, sender=sender))

        result = self._send(message, target, deadline, mark)
        if self.record.is_system:
            result = judge_refused_configuration(result)
        self.outdated = None
        if diverted_to is not None:
            # Every recipient gets the verdict on the diverted copy.
            result = Attempt.uniform(recipients, result.verdicts[diverted_to], result.reference)
        return Asked(target, attempt, result)

    def _judge(self, asked: Asked) -> None:
        self.asked.append(asked)
        verdicts = asked.result.verdicts
        now, chance = self.ports.timestamp(), self.ports.chance()
        self.record = judge(self.record, asked.attempt, verdicts, now=now, chance=chance)

    def _write(self, record: Record) -> None:
        self.unconfirmed = replace(record, revision=record.revision + 1)
        self.record = self.ports.ledger.replace(record)
        self.unconfirmed = None

    def _time_for(self, *, is_last: bool) -> float:
        """Return the deadline of one provider: a provider that hangs must leave time for the next one."""
        if is_last:
            return self.deadline
        now = self.ports.clock()
        return now + (self.deadline - now) * _SHARE_OF_TIME

    def _with_content(self, route: ByProviders) -> Record:
        """Store the content if a recipient may have a copy, so that a lost worker can be replaced.

        The others are served even if the content cannot be stored. If the worker is then lost, the message ends.
        """
        record = self.record
        if record.has_content or route.is_override or not may_have_copies(record):
            return record
        try:
            self.ports.drafts.put(record.project_id, record.id, self.content)
        except ContentUnavailable:
            _LOGGER.warning("content not stored before a failover", extra={"id": record.id})
            return record
        return replace(record, has_content=True)

    def _fail_over(self, last: Asked, route: ByProviders, gate: RelayGate) -> None:
        """Record the last provider's result before the next one is asked."""
        noted = note_failover(self._with_content(route), now=self.ports.timestamp())
        if self.record.state is State.SENDING:
            # The SENDING mark must be removed: if the worker is lost after this, nothing more was accepted.
            self._write(noted)
        else:
            self.record = noted
        if last.target.provider_id is not None:
            gate.leave(last.target.provider_id)

    def _send(self, message: Message, target: Target, deadline: float, mark: Callable[[], None]) -> Attempt:
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
                    ApiMessage(message, self.stored.draft, self.decision.sender.used, self.decision.reply_to),
                    account,
                    project_id=self.record.project_id,
                    version_id=target.version_id,
                    deadline=deadline,
                    before_end=mark,
                )
            case unreachable:
                assert_never(unreachable)

    def _read_again(self, last: Asked, route: ByProviders) -> Decision | None:
        """After rejected credentials, return the decision by a newer version of the secret; None if there is none."""
        if route.is_override or self.has_read_again or not _credentials_rejected(last.result):
            return None
        self.has_read_again = True
        try:
            resolution = read_configuration(
                self.record.project_id,
                settings=self.ports.settings,
                secrets=self.ports.secrets,
                ledger=self.ports.ledger,
                deadline=self.deadline,
                refresh=True,
            ).resolution
            # A message that was given to the project's providers is never sent by the server transport.
            if not isinstance(resolution, UseProjectRelay) or resolution.version_id == route.version_id:
                return None
            return decide(self.stored.draft, resolution, server_senders=self.ports.settings.server_senders)
        except MailerError:
            # The newer version cannot be read, or does not allow the message. The verdict by the older version stands.
            return None


def _credentials_rejected(attempt: Attempt) -> bool:
    return bool(attempt.verdicts) and all(
        isinstance(verdict, RelayError) and verdict.fault is RelayFault.AUTH_REJECTED
        for verdict in attempt.verdicts.values()
    )
