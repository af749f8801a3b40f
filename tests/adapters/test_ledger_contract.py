"""What every ledger does: the in-memory one that use cases are tested with, and the real one on moto."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import replace

import pytest
from mailer.adapters.aws_session import AwsSession
from mailer.address import parse_address
from mailer.health import Health, HealthState
from mailer.idempotency import KeyClosing, KeyState, KeyUse, StoredAnswer
from mailer.lifecycle import claim, conclude
from mailer.outcome import Accepted, Cause, Deferred, Failure, Phase
from mailer.pace import Pace, Visit
from mailer.ports import Ledger, Superseded
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.record import (
    AttemptRecord,
    AttemptResult,
    OnUnknown,
    RecipientRecord,
    Record,
    SenderRecord,
    State,
)
from mailer.reply import make_reply

from tests.ledger_fakes import MemoryLedger
from tests.support.ledger_stage import ACME, NOW, OTHER, make_ledger, make_record, serial_moto

KEY = KeyUse("digest", "fingerprint", NOW + 86_400)
ANSWER = StoredAnswer(200, '{"id":"m1"}', "application/json")


@pytest.fixture(scope="module")
def session() -> Iterator[AwsSession]:
    with serial_moto() as url:
        yield AwsSession(endpoint_url=url)


@pytest.fixture(params=["memory", "dynamodb"])
def ledger(request: pytest.FixtureRequest, session: AwsSession) -> Ledger:
    return MemoryLedger() if request.param == "memory" else make_ledger(session)


def full_record(recipients: int = 50) -> Record:
    """As much as a record can hold: long replies to all of them, and a day of attempts."""
    reply = make_reply(451, "4.7.1 " + "x" * 1000)
    failure = Failure(Phase.RCPT, Cause.REPLY, reply)
    addresses = [parse_address(f"{'a' * 60}{number:03}@{'d' * 60}.example.com") for number in range(recipients)]
    attempt = AttemptRecord(NOW, "project-smtp", "version", "relay.example.com:587", AttemptResult.DEFERRED, failure)
    return replace(
        make_record(),
        recipients=tuple(RecipientRecord(each, Deferred(failure)) for each in addresses),
        origin="PasswordResetRequested",
        request_id="r" * 256,
        on_unknown=OnUnknown.RETRY,
        valid_until=NOW + 3600.125,
        has_content=True,
        claims=3,
        attempts=(attempt,) * 20,
        message_id="<1@example.com>",
        transport="project-smtp",
        sender=SenderRecord("Ann <ann@example.com>", "no-reply@example.com", "not-approved"),
        reason="relay-paused",
    )


def test_what_is_inserted_is_found(ledger: Ledger) -> None:
    record = make_record()

    assert ledger.insert(record) is None
    assert ledger.find(ACME, "m1") == record


def test_li3_a_record_with_50_recipients_and_long_replies_is_kept_whole(ledger: Ledger) -> None:
    ledger.insert(full_record())

    assert ledger.find(ACME, "m1") == full_record()


def test_verdicts_keep_their_kind(ledger: Ledger) -> None:
    accepted = RecipientRecord(parse_address("ann@example.com"), Accepted(make_reply(250, "2.0.0 Ok")))
    ledger.insert(replace(make_record(), recipients=(accepted,)))

    assert getattr(ledger.find(ACME, "m1"), "recipients", None) == (accepted,)


def test_what_nobody_inserted_is_not_found(ledger: Ledger) -> None:
    assert ledger.find(ACME, "m1") is None


def test_another_project_s_message_is_not_found(ledger: Ledger) -> None:
    ledger.insert(make_record())

    assert ledger.find(OTHER, "m1") is None
    assert ledger.find(None, "m1") is None


def test_the_platform_is_not_the_project_that_is_called_server(ledger: Ledger) -> None:
    ledger.insert(make_record(project_id=None))

    assert ledger.find(ProjectId("server"), "m1") is None
    assert ledger.count(ProjectId("server"), State.QUEUED) == 0


@pytest.mark.parametrize("key", [None, KEY])
def test_an_id_is_inserted_once(ledger: Ledger, key: KeyUse | None) -> None:
    ledger.insert(make_record())

    with pytest.raises(Superseded):
        ledger.insert(replace(make_record(), state=State.HELD), key=key)
    assert ledger.find(ACME, "m1") == make_record()
    assert ledger.find_key(ACME, KEY.digest, now=NOW) is None


def test_a_replacement_is_the_next_revision(ledger: Ledger) -> None:
    ledger.insert(make_record())

    written = ledger.replace(claim(make_record(), now=NOW, lease_until=NOW + 60))

    assert (written.revision, written.state) == (1, State.CLAIMED)
    assert ledger.find(ACME, "m1") == written


def test_a_revision_is_replaced_once(ledger: Ledger) -> None:
    ledger.insert(make_record())
    written = ledger.replace(replace(make_record(), state=State.CLAIMED))

    with pytest.raises(Superseded):
        ledger.replace(replace(make_record(), state=State.HELD))
    assert ledger.find(ACME, "m1") == written


def test_what_is_not_there_is_not_replaced(ledger: Ledger) -> None:
    with pytest.raises(Superseded):
        ledger.replace(make_record())
    assert ledger.find(ACME, "m1") is None


def test_a_key_stands_for_its_message(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint")


def test_a_key_may_come_with_its_answer(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=replace(KEY, answer=ANSWER))

    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint", ANSWER)


def test_du7_a_key_that_is_taken_writes_nothing(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.insert(make_record("m2"), key=replace(KEY, fingerprint="other")) == KeyState("m1", "fingerprint")
    assert ledger.find(ACME, "m2") is None


def test_a_key_that_is_taken_says_for_what_even_where_the_id_is_known(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.insert(make_record(), key=KEY) == KeyState("m1", "fingerprint")


@pytest.mark.parametrize("project_id", [OTHER, None])
def test_a_key_is_its_project_s_own(ledger: Ledger, project_id: ProjectId | None) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.find_key(project_id, KEY.digest, now=NOW) is None
    assert ledger.insert(make_record(project_id=project_id), key=KEY) is None


def test_du8_a_key_ends_by_its_time_and_not_by_its_deletion(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.find_key(ACME, KEY.digest, now=KEY.expires_at - 1) is not None
    assert ledger.find_key(ACME, KEY.digest, now=KEY.expires_at) is None


def test_du8_a_key_that_has_ended_may_be_used_again(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)
    later = replace(make_record("m2"), updated_at=KEY.expires_at)

    assert ledger.insert(later, key=replace(KEY, expires_at=KEY.expires_at + 1000)) is None
    assert ledger.find_key(ACME, KEY.digest, now=KEY.expires_at) == KeyState("m2", "fingerprint")


def test_a_key_passes_to_the_message_that_supersedes_the_one_it_stands_for(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.insert(make_record("m2"), key=replace(KEY, supersedes="m1")) is None
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m2", "fingerprint")


def test_a_key_that_has_passed_on_does_not_pass_again(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)
    ledger.insert(make_record("m2"), key=replace(KEY, supersedes="m1"))

    known = ledger.insert(make_record("m3"), key=replace(KEY, supersedes="m1"))

    assert known == KeyState("m2", "fingerprint")
    assert ledger.find(ACME, "m3") is None


def test_a_closed_key_keeps_its_answer(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    ledger.replace(conclude(make_record(), State.SENT, "", now=NOW), closing=KeyClosing(KEY.digest, ANSWER))

    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint", ANSWER)


def test_a_key_that_is_closed_without_an_answer_may_be_used_again(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    ledger.replace(conclude(make_record(), State.FAILED, "", now=NOW), closing=KeyClosing(KEY.digest, None))

    assert ledger.find_key(ACME, KEY.digest, now=NOW) is None
    assert ledger.insert(make_record("m2"), key=KEY) is None


@pytest.mark.parametrize("answer", [ANSWER, None])
def test_a_key_is_not_closed_by_a_write_that_is_superseded(ledger: Ledger, answer: StoredAnswer | None) -> None:
    ledger.insert(make_record(), key=KEY)
    ledger.replace(make_record())

    with pytest.raises(Superseded):
        ledger.replace(make_record(), closing=KeyClosing(KEY.digest, answer))
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint")


@pytest.mark.parametrize("answer", [ANSWER, None])
def test_a_key_that_stands_for_another_message_is_left_alone(ledger: Ledger, answer: StoredAnswer | None) -> None:
    ledger.insert(make_record(), key=KEY)
    ledger.insert(make_record("m2"), key=replace(KEY, supersedes="m1"))

    assert ledger.replace(make_record(), closing=KeyClosing(KEY.digest, answer)).revision == 1
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m2", "fingerprint")


@pytest.mark.parametrize("answer", [ANSWER, None])
def test_a_key_that_is_gone_hinders_no_write(ledger: Ledger, answer: StoredAnswer | None) -> None:
    ledger.insert(make_record())

    assert ledger.replace(make_record(), closing=KeyClosing(KEY.digest, answer)).revision == 1
    assert ledger.find_key(ACME, KEY.digest, now=NOW) is None


def at_once(threads: int, work: Callable[[int], bool]) -> list[bool]:
    """Do the work in threads that all begin at the same moment."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> bool:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def test_du2_of_50_who_insert_the_same_key_at_once_one_wins(ledger: Ledger) -> None:
    won = at_once(50, lambda number: ledger.insert(make_record(f"m{number}"), key=KEY) is None)

    assert sum(won) == 1
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState(f"m{won.index(True)}", "fingerprint")
    assert ledger.count(ACME, State.QUEUED) == 1


