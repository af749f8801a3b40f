"""The ledger in memory and the one on DynamoDB give the same answers to random calls."""

from collections.abc import Callable, Iterator
from copy import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from mailer.adapters.aws.ledger import make_cursor, read_cursor
from mailer.adapters.aws.session import AwsSession
from mailer.ledger.breaker import AttemptReport, BreakerState, SlotRequest
from mailer.ledger.health import Health, HealthState
from mailer.ledger.idempotency import KeyClosing, KeyUse, StoredAnswer
from mailer.ledger.record import Record, State
from mailer.ports import Ledger, WriteConflict
from mailer.project import ProjectId

from tests.ledger_fakes import MemoryLedger
from tests.support.ledger_setup import ACME, NOW, OTHER, make_ledger, make_record, serial_moto

PROJECTS = (ACME, OTHER, None)
IDS = ("m1", "m2", "m3")
STATES = (State.QUEUED, State.HELD, State.SENT)
ANSWER = StoredAnswer(200, "{}", "application/json")

projects, ids, states = st.sampled_from(PROJECTS), st.sampled_from(IDS), st.sampled_from(STATES)
times = st.sampled_from((NOW, NOW + 50, NOW + 100))
keys = st.none() | st.builds(
    KeyUse,
    digest=st.sampled_from(("d1", "d2")),
    fingerprint=st.sampled_from(("f1", "f2")),
    expires_at=times,
    supersedes=st.none() | ids,
    answer=st.none() | st.just(ANSWER),
)
closings = st.none() | st.builds(KeyClosing, digest=st.sampled_from(("d1", "d2")), answer=st.none() | st.just(ANSWER))
versions, tokens = st.sampled_from(("v1", "v2")), st.sampled_from("abcdef")
waits = st.sampled_from((0, 1, 20, 70))
reports = st.none() | st.builds(
    AttemptReport, failure=st.none() | st.just("timeout"), is_fault=st.booleans(), has_accepted=st.booleans()
)
records = st.builds(
    lambda id, project_id, state, due_at, at, revision: replace(
        make_record(id, project_id=project_id, state=state, due_at=due_at, revision=revision), updated_at=at
    ),
    ids,
    projects,
    states,
    st.none() | times,
    times,
    st.integers(0, 2),
)


def breaker_at(now: float, ledger: Ledger) -> BreakerState:
    """Return the breaker with the leases that have not expired, in the order of their tokens."""
    state = ledger.breaker(ACME, "smtp")
    live = (lease for lease in state.leases if lease.until > now)
    return replace(state, leases=tuple(sorted(live, key=lambda lease: lease.token)))


def outcome(call: Callable[[], object]) -> object:
    """The result of a call, or the expected error that it raised."""
    try:
        return call()
    except WriteConflict:
        return WriteConflict


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serial_moto() as url:
        yield url


def test_both_ledgers_give_the_same_answers(url: str) -> None:
    session = AwsSession(endpoint_url=url)

    class BothLedgers(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.memory: Ledger = MemoryLedger()
            self.dynamodb: Ledger = make_ledger(session)
            self.now = NOW

        def say_the_same(self, ask: Callable[[Ledger], object]) -> None:
            assert outcome(lambda: ask(self.memory)) == outcome(lambda: ask(self.dynamodb))

        @rule(record=records, key=keys)
        def insert(self, record: Record, key: KeyUse | None) -> None:
            new = replace(record, revision=0)
            self.say_the_same(lambda ledger: ledger.insert(new, key=key))

        @rule(record=records, closing=closings)
        def replace(self, record: Record, closing: KeyClosing | None) -> None:
            self.say_the_same(lambda ledger: ledger.replace(record, closing=closing))

        @rule(version=versions, token=tokens, lease=st.integers(1, 60), is_caller=st.booleans(), seconds=waits)
        def take_slot(self, version: str, token: str, lease: int, is_caller: bool, seconds: int) -> None:
            self.now += seconds
            request = SlotRequest(version, token, self.now + lease, is_caller)
            self.say_the_same(lambda ledger: ledger.take_slot(ACME, "smtp", request, now=self.now))
            self.say_the_same(lambda ledger: breaker_at(self.now, ledger))

        @rule(version=versions, token=tokens, report=reports, seconds=waits)
        def leave_slot(self, version: str, token: str, report: AttemptReport | None, seconds: int) -> None:
            self.now += seconds
            self.say_the_same(
                lambda ledger: ledger.leave_slot(
                    ACME, "smtp", version_id=version, token=token, report=report, now=self.now
                )
            )
            self.say_the_same(lambda ledger: breaker_at(self.now, ledger))

        @rule(project_id=st.sampled_from((ACME, OTHER)), state=st.sampled_from(HealthState), checked_at=times)
        def save_health(self, project_id: ProjectId, state: HealthState, checked_at: float) -> None:
            health = Health(state, None, checked_at)
            self.say_the_same(lambda ledger: ledger.save_health(project_id, health))
            self.say_the_same(lambda ledger: ledger.health(project_id))

        @rule(
            project_id=st.sampled_from((ACME, OTHER)),
            amount=st.integers(-3, 3).filter(bool),
            within=st.dictionaries(st.sampled_from(("a", "b")), st.none() | st.integers(1, 4), min_size=1),
        )
        def increment(self, project_id: ProjectId, amount: int, within: dict[str, int | None]) -> None:
            self.say_the_same(
                lambda ledger: ledger.increment(project_id, "2027-01-15", amount, within=within, forget_at=NOW)
            )

        @rule(project_id=projects, digest=st.sampled_from(("d1", "d2")), now=times)
        def find_key(self, project_id: ProjectId | None, digest: str, now: float) -> None:
            self.say_the_same(lambda ledger: ledger.find_key(project_id, digest, now=now))

        @rule(project_id=projects, state=st.none() | states, limit=st.integers(1, 3), after=st.none() | ids)
        def page(self, project_id: ProjectId | None, state: State | None, limit: int, after: str | None) -> None:
            cursor = None if after is None else make_cursor(after)
            self.say_the_same(lambda ledger: ledger.page(project_id, state=state, cursor=cursor, limit=limit))

        @rule(project_id=projects, state=states, after=st.none() | ids, limit=st.integers(1, 3))
        def list_state(self, project_id: ProjectId | None, state: State, after: str | None, limit: int) -> None:
            self.say_the_same(lambda ledger: ledger.ids_in_state(project_id, state, after=after, limit=limit))
            self.say_the_same(lambda ledger: ledger.count(project_id, state))

        @rule(now=times)
        def due(self, now: float) -> None:
            self.say_the_same(lambda ledger: sorted(map(repr, ledger.due(now=now, limit=100))))

        def teardown(self) -> None:
            for project_id in PROJECTS:
                self.compare_everything_of(project_id)

        def compare_everything_of(self, project_id: ProjectId | None) -> None:
            self.say_the_same(lambda ledger: ledger.page(project_id, state=None, cursor=None, limit=10))

    run_state_machine_as_test(
        BothLedgers,
        settings=settings(
            max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_a_cursor_holds_its_id(id: str) -> None:
    assert read_cursor(make_cursor(id)) == id


@given(st.text() | st.text("ABCDEFGHabcdefgh0123-_="))
def test_a_malformed_cursor_raises_only_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        read_cursor(text)
