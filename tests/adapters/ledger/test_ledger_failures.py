"""The ledger on DynamoDB with lost answers, refused requests and concurrent writes."""

import json
import logging
from collections.abc import Callable, Iterator

import msgspec
import pytest
from mailer.adapters.aws.ledger import DynamoDbLedger
from mailer.adapters.aws.session import AwsSession, Unanswered
from mailer.errors import LedgerUnavailable
from mailer.ledger.breaker import AttemptReport, BreakerState, SlotLease, SlotRequest
from mailer.ledger.health import Health, HealthState
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import conclude
from mailer.ledger.record import State
from mailer.ports import CounterResult, WriteConflict

from tests.support.fake_aws import Answer, Behaviour, Close, FakeAws, Request, refusal, success
from tests.support.ledger_setup import ACME, NOW, Transit, create_table, make_ledger, make_record, serial_moto

KEY = KeyUse("digest", "fingerprint", NOW + 86_400)
ANSWER = StoredAnswer(200, "{}", "application/json")
SLOT = SlotRequest("v1", "w", NOW + 60)
CONFLICT = Answer(
    400,
    json.dumps(
        {
            "__type": "TransactionCanceledException",
            "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
        }
    ).encode(),
)


class Mishaps:
    """The transit of each later write, in order; reads always arrive. `operations` are all that arrived.

    `meanwhile` is called before the next write is served, `afterwards` when the next answer is lost.
    """

    def __init__(self) -> None:
        self.operations: list[str] = []
        self.transit: list[Transit] = []
        self.meanwhile: Callable[[], object] | None = None
        self.afterwards: Callable[[], object] | None = None

    def __call__(self, operation: str) -> Transit:
        self.operations.append(operation)
        if operation not in {"PutItem", "UpdateItem", "TransactWriteItems"} or not self.transit:
            return Transit.SERVED
        transit, meanwhile, self.meanwhile = self.transit.pop(0), self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return transit

    def answer_lost(self) -> None:
        """Let another worker act before the client repeats its request."""
        afterwards, self.afterwards = self.afterwards, None
        if afterwards is not None:
            afterwards()


@pytest.fixture(scope="module")
def mishaps() -> Mishaps:
    return Mishaps()


@pytest.fixture(scope="module")
def session(mishaps: Mishaps) -> Iterator[AwsSession]:
    with serial_moto(mishaps, mishaps.answer_lost) as url:
        yield AwsSession(endpoint_url=url)


@pytest.fixture
def ledger(session: AwsSession) -> DynamoDbLedger:
    return make_ledger(session)


def lose_answer(mishaps: Mishaps) -> None:
    mishaps.transit = [Transit.ANSWER_LOST]


@pytest.mark.parametrize("key", [None, KEY])
def test_an_insertion_with_a_lost_answer_is_made_once(
    ledger: DynamoDbLedger, mishaps: Mishaps, key: KeyUse | None
) -> None:
    lose_answer(mishaps)

    assert ledger.insert(make_record(), key=key) is None
    assert mishaps.transit == []
    assert ledger.find(ACME, "m1") == make_record()


@pytest.mark.parametrize("closing", [None, KeyClosing(KEY.digest, ANSWER), KeyClosing(KEY.digest, None)])
def test_a_replacement_with_a_lost_answer_is_made_once(
    ledger: DynamoDbLedger, mishaps: Mishaps, closing: KeyClosing | None
) -> None:
    ledger.insert(make_record(), key=KEY)
    lose_answer(mishaps)

    assert ledger.replace(make_record(), closing=closing).revision == 1
    assert mishaps.transit == []
    assert ledger.find(ACME, "m1") == make_record(revision=1)


def test_a_key_is_closed_even_if_the_answer_was_lost(ledger: DynamoDbLedger, mishaps: Mishaps) -> None:
    ledger.insert(make_record(), key=KEY)
    lose_answer(mishaps)
    ledger.replace(make_record(), closing=KeyClosing(KEY.digest, ANSWER))

    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint", ANSWER)


def test_a_slot_is_taken_and_left_once_even_if_the_answers_were_lost(ledger: DynamoDbLedger, mishaps: Mishaps) -> None:
    for _ in range(2):
        lose_answer(mishaps)
        assert ledger.take_slot(ACME, "smtp", SLOT, now=NOW) is None
        lose_answer(mishaps)
        ledger.leave_slot(ACME, "smtp", version_id="v1", token="w", report=AttemptReport("timeout"), now=NOW)

    assert ledger.breaker(ACME, "smtp") == BreakerState("v1", failures=2, failing_since=NOW, last_failure="timeout")


