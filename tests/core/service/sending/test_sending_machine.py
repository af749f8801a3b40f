"""Random requests, deliveries, failures and repetitions: nothing is doubled, lost or told wrongly (DU17)."""

from collections.abc import Iterable
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mailer.errors import NotPossibleNow
from mailer.ledger.lifecycle import Reason
from mailer.ledger.record import OnUnknown, Record, State
from mailer.service.sending.manage_email import cancel_email, retry_email
from mailer.smtp.outcome import Accepted, Rejected, Unknown, Verdict

from tests.support.chain import (
    AUTH_REJECTED,
    GREYLISTED,
    HOSTS,
    LATER,
    LOST,
    REFUSED,
    TLS_FAILED,
    UNREACHABLE,
    Turn,
)
from tests.support.memory_service import LEASE_SECONDS
from tests.support.projects import ACME
from tests.support.sending_world import RECIPIENTS, Fault, Plan, Request, World

MAX_REQUESTS = 6
# The time in which everything is served after the end of all faults. No message expires before.
_SERVED_WITHIN = 24_000.0
_NOT_SENT = frozenset({State.REJECTED, State.FAILED, State.EXPIRED, State.CANCELLED, State.SUPPRESSED})
_UNDER_WAY = frozenset({State.CLAIMED, State.SENDING})

# What a provider does with a message for Ada and Bob. The first ones are the most telling.
TURNS = {
    "ada accepted, bob deferred": Turn(verdicts={"bob": GREYLISTED}),
    "ada accepted, bob unknown": Turn(verdicts={"bob": LOST}, takes=False),
    "ada unknown, bob deferred": Turn(verdicts={"ada": LOST, "bob": GREYLISTED}),
    "ada accepted, bob deferred at the end": Turn(verdicts={"bob": LATER}),
    "accepted": Turn(),
    "ada unknown, bob accepted": Turn(verdicts={"ada": LOST}),
    "ada accepted, bob rejected": Turn(verdicts={"bob": REFUSED}),
    "ada accepted, bob needs a login": Turn(verdicts={"bob": AUTH_REJECTED}),
    "deferred": Turn(GREYLISTED),
    "deferred at the end": Turn(LATER),
    "rejected": Turn(REFUSED),
    "unknown and taken": Turn(LOST),
    "unknown and not taken": Turn(LOST, takes=False),
    "unreachable": Turn(UNREACHABLE),
    "login rejected": Turn(AUTH_REJECTED),
    "certificate expired": Turn(TLS_FAILED),
    "accepted, and the worker is lost": Turn(kills=True),
    "ada accepted, bob deferred, and the worker is lost": Turn(verdicts={"bob": GREYLISTED}, kills=True),
}
PARTLY = tuple(TURNS)[:4]
SURVIVED = tuple(name for name, turn in TURNS.items() if not turn.kills)
# A turn of each host, by its name.
type Names = tuple[str, ...]


def names_of(turns: Iterable[str]) -> st.SearchStrategy[Names]:
    return st.tuples(*(st.sampled_from(tuple(turns)) for _ in HOSTS))


def plan_of(names: Names) -> Plan:
    return {host: TURNS[name] for host, name in zip(HOSTS, names, strict=True)}


NAMES = names_of(TURNS)
INSERTING, REPLACING = (
    tuple(
        Fault(f"{when} ledger.{what}", number, kills=kills, goes_out=goes_out)
        for when in ("before", "after")
        for number in numbers
        for kills, goes_out in ((True, False), (False, False), (False, True))
    )
    for what, numbers in (("insert", (1,)), ("replace", (1, 2, 3, 4)))
)
FAULTS = st.sampled_from((*(None,) * 20, *INSERTING, *REPLACING))
CHAINS = st.sampled_from((HOSTS, HOSTS[:2], HOSTS[:1], HOSTS[1:], (HOSTS[1], HOSTS[0])))


