"""Random transitions in any order: a message held after an unknown outcome is not sent twice (DU17)."""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable
from copy import replace
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from mailer.errors import LedgerUnavailable, NotPossibleNow
from mailer.ledger.record import AttemptResult, OnUnknown, Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.message.message import Message
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.secret.resolution import SecretAbsent
from mailer.service.sending.manage_email import cancel_email
from mailer.smtp.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import Reply

from tests import fakes
from tests.ledger_fakes import MemoryLedger
from tests.support.memory_service import LEASE_SECONDS, MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"), parse_mailbox("bob@example.net")), subject="Hello", text="Hi\n")
# There are few messages, so that each has many transitions.
MAX_MESSAGES = 2
BOTH = tuple(mailbox.address for mailbox in DRAFT.to)
WRITES = ("replace", "take_slot", "leave_slot")
POINTS = tuple(f"{when} ledger.{what}" for when in ("before", "after") for what in WRITES)
BEFORE: tuple[Verdict, ...] = (
    Deferred(Failure(Phase.CONNECT, Cause.REFUSED)),
    RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535))),
    Rejected(Failure(Phase.MAIL, Cause.REPLY, Reply(550))),
)
REFUSALS: tuple[Verdict | None, ...] = (
    None,
    None,
    Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450))),
    Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550))),
)
ENDS: tuple[Verdict, ...] = (
    Deferred(Failure(Phase.FINAL, Cause.REPLY, Reply(451))),
    Rejected(Failure(Phase.FINAL, Cause.REPLY, Reply(554))),
)
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))


class Killed(BaseException):
    """The worker's process has ended."""


@dataclass(frozen=True)
class Transit:
    """One delivery: the relay's verdicts, and the point where the worker is lost."""

    before: Verdict | None
    refusals: tuple[Verdict | None, Verdict | None]
    final: Verdict
    takes: bool
    dies: bool
    killed_at: str | None
    unanswered_at: str | None
    overtaken: bool


CLEAN = Transit(
    before=None,
    refusals=(None, None),
    final=fakes.ACCEPTED,
    takes=True,
    dies=False,
    killed_at=None,
    unanswered_at=None,
    overtaken=False,
)
TRANSITS = st.builds(
    Transit,
    before=st.sampled_from((None, None, None, *BEFORE)),
    refusals=st.tuples(st.sampled_from(REFUSALS), st.sampled_from(REFUSALS)),
    final=st.sampled_from((fakes.ACCEPTED, LOST, *ENDS)),
    takes=st.booleans(),
    dies=st.booleans(),
    killed_at=st.sampled_from((None, None, *POINTS)),
    unanswered_at=st.sampled_from((None, None, *POINTS)),
    overtaken=st.booleans(),
)