def test_of_two_who_replace_the_same_revision_at_once_one_wins(ledger: Ledger) -> None:
    for number in range(10):
        record = make_record(f"m{number}")
        ledger.insert(record)

        def replaces(worker: int, record: Record = record) -> bool:
            try:
                ledger.replace(replace(record, claims=worker))
            except Superseded:
                return False
            return True

        assert sum(at_once(2, replaces)) == 1


def test_a_page_begins_with_the_newest(ledger: Ledger) -> None:
    for id in ("m2", "m1", "m3"):
        ledger.insert(make_record(id))

    page = ledger.page(ACME, state=None, cursor=None, limit=10)

    assert [record.id for record in page.records] == ["m3", "m2", "m1"]
    assert page.cursor is None


@pytest.mark.parametrize("state", [None, State.QUEUED])
def test_pages_hold_every_message_once(ledger: Ledger, state: State | None) -> None:
    for number in range(7):
        ledger.insert(make_record(f"m{number}"), key=replace(KEY, digest=f"digest-{number}"))
    ledger.save_health(ACME, Health(HealthState.SERVER, None, NOW))
    ledger.save_pace(ACME, Pace())
    seen: list[list[str]] = []
    cursor: str | None = None
    while not seen or cursor is not None:
        page = ledger.page(ACME, state=state, cursor=cursor, limit=3)
        seen.append([record.id for record in page.records])
        cursor = page.cursor

    assert seen == [["m6", "m5", "m4"], ["m3", "m2", "m1"], ["m0"]]