def test_a_calm_slot_costs_one_update_to_take_and_one_to_leave(ledger: DynamoDbLedger, mishaps: Mishaps) -> None:
    ledger.take_slot(ACME, "smtp", SlotRequest("v1", "first", NOW + 60), now=NOW)
    ledger.leave_slot(ACME, "smtp", version_id="v1", token="first", report=None, now=NOW)
    mishaps.operations.clear()
    ledger.take_slot(ACME, "smtp", SLOT, now=NOW)
    ledger.leave_slot(ACME, "smtp", version_id="v1", token="w", report=AttemptReport(has_accepted=True), now=NOW)

    assert mishaps.operations == ["UpdateItem", "UpdateItem"]


def test_a_calm_slot_is_taken_and_left_once_even_if_the_answers_were_lost(
    ledger: DynamoDbLedger, mishaps: Mishaps
) -> None:
    ledger.take_slot(ACME, "smtp", SlotRequest("v1", "other", NOW + 60), now=NOW)
    lose_answer(mishaps)
    assert ledger.take_slot(ACME, "smtp", SLOT, now=NOW) is None
    lose_answer(mishaps)
    ledger.leave_slot(ACME, "smtp", version_id="v1", token="w", report=None, now=NOW)

    assert ledger.breaker(ACME, "smtp") == BreakerState("v1", leases=(SlotLease("other", NOW + 60),))


def test_health_is_saved_even_if_the_answer_was_lost(ledger: DynamoDbLedger, mishaps: Mishaps) -> None:
    health = Health(HealthState.VERIFIED, "v1", NOW)
    lose_answer(mishaps)
    ledger.save_health(ACME, health)

    assert ledger.health(ACME) == health


def test_another_worker_s_write_is_not_mistaken_for_the_own_one(ledger: DynamoDbLedger, mishaps: Mishaps) -> None:
    ledger.insert(make_record())
    mishaps.transit, mishaps.meanwhile = [Transit.LOST], lambda: ledger.replace(make_record())

    with pytest.raises(WriteConflict):
        ledger.replace(make_record())


def test_another_worker_s_insertion_is_not_mistaken_for_the_own_one(ledger: DynamoDbLedger, mishaps: Mishaps) -> None:
    mishaps.transit, mishaps.meanwhile = [Transit.LOST], lambda: ledger.insert(make_record("m2"), key=KEY)

    assert ledger.insert(make_record("m1"), key=KEY) == KeyState("m2", "fingerprint")
    assert ledger.find(ACME, "m1") is None


def test_a_lost_write_succeeds_at_the_second_try(ledger: DynamoDbLedger, mishaps: Mishaps) -> None:
    mishaps.transit = [Transit.LOST]

    assert ledger.insert(make_record()) is None
    assert ledger.find(ACME, "m1") == make_record()


def test_a_final_record_leaves_the_sweep_s_index(session: AwsSession) -> None:
    client, table = session.dynamodb(), create_table(session.dynamodb())
    ledger = DynamoDbLedger(session.dynamodb, once_factory=session.dynamodb_once, table=table)
    ledger.insert(make_record())
    before = client.scan(TableName=table)["Items"]
    ledger.replace(conclude(make_record(), State.SENT, "", now=NOW))
    after = client.scan(TableName=table)["Items"]

    assert [{"due_at", "due_shard"} & item.keys() for item in (*before, *after)] == [{"due_at", "due_shard"}, set()]


def test_a_record_is_deleted_after_30_days_and_a_key_when_it_ends(session: AwsSession) -> None:
    client, table = session.dynamodb(), create_table(session.dynamodb())
    DynamoDbLedger(session.dynamodb, once_factory=session.dynamodb_once, table=table).insert(make_record(), key=KEY)
    ends = {item["sk"]["S"]: int(item["ttl"]["N"]) for item in client.scan(TableName=table)["Items"]}

    assert ends == {"email#m1": int(NOW) + 30 * 86_400, "key#digest": int(NOW) + 86_400}