@dataclass
class ScriptedRelay(fakes.FakeRelayTransport):
    """A relay that performs one `transit` and counts the messages that it accepted."""

    transit: Transit | None = None
    meanwhile: Callable[[], None] = lambda: None
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)

    def send(
        self,
        message: Message,
        relay: Relay,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        transit, self.transit = self.transit, None
        if transit is None:
            return Attempt.uniform(message.recipients, BEFORE[0])
        if transit.overtaken:
            self.meanwhile()
        if transit.before is not None:
            return Attempt.uniform(message.recipients, transit.before)
        before_end()
        refused = {
            address: verdict for address, verdict in zip(BOTH, transit.refusals, strict=True) if verdict is not None
        }
        verdicts = {address: refused.get(address, transit.final) for address in message.recipients}
        if transit.final is fakes.ACCEPTED or (transit.final is LOST and transit.takes):
            self.taken.update((message.message_id, str(each)) for each in message.recipients if each not in refused)
        if transit.dies:
            raise Killed
        return Attempt(verdicts)


class Deliveries(RuleBasedStateMachine):
    """Workers, sweeps, admins and callers, in any order."""

    messages: Bundle[Record] = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.relay = ScriptedRelay(meanwhile=self._overtake)
        self.service = MemoryService(relay=self.relay, ledger=MemoryLedger(failpoint=self._failpoint))
        self.service.secrets.answers[ACME] = fakes.secret(entries())
        self.accepted: list[Record] = []
        self.ended: dict[str, State] = {}
        self.killed_at: str | None = None
        self.unanswered_at: str | None = None
        self.versions = 1

    def _failpoint(self, point: str) -> None:
        if point == self.killed_at:
            self.killed_at = None
            raise Killed
        if point == self.unanswered_at:
            self.unanswered_at = None
            raise LedgerUnavailable

    def _overtake(self) -> None:
        """End the lease during the attempt, run a sweep, and let other workers deliver the messages."""
        self.service.advance(LEASE_SECONDS + 1)
        self._survive(self.service.sweep)
        for accepted in self.accepted:
            self.relay.transit = CLEAN
            self._survive(functools.partial(self.service.deliver, accepted))

    def _survive(self, act: Callable[[], object]) -> None:
        with contextlib.suppress(Killed, LedgerUnavailable):
            act()

    @precondition(lambda self: len(self.accepted) < MAX_MESSAGES)
    @rule(target=messages, on_unknown=st.sampled_from(OnUnknown))
    def accept(self, on_unknown: OnUnknown) -> Record:
        record = self.service.accept(DRAFT, on_unknown=on_unknown)
        self.accepted.append(record)
        return record

    @rule(message=messages)
    def deliver_normally(self, message: Record) -> None:
        self.deliver(message, CLEAN)

    @rule(message=messages)
    def deliver_and_kill_the_worker(self, message: Record) -> None:
        self.deliver(message, replace(CLEAN, dies=True))

    @rule(message=messages)
    def deliver_and_lose_the_reply(self, message: Record) -> None:
        self.deliver(message, replace(CLEAN, final=LOST))

    @rule(message=messages)
    def deliver_too_slowly(self, message: Record) -> None:
        self.deliver(message, replace(CLEAN, overtaken=True))

    @rule(message=messages, transit=TRANSITS)
    def deliver(self, message: Record, transit: Transit) -> None:
        self.relay.transit, self.killed_at, self.unanswered_at = transit, transit.killed_at, transit.unanswered_at
        self._survive(lambda: self.service.deliver(message))
        self.killed_at = self.unanswered_at = None

    @rule()
    def let_a_lease_end(self) -> None:
        self.let_time_pass(LEASE_SECONDS + 1)

    @rule(seconds=st.sampled_from((400.0, 400.0, 8000.0, 90_000.0)))
    def let_time_pass(self, seconds: float) -> None:
        self.service.advance(seconds)
        self._survive(self.service.sweep)

    @rule(message=messages, is_meant=st.sampled_from((False, False, False, True)))
    def cancel(self, message: Record, is_meant: bool) -> None:
        if not is_meant:
            return
        with contextlib.suppress(NotPossibleNow):
            cancel_email(ACME, message.id, ports=self.service.send_ports)

    @rule(host=st.sampled_from(("mail.acme.example", "mail.acme.example", "", "other.acme.example")))
    def edit_secret(self, host: str) -> None:
        self.versions += 1
        self.service.secrets.answers[ACME] = fakes.secret(entries(smtpHost=host), f"version-{self.versions}")

    @rule(is_meant=st.sampled_from((False, False, False, True)))
    def remove_secret(self, is_meant: bool) -> None:
        if not is_meant:
            return
        self.service.secrets.answers[ACME] = SecretAbsent()

    @invariant()
    def a_second_copy_needs_an_unknown_outcome_under_retry(self) -> None:
        copies = self.relay.taken + Counter(
            (message.message_id, str(address))
            for message in self.service.server.requests
            for address in message.recipients
        )
        for accepted in self.accepted:
            record = self.service.known(accepted)
            unknowns = sum(attempt.result is AttemptResult.UNKNOWN for attempt in record.attempts)
            allowed = 1 + (min(unknowns, 1) if record.on_unknown is OnUnknown.RETRY else 0)
            own = [number for (message_id, _), number in copies.items() if message_id.startswith(f"<{record.id}@")]
            assert max(own, default=0) <= allowed

    @invariant()
    def an_accepted_recipient_has_the_message(self) -> None:
        by_server = {
            (message.message_id, str(each)) for message in self.service.server.requests for each in message.recipients
        }
        for accepted in self.accepted:
            record = self.service.known(accepted)
            for recipient in record.recipients:
                if isinstance(recipient.verdict, Accepted):
                    assert (record.message_id, str(recipient.address)) in self.relay.taken.keys() | by_server

    @invariant()
    def a_final_record_does_not_change_and_any_other_has_a_due_time(self) -> None:
        for accepted in self.accepted:
            record = self.service.known(accepted)
            assert record.is_final or record.due_at is not None
            if record.is_final:
                assert self.ended.setdefault(record.id, record.state) == record.state
            else:
                assert record.id not in self.ended


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
