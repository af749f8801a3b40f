"""One attempt at a claimed message, by its project's chain of providers, fenced by the ledger.

Right before the octets that complete the message may leave, the record is marked `SENDING`; where that cannot be
written, or somebody else has written meanwhile, nothing leaves. The next provider is asked only for recipients whom the
one before provably did not take, and never after an unknown outcome; the server transport is in no chain. Credentials
that are rejected are read again once: only a newer version of the same project's configuration is tried with.
"""

from collections.abc import Callable
from copy import replace
from typing import assert_never

import msgspec

from mailer.ledger.lifecycle import is_pending, mark_sending, note_failover, unknown_attempt
from mailer.ledger.record import AttemptRecord, Record, State
from mailer.message.address import Address
from mailer.message.draft import StoredDraft
from mailer.message.message import Message
from mailer.message.stage import on_stage
from mailer.ports import ApiMessage, SendPorts
from mailer.relay.provider import ApiAccount, Provider
from mailer.relay.relay import Relay
from mailer.secret.resolution import UseProjectRelay
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.decide import ByProviders, ByServer, Decision, decide, transport_of
from mailer.service.sending.doorkeeper import Doorkeeper
from mailer.service.sending.limits import Allowance
from mailer.service.sending.prepare import prepare, sender_record
from mailer.smtp.outcome import Attempt, RelayError, RelayFault, Unknown

_SHARE_OF_TIME = 0.6


class Attempted(msgspec.Struct, frozen=True):
    """What an attempt came to: the record as the ledger has it, not yet settled, and the verdicts.

    `decision` is the one that was carried out: its chain is the provider that was asked last. `verdicts` are that
    provider's; what the others before it said is in the record already.
    """

    record: Record
    decision: Decision
    attempt: AttemptRecord
    verdicts: Attempt
    message: Message


def attempt_message(
    claimed: Record,
    stored: StoredDraft,
    decision: Decision,
    recipients: tuple[Address, ...],
    *,
    ports: SendPorts,
    deadline: float,
    doorkeeper: Doorkeeper | None = None,
    allowance: Allowance | None = None,
) -> Attempted:
    """Make one attempt for these recipients, with as many providers as it takes.

    Doorkeeper and allowance know what the last provider came to; whoever passed them leaves when the outcome is
    written down. Raises `LedgerUnavailable` and `Superseded` where the record could not be marked; nothing has left
    then.
    """
    return _Run(claimed, stored, recipients, ports, deadline, doorkeeper, allowance).by(decision)