def test_a_count_with_a_lost_answer_is_made_once(mishaps: Mishaps, session: AwsSession) -> None:
    ledger = make_ledger(session)
    mishaps.transit = [Transit.ANSWER_LOST, Transit.SERVED]

    first = ledger.increment(ACME, "2027-01-15", 3, within={"project/day": 5}, forget_at=NOW)

    assert first == CounterResult({"project/day": 3}, is_taken=True)
    assert ledger.increment(ACME, "2027-01-15", 2, within={"project/day": 5}, forget_at=NOW).is_taken


def test_a_count_does_not_become_too_low_if_the_answer_to_a_give_back_is_lost(
    mishaps: Mishaps, session: AwsSession
) -> None:
    ledger = make_ledger(session)

    def count(amount: int) -> CounterResult:
        return ledger.increment(ACME, "2027-01-15", amount, within={"project/day": None}, forget_at=NOW)

    count(5)
    mishaps.transit, mishaps.afterwards = [Transit.ANSWER_LOST], lambda: count(1)
    with pytest.raises(LedgerUnavailable):
        count(-1)

    assert count(0).counts == {"project/day": 5}


CALLS: dict[str, Callable[[DynamoDbLedger], object]] = {
    "insert": lambda ledger: ledger.insert(make_record()),
    "insert with a key": lambda ledger: ledger.insert(make_record(), key=KEY),
    "replace": lambda ledger: ledger.replace(make_record()),
    "replace and close": lambda ledger: ledger.replace(make_record(), closing=KeyClosing(KEY.digest, None)),
    "find": lambda ledger: ledger.find(ACME, "m1"),
    "find_key": lambda ledger: ledger.find_key(ACME, "digest", now=NOW),
    "page": lambda ledger: ledger.page(ACME, state=None, cursor=None, limit=10),
    "page of a state": lambda ledger: ledger.page(ACME, state=State.HELD, cursor=None, limit=10),
    "ids_in_state": lambda ledger: ledger.ids_in_state(ACME, State.HELD),
    "count": lambda ledger: ledger.count(ACME, State.HELD),
    "due": lambda ledger: ledger.due(now=NOW, limit=10),
    "breaker": lambda ledger: ledger.breaker(ACME, "smtp"),
    "take_slot": lambda ledger: ledger.take_slot(ACME, "smtp", SLOT, now=NOW),
    "leave_slot": lambda ledger: ledger.leave_slot(ACME, "smtp", version_id="v1", token="w", report=None, now=NOW),
    "increment": lambda ledger: ledger.increment(ACME, "2027-01-15", 1, within={"project/day": 5}, forget_at=NOW),
    "health": lambda ledger: ledger.health(ACME),
    "save_health": lambda ledger: ledger.save_health(ACME, Health(HealthState.SERVER, None, NOW)),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
READS = (
    "find",
    "find_key",
    "page",
    "page of a state",
    "ids_in_state",
    "count",
    "due",
    "breaker",
    "health",
    "increment",
)


def on(fake: FakeAws, pauses: list[float] | None = None) -> DynamoDbLedger:
    waits = [] if pauses is None else pauses
    aws = AwsSession(endpoint_url=fake.url)
    return DynamoDbLedger(aws.dynamodb, once_factory=aws.dynamodb_once, table="ledger", pause=waits.append)


def in_turn(*behaviours: Behaviour) -> Callable[[Request], Behaviour]:
    left = list(behaviours)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


@every_call
@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "TransactionCanceledException"])
def test_any_refusal_of_dynamodb_is_ledger_unavailable(call: Callable[[DynamoDbLedger], object], code: str) -> None:
    with FakeAws(lambda _request: refusal(code)) as fake, pytest.raises(LedgerUnavailable):
        call(on(fake))


@every_call
def test_a_validation_error_of_dynamodb_is_a_bug(call: Callable[[DynamoDbLedger], object]) -> None:
    with FakeAws(lambda _request: refusal("ValidationException")) as fake, pytest.raises(Unanswered):
        call(on(fake))


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("body", [b"{}", b'{"It', b"[]", b"<html>"])
def test_a_truncated_answer_never_means_that_an_item_is_missing(name: str, body: bytes) -> None:
    with FakeAws(lambda _request: Answer(body=body)) as fake, pytest.raises(LedgerUnavailable):
        CALLS[name](on(fake))