@pytest.mark.parametrize("state", [None, State.QUEUED])
def test_a_full_last_page_has_no_cursor(ledger: Ledger, state: State | None) -> None:
    ledger.insert(make_record("m1"))
    ledger.insert(make_record("m2"))

    assert ledger.page(ACME, state=state, cursor=None, limit=2).cursor is None


def test_a_page_of_a_state_holds_that_state_alone(ledger: Ledger) -> None:
    ledger.insert(make_record("m1"))
    ledger.insert(make_record("m2", state=State.HELD))
    ledger.insert(make_record("m3", project_id=OTHER, state=State.HELD))

    assert [record.id for record in ledger.page(ACME, state=State.HELD, cursor=None, limit=10).records] == ["m2"]


@pytest.mark.parametrize("state", [None, State.QUEUED])
def test_a_cursor_leads_into_no_other_project(ledger: Ledger, state: State | None) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id))
    ledger.insert(make_record("m0", project_id=OTHER))
    cursor = ledger.page(ACME, state=state, cursor=None, limit=1).cursor

    page = ledger.page(OTHER, state=state, cursor=cursor, limit=10)

    assert [(record.project_id, record.id) for record in page.records] == [(OTHER, "m0")]


@pytest.mark.parametrize("state", [None, State.HELD])
def test_a_cursor_is_good_after_its_message_has_changed(ledger: Ledger, state: State | None) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id, state=State.HELD))
    cursor = ledger.page(ACME, state=state, cursor=None, limit=2).cursor
    ledger.replace(make_record("m2", state=State.CANCELLED, due_at=None))

    assert [record.id for record in ledger.page(ACME, state=state, cursor=cursor, limit=2).records] == ["m1"]