class Sending(RuleBasedStateMachine):
    """Callers, workers, sweeps and admins, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.service = self.world.service
        self.stopped: set[str] = set()
        self.moved: set[str] = set()

    @precondition(lambda self: len(self.world.requests) < MAX_REQUESTS)
    @rule(
        names=NAMES,
        fault=FAULTS,
        on_unknown=st.sampled_from(OnUnknown),
        has_key=st.booleans(),
        is_async=st.sampled_from((False, False, True)),
    )
    def request(self, names: Names, fault: Fault | None, on_unknown: OnUnknown, has_key: bool, is_async: bool) -> None:
        self.world.make(self.world.new_request(on_unknown, has_key=has_key, is_async=is_async), plan_of(names), fault)

    @precondition(lambda self: len(self.world.requests) < MAX_REQUESTS)
    @rule(
        first=st.sampled_from(PARTLY),
        names=NAMES,
        fault=st.sampled_from(REPLACING),
        on_unknown=st.sampled_from(OnUnknown),
        has_key=st.booleans(),
    )
    def request_and_fail(self, first: str, names: Names, fault: Fault, on_unknown: OnUnknown, has_key: bool) -> None:
        """Let a request fail after the first provider has taken a part of the message."""
        request = self.world.new_request(on_unknown, has_key=has_key, is_async=False)
        self.world.make(request, plan_of((first, *names[1:])), fault)

    @precondition(lambda self: any(each.key for each in self.world.requests))
    @rule(number=st.integers(0, 20), names=NAMES, fault=FAULTS)
    def repeat(self, number: int, names: Names, fault: Fault | None) -> None:
        keyed = [each for each in self.world.requests if each.key]
        self.world.make(keyed[number % len(keyed)], plan_of(names), fault)

    @precondition(lambda self: any(each.key for each in self.world.requests))
    @rule(number=st.integers(0, 20), names=NAMES, fault=FAULTS)
    def repeat_after_the_lease(self, number: int, names: Names, fault: Fault | None) -> None:
        self.service.advance(LEASE_SECONDS + 1)
        self.repeat(number, names, fault)

    @precondition(lambda self: self.service.ledger.records)
    @rule(number=st.integers(0, 20), names=NAMES, fault=FAULTS)
    def deliver(self, number: int, names: Names, fault: Fault | None) -> None:
        record = self._pick(number)
        self.world.act(lambda: self.service.deliver(record), plan_of(names), fault)

    @precondition(lambda self: any(each.due_at for each in self.service.ledger.records))
    @rule(names=NAMES, fault=FAULTS)
    def deliver_what_is_due_next(self, names: Names, fault: Fault | None) -> None:
        due = [(each.due_at, each.id, each) for each in self.service.ledger.records if each.due_at is not None]
        at, _, record = min(due)
        self.service.seconds = max(self.service.seconds, at)
        self.world.act(lambda: self.service.deliver(record), plan_of(names), fault)

    def _pick(self, number: int) -> Record:
        return self.service.ledger.records[number % len(self.service.ledger.records)]

    @rule(seconds=st.sampled_from((LEASE_SECONDS + 1, 400.0, 2000.0)), fault=FAULTS)
    def let_time_pass(self, seconds: float, fault: Fault | None) -> None:
        self.service.advance(seconds)
        self.world.act(self.service.sweep, {}, fault)

    @precondition(lambda self: self.service.ledger.records)
    @rule(number=st.integers(0, 20))
    def retry_by_hand(self, number: int) -> None:
        record = self._pick(number)
        with suppress(NotPossibleNow):
            retried = retry_email(ACME, record.id, ports=self.service.send_ports)
            request = self.world.request_of(record)
            assert retried.may_duplicate or not self._left_with_a_copy(retried.record)
            request.granted += retried.may_duplicate
            request.refused, request.free = False, set()
            self.stopped.discard(record.id)

    def _left_with_a_copy(self, retried: Record) -> bool:
        left = [each.address for each in retried.recipients if not isinstance(each.verdict, Accepted | Rejected)]
        return any(self.world.providers.copies[retried.id, address] for address in left)

    @precondition(lambda self: self.service.ledger.records)
    @rule(number=st.integers(0, 20), is_meant=st.booleans())
    def cancel(self, number: int, is_meant: bool) -> None:
        if not is_meant:
            return
        record = self._pick(number)
        with suppress(NotPossibleNow):
            cancel_email(ACME, record.id, ports=self.service.send_ports)
            self.stopped.add(record.id)

    @rule(hosts=CHAINS)
    def choose_providers(self, hosts: tuple[str, ...]) -> None:
        self.world.choose(hosts)
        for record in self.service.ledger.records:
            if any((record.id, each) in self.world.providers.unknown_at for each in RECIPIENTS):
                # The transport of an unknown outcome may be gone when its repetition is due.
                self.moved.add(record.id)

    @invariant()
    def no_recipient_has_more_copies_than_the_caller_has_allowed(self) -> None:
        for request in self.world.requests:
            allowed = 1 + (request.on_unknown is OnUnknown.RETRY) + request.granted
            for recipient in RECIPIENTS:
                assert self.world.copies(request, recipient) <= allowed

    @invariant()
    def a_recipient_that_may_have_a_copy_stays_with_its_provider(self) -> None:
        assert self.world.providers.strayed == []

    @invariant()
    def what_an_answer_has_excluded_does_not_happen(self) -> None:
        for request in self.world.requests:
            for recipient in RECIPIENTS:
                if request.refused or recipient in request.free:
                    assert self.world.copies(request, recipient) == 0

    @invariant()
    def a_key_leads_to_one_message_while_a_copy_may_exist(self) -> None:
        for request in self.world.requests:
            sent = [each for each in self._records(request) if self.world.may_have_copy(each)]
            assert len(sent) <= 1

    @invariant()
    def the_ledger_agrees_with_the_providers(self) -> None:
        for record in self.service.ledger.records:
            assert record.is_final or record.due_at is not None
            for each in record.recipients:
                copies = self.world.providers.copies[record.id, each.address]
                assert copies > 0 or not isinstance(each.verdict, Accepted)
                is_known = isinstance(each.verdict, Accepted | Unknown) or record.state in _UNDER_WAY
                assert copies == 0 or is_known
                assert copies == 0 or record.state not in _NOT_SENT

    def teardown(self) -> None:
        """The providers and the ledger recover: every recipient that was promised a copy is served."""
        for _ in range(6):
            self.service.advance(_SERVED_WITHIN / 6)
            self.service.sweep()
            for record in self.service.ledger.records:
                self.service.deliver(record)
        for record in self.service.ledger.records:
            assert record.is_final, f"a message is {record.state} for good"
            if record.id not in self.stopped and record.reason != Reason.WORKER_CRASHED:
                self._demand_kept_promises(record)

    def _demand_kept_promises(self, record: Record) -> None:
        request = self.world.request_of(record)
        excused = self.moved | self.world.lost_workers
        for each in record.recipients:
            copies = self.world.providers.copies[record.id, each.address]
            is_unknown = (record.id, each.address) in self.world.providers.unknown_at
            # A worker that was lost after its mark may have sent the message, for all that the ledger knows.
            is_unknown = is_unknown or (isinstance(each.verdict, Unknown) and record.id in self.world.lost_workers)
            if (record.id, each.address) in request.promised and not isinstance(each.verdict, Rejected):
                assert copies or is_unknown, f"a recipient was promised a copy and is {each.verdict}"
            was_unknown = (record.id, each.address) in self.world.providers.unknown_at
            if was_unknown and request.on_unknown is OnUnknown.RETRY and record.id not in excused:
                assert (record.id, each.address) in self.world.providers.repeated

    def _records(self, request: Request) -> list[Record]:
        return [each for each in self.service.ledger.records if each.id in request.ids]


TestSending = Sending.TestCase
TestSending.settings = settings(max_examples=250, stateful_step_count=15, deadline=None)


# -- a chain with and without its last provider -----------------------------------------------------------------------

_WORST_FIRST = ("rejected", "refused", "repeatable", "waiting", "accepted")


def outcomes(hosts: tuple[str, ...], plan: Plan, *, is_async: bool) -> list[str]:
    """Return what becomes of each recipient of a message after one delivery by these providers."""
    world = World(hosts)
    request = world.new_request(OnUnknown.HOLD, has_key=False, is_async=is_async)
    world.make(request, plan, None)
    (record,) = world.service.ledger.records
    if is_async:
        world.act(lambda: world.service.deliver(record), plan, None)
    known = world.service.known(record)
    return [_outcome(known, each.verdict) for each in known.recipients]


def _outcome(record: Record, verdict: Verdict | None) -> str:
    match verdict:
        case Accepted():
            return "accepted"
        case Unknown():
            return "unknown"
        case Rejected():
            return "rejected"
        case _ if not record.is_final:
            return "waiting"
        case _:
            return "repeatable" if record.reason in {"relay-unreachable", "relay-deferred"} else "refused"


@settings(max_examples=150, deadline=None)
@given(names=names_of(SURVIVED), number=st.integers(1, len(HOSTS) - 1), is_async=st.booleans())
def test_a_provider_at_the_end_of_a_chain_never_makes_an_outcome_worse(
    names: Names, number: int, is_async: bool
) -> None:
    plan = plan_of(names)
    added = plan[HOSTS[number]]

    without = outcomes(HOSTS[:number], plan, is_async=is_async)
    having = outcomes(HOSTS[: number + 1], plan, is_async=is_async)

    for recipient, before, after in zip(RECIPIENTS, without, having, strict=True):
        if before == "unknown" or (after == "unknown" and isinstance(added.verdict(recipient), Unknown)):
            continue
        assert _WORST_FIRST.index(after) >= _WORST_FIRST.index(before)