class _Run:
    """One attempt under way."""

    def __init__(
        self,
        claimed: Record,
        stored: StoredDraft,
        recipients: tuple[Address, ...],
        ports: SendPorts,
        deadline: float,
        doorkeeper: Doorkeeper | None,
        allowance: Allowance | None,
    ) -> None:
        self._diverted_to = ports.settings.stage.diverts_to
        self._record = replace(claimed, diverted_to=self._diverted_to)
        self._stored = replace(stored, draft=on_stage(stored.draft, ports.settings.stage))
        self._recipients = recipients
        self._ports = ports
        self._deadline = deadline
        self._doorkeeper = doorkeeper
        self._allowance = allowance
        self._has_read_again = False

    def by(self, decision: Decision, before: Attempted | None = None) -> Attempted:
        """Carry the decision out; `before` is what was done by the one that it replaces."""
        match decision.route:
            case ByServer():
                return self._ask(decision, None, self._deadline)
            case ByProviders() as route:
                return self._by_chain(decision, route, before)
            case unreachable:
                assert_never(unreachable)

    def _by_chain(self, decision: Decision, route: ByProviders, before: Attempted | None) -> Attempted:
        last: Attempted | None = None
        asked = 0
        for index, provider in enumerate(route.chain):
            if not self._may_ask(provider, is_first=last is None and before is None):
                continue
            if last is not None:
                self._note_failover(last)
                self._leave(route.chain[asked])
            asked = index
            carried_out = replace(decision, route=replace(route, chain=(provider,)))
            last = self._ask(carried_out, provider, self._time_for(is_last=index == len(route.chain) - 1))
            self._note(provider, last.verdicts)
            renewed = self._read_again(last, route)
            if renewed is not None:
                return self.by(renewed, last)
            if not _may_fail_over(last.verdicts):
                break
        last = last or before
        if last is None:
            msg = "a chain has at least one provider"
            raise ValueError(msg)
        return last

    def _may_ask(self, provider: Provider, *, is_first: bool) -> bool:
        """Enter where the provider may be asked now; whoever made the decision has seen to that for the first."""
        if self._allowance is not None:
            standing = self._allowance.enter(provider, len(self._recipients), must_pass=is_first)
            if standing is not None:
                return False
        if is_first or self._doorkeeper is None or self._doorkeeper.enter(provider) is None:
            return True
        if self._allowance is not None:
            self._allowance.leave(provider.id)
        return False

    def _note(self, provider: Provider, attempt: Attempt) -> None:
        if self._doorkeeper is not None:
            self._doorkeeper.note(provider.id, attempt)
        if self._allowance is not None:
            self._allowance.note(provider.id, attempt)

    def _leave(self, provider: Provider) -> None:
        if self._doorkeeper is not None:
            self._doorkeeper.leave(provider.id)
        if self._allowance is not None:
            self._allowance.leave(provider.id)

    def _time_for(self, *, is_last: bool) -> float:
        """Leave time for the next provider: one that hangs must not use it up."""
        if is_last:
            return self._deadline
        now = self._ports.clock()
        return now + (self._deadline - now) * _SHARE_OF_TIME

    def _note_failover(self, last: Attempted) -> None:
        noted = note_failover(last.record, last.attempt, last.verdicts.verdicts, now=self._ports.now().timestamp())
        # What was marked must be unmarked: if this worker died now, nothing would have left.
        self._record = self._ports.ledger.replace(noted) if last.record.state is State.SENDING else noted
        self._recipients = tuple(
            recipient for recipient in self._recipients if is_pending(last.verdicts.verdicts.get(recipient))
        )

    def _ask(self, decision: Decision, provider: Provider | None, deadline: float) -> Attempted:
        message = replace(
            prepare(self._stored, decision, identity=self._record.id, message_id=self._record.message_id),
            recipients=self._recipients if self._diverted_to is None else (self._diverted_to,),
        )
        version_id = decision.route.version_id if isinstance(decision.route, ByProviders) else None
        attempt = AttemptRecord(
            self._ports.now().timestamp(),
            decision.transport.value,
            version_id,
            endpoint(decision),
            provider=provider.id if provider is not None else None,
        )

        def mark() -> None:
            if self._record.state is State.SENDING and self._record.attempts[-1] == attempt:
                return
            marked = mark_sending(self._record, attempt, message_id=message.message_id, sender=sender_record(decision))
            self._record = self._ports.ledger.replace(marked)

        verdicts = self._send(message, decision, provider, deadline, mark)
        return Attempted(self._record, decision, attempt, self._verdicts_meant(verdicts), message)

    def _verdicts_meant(self, attempt: Attempt) -> Attempt:
        """Say of everybody who was meant what became of the copy that took the place of theirs."""
        if self._diverted_to is None:
            return attempt
        return Attempt.uniform(self._recipients, attempt.verdicts[self._diverted_to], attempt.reference)

    def _send(
        self,
        message: Message,
        decision: Decision,
        provider: Provider | None,
        deadline: float,
        mark: Callable[[], None],
    ) -> Attempt:
        if provider is None or not isinstance(decision.route, ByProviders):
            return self._ports.server.send(message, deadline=deadline, before_end=mark)
        if self._record.project_id is None:
            msg = "a provider is always a project's"
            raise TypeError(msg)
        version_id = decision.route.version_id
        match provider.config:
            case Relay() as relay:
                return self._ports.relay.send(
                    message,
                    relay,
                    project_id=self._record.project_id,
                    version_id=version_id,
                    deadline=deadline,
                    before_end=mark,
                )
            case ApiAccount() as account:
                return self._ports.api.send(
                    ApiMessage(message, self._stored.draft, decision.sender.used, decision.reply_to),
                    account,
                    project_id=self._record.project_id,
                    version_id=version_id,
                    deadline=deadline,
                    before_end=mark,
                )
            case unreachable:
                assert_never(unreachable)

    def _read_again(self, last: Attempted, route: ByProviders) -> Decision | None:
        """After rejected credentials, return what a newer version of the project's secret decides."""
        if route.is_override or self._has_read_again or not _credentials_rejected(last.verdicts):
            return None
        self._has_read_again = True
        configured = read_configuration(
            last.record.project_id,
            settings=self._ports.settings,
            secrets=self._ports.secrets,
            deadline=self._deadline,
            refresh=True,
        )
        resolution = configured.resolution
        # Only the project's own again: a message that began with it never ends on another transport.
        if not isinstance(resolution, UseProjectRelay) or resolution.version_id == route.version_id:
            return None
        # A relay may ask for credentials as late as MAIL: then the record is marked already.
        self._record = last.record
        renewed = decide(self._stored.draft, resolution, server_senders=self._ports.settings.server_senders)
        return where_it_may_be(last.record, renewed)


def where_it_may_be(record: Record, decision: Decision) -> Decision | None:
    """Return the decision as it may be carried out: after an unknown outcome, by that transport alone or not at all."""
    ambiguous = unknown_attempt(record)
    if ambiguous is None:
        return decision
    match decision.route:
        case ByServer():
            return decision if ambiguous.transport == decision.transport.value else None
        case ByProviders(chain, version_id):
            there = (ambiguous.transport, ambiguous.endpoint)
            same = tuple(each for each in chain if (transport_of(each).value, each.endpoint) == there)
            return replace(decision, route=ByProviders(same[:1], version_id)) if same else None
        case unreachable:
            assert_never(unreachable)


def endpoint(decision: Decision) -> str | None:
    """Name the provider that a decision leads to first."""
    match decision.route:
        case ByProviders(chain):
            return chain[0].endpoint
        case ByServer():
            return None
        case unreachable:
            assert_never(unreachable)


def _may_fail_over(attempt: Attempt) -> bool:
    """Whether the next provider may be asked: for somebody provably nothing was taken, and for nobody it is unknown."""
    verdicts = tuple(attempt.verdicts.values())
    return any(map(is_pending, verdicts)) and not any(isinstance(verdict, Unknown) for verdict in verdicts)


def _credentials_rejected(attempt: Attempt) -> bool:
    return bool(attempt.verdicts) and all(
        isinstance(verdict, RelayError) and verdict.fault is RelayFault.AUTH_REJECTED
        for verdict in attempt.verdicts.values()
    )