@pytest.mark.parametrize("cursor", ["", "x", "%", "e30=", "YmVmb3JlOg==", "YmVmb3JlOm0j", "\udcff", "bTE=", "a" * 4001])
@pytest.mark.parametrize("state", [None, State.QUEUED])
def test_what_is_no_cursor_is_refused(ledger: Ledger, state: State | None, cursor: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        ledger.page(ACME, state=state, cursor=cursor, limit=10)


def test_ids_in_a_state_begin_with_the_oldest(ledger: Ledger) -> None:
    for id in ("m2", "m1", "m3"):
        ledger.insert(make_record(id, state=State.HELD))
    ledger.insert(make_record("m0"))

    assert ledger.ids_in_state(ACME, State.HELD) == ("m1", "m2", "m3")
    assert ledger.ids_in_state(ACME, State.HELD, limit=2) == ("m1", "m2")


def test_ids_in_a_state_go_on_after_one_that_has_left_it(ledger: Ledger) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id, state=State.HELD))
    ledger.replace(make_record("m2"))

    assert ledger.ids_in_state(ACME, State.HELD, after="m2") == ("m3",)


def test_a_message_is_counted_in_the_state_that_it_has(ledger: Ledger) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id))
    ledger.replace(make_record("m2", state=State.HELD))

    assert [ledger.count(ACME, state) for state in (State.QUEUED, State.HELD, State.SENT)] == [2, 1, 0]


def test_the_longest_overdue_comes_first_whoever_s_it_is(ledger: Ledger) -> None:
    for number, project_id in enumerate((ACME, None, OTHER, ACME)):
        ledger.insert(make_record(f"m{number}", project_id=project_id, due_at=NOW - number / 8))

    assert ledger.due(now=NOW, limit=10) == ((ACME, "m3"), (OTHER, "m2"), (None, "m1"), (ACME, "m0"))
    assert ledger.due(now=NOW, limit=2) == ((ACME, "m3"), (OTHER, "m2"))


def test_nothing_is_due_before_its_time(ledger: Ledger) -> None:
    ledger.insert(make_record(due_at=NOW + 1))

    assert ledger.due(now=NOW + 0.5, limit=10) == ()
    assert ledger.due(now=NOW + 1, limit=10) == ((ACME, "m1"),)


def test_what_is_final_is_never_due(ledger: Ledger) -> None:
    ledger.insert(make_record(due_at=NOW))
    ledger.replace(conclude(make_record(), State.SENT, "", now=NOW))

    assert ledger.due(now=NOW + 1_000_000, limit=10) == ()


def test_what_is_postponed_is_due_once(ledger: Ledger) -> None:
    ledger.insert(make_record(due_at=NOW))
    ledger.replace(make_record(due_at=NOW + 60))

    assert ledger.due(now=NOW, limit=10) == ()
    assert ledger.due(now=NOW + 60, limit=10) == ((ACME, "m1"),)


def test_a_project_s_first_pace_is_new(ledger: Ledger) -> None:
    assert ledger.pace(ACME) == Pace()


def test_a_pace_is_kept_with_its_revision(ledger: Ledger) -> None:
    pace = Pace("version", 3, NOW + 60.5, (Visit("token", NOW + 20),))
    ledger.save_pace(ACME, pace)

    assert ledger.pace(ACME) == replace(pace, revision=1)
    assert ledger.pace(OTHER) == Pace()


def test_a_pace_is_replaced_by_who_has_read_it(ledger: Ledger) -> None:
    ledger.save_pace(ACME, Pace())
    ledger.save_pace(ACME, Pace(failures=1, revision=1))

    for stale in (Pace(), Pace(revision=1), Pace(revision=3)):
        with pytest.raises(Superseded):
            ledger.save_pace(ACME, stale)
    assert ledger.pace(ACME) == Pace(failures=1, revision=2)


def test_health_is_kept(ledger: Ledger) -> None:
    health = Health(HealthState.INVALID, "v1", NOW + 0.25, (Problem("entry-missing", "Give it.", entry="smtpPort"),))
    ledger.save_health(ACME, health)

    assert ledger.health(ACME) == health
    assert ledger.health(OTHER) is None


def test_an_older_finding_never_replaces_a_newer_one(ledger: Ledger) -> None:
    newer = Health(HealthState.VERIFIED, "v2", NOW)
    ledger.save_health(ACME, newer)
    ledger.save_health(ACME, Health(HealthState.INVALID, "v1", NOW - 0.5))

    assert ledger.health(ACME) == newer


def test_a_later_finding_replaces_an_earlier_one(ledger: Ledger) -> None:
    later = Health(HealthState.VERIFIED, "v2", NOW)
    ledger.save_health(ACME, Health(HealthState.INVALID, "v1", NOW - 0.5))
    ledger.save_health(ACME, later)

    assert ledger.health(ACME) == later