@pytest.mark.parametrize("behaviour", [Close(), refusal("InternalServerError", status=500)])
def test_the_ledger_gives_up_after_three_requests(behaviour: Behaviour) -> None:
    with FakeAws(lambda _request: behaviour) as fake:
        with pytest.raises(LedgerUnavailable):
            on(fake).find(ACME, "m1")

        assert fake.operations == ["GetItem"] * 3


def test_only_a_code_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mailer")
    with (
        FakeAws(lambda _request: refusal("AccessDeniedException", "arn:aws:iam::1:role/x")) as fake,
        pytest.raises(LedgerUnavailable),
    ):
        on(fake).find(ACME, "m1")

    ours = [record for record in caplog.records if record.name.startswith("mailer")]
    assert [(record.getMessage(), getattr(record, "code", None)) for record in ours] == [
        ("the ledger did not answer", "AccessDeniedException")
    ]


@pytest.mark.parametrize("conflict", [CONFLICT, refusal("TransactionConflictException")])
def test_a_write_in_conflict_with_a_transaction_is_tried_again(conflict: Answer) -> None:
    pauses: list[float] = []
    with FakeAws(in_turn(conflict, conflict, success())) as fake:
        assert on(fake, pauses).insert(make_record(), key=KEY) is None

    assert len(pauses) == 2


def test_a_write_in_repeated_conflict_with_transactions_fails() -> None:
    with FakeAws(lambda _request: CONFLICT) as fake:
        with pytest.raises(LedgerUnavailable):
            on(fake).insert(make_record(), key=KEY)

        assert len(fake.requests) == 6


def test_a_malformed_transaction_is_a_bug() -> None:
    body = {"__type": "TransactionCanceledException", "CancellationReasons": [{"Code": "ValidationError"}]}
    with FakeAws(lambda _request: Answer(400, json.dumps(body).encode())) as fake, pytest.raises(Unanswered):
        on(fake).insert(make_record(), key=KEY)


def test_a_throttled_transaction_is_ledger_unavailable() -> None:
    body = {
        "__type": "TransactionCanceledException",
        "CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "None"}],
    }
    with FakeAws(lambda _request: Answer(400, json.dumps(body).encode())) as fake, pytest.raises(LedgerUnavailable):
        on(fake).insert(make_record(), key=KEY)


def test_a_count_reads_every_page() -> None:
    place = {"pk": {"S": "project#acme"}, "sk": {"S": "email#m1"}}
    with FakeAws(in_turn(success(Count=700, LastEvaluatedKey=place), success(Count=1))) as fake:
        assert on(fake).count(ACME, State.HELD) == 701

        assert [request.json().get("ExclusiveStartKey") for request in fake.requests] == [None, place]


def stored(id: str, state: State) -> dict[str, object]:
    return {"record": {"S": msgspec.json.encode(make_record(id, state=state)).decode()}}


def index(*ids: str) -> Answer:
    return success(Count=len(ids), Items=[{"id": {"S": id}} for id in ids])


def test_a_page_of_a_state_omits_records_that_have_left_it() -> None:
    records = {"ledger": [stored("m1", State.HELD), stored("m2", State.SENT)]}
    with FakeAws(in_turn(index("m2", "m1"), success(Responses=records, UnprocessedKeys={}))) as fake:
        page = on(fake).page(ACME, state=State.HELD, cursor=None, limit=10)

    assert [record.id for record in page.records] == ["m1"]


def test_unprocessed_keys_are_requested_again() -> None:
    left = {"ledger": {"Keys": [{"pk": {"S": "project#acme"}, "sk": {"S": "email#m1"}}]}}
    first = success(Responses={"ledger": [stored("m2", State.HELD)]}, UnprocessedKeys=left)
    second = success(Responses={"ledger": [stored("m1", State.HELD)]}, UnprocessedKeys={})
    with FakeAws(in_turn(index("m2", "m1"), first, second)) as fake:
        page = on(fake).page(ACME, state=State.HELD, cursor=None, limit=10)

    assert [record.id for record in page.records] == ["m2", "m1"]


def test_keys_that_stay_unprocessed_are_an_error() -> None:
    left = {"ledger": {"Keys": [{"pk": {"S": "project#acme"}, "sk": {"S": "email#m1"}}]}}
    with (
        FakeAws(in_turn(index("m1"), success(Responses={}, UnprocessedKeys=left))) as fake,
        pytest.raises(LedgerUnavailable),
    ):
        on(fake).page(ACME, state=State.HELD, cursor=None, limit=10)
