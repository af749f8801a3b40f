"""Contract tests for ledgers: the one in memory for tests, and the real one on moto."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import replace

import pytest
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import claim, conclude
from mailer.ledger.record import (
    AttemptRecord,
    AttemptResult,
    OnUnknown,
    RecipientRecord,
    Record,
    SenderRecord,
    State,
)
from mailer.message.address import parse_address
from mailer.ports import Ledger, WriteConflict
from mailer.project import ProjectId
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase
from mailer.smtp.reply import make_reply

from tests.support.ledger_setup import ACME, NOW, OTHER, make_record

KEY = KeyUse("digest", "fingerprint", NOW + 86_400)
ANSWER = StoredAnswer(200, '{"id":"m1"}', "application/json")


def full_record(recipients: int = 50) -> Record:
    """A record of maximum size: a long reply for each recipient, and a day of attempts."""
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


def test_an_inserted_record_is_found(ledger: Ledger) -> None:
    record = make_record()

    assert ledger.insert(record) is None
    assert ledger.find(ACME, "m1") == record


def test_li3_a_record_with_50_recipients_and_long_replies_is_stored_unchanged(ledger: Ledger) -> None:
    ledger.insert(full_record())

    assert ledger.find(ACME, "m1") == full_record()


def test_verdicts_keep_their_kind(ledger: Ledger) -> None:
    accepted = RecipientRecord(parse_address("ann@example.com"), Accepted(make_reply(250, "2.0.0 Ok")))
    ledger.insert(replace(make_record(), recipients=(accepted,)))

    assert getattr(ledger.find(ACME, "m1"), "recipients", None) == (accepted,)


def test_an_unknown_id_is_not_found(ledger: Ledger) -> None:
    assert ledger.find(ACME, "m1") is None


def test_another_project_s_message_is_not_found(ledger: Ledger) -> None:
    ledger.insert(make_record())

    assert ledger.find(OTHER, "m1") is None
    assert ledger.find(None, "m1") is None


def test_the_platform_is_not_the_project_named_server(ledger: Ledger) -> None:
    ledger.insert(make_record(project_id=None))

    assert ledger.find(ProjectId("server"), "m1") is None
    assert ledger.count(ProjectId("server"), State.QUEUED) == 0


@pytest.mark.parametrize("key", [None, KEY])
def test_an_id_cannot_be_inserted_twice(ledger: Ledger, key: KeyUse | None) -> None:
    ledger.insert(make_record())

    with pytest.raises(WriteConflict):
        ledger.insert(replace(make_record(), state=State.HELD), key=key)
    assert ledger.find(ACME, "m1") == make_record()
    assert ledger.find_key(ACME, KEY.digest, now=NOW) is None


def test_a_replacement_has_the_next_revision(ledger: Ledger) -> None:
    ledger.insert(make_record())

    written = ledger.replace(claim(make_record(), now=NOW, lease_until=NOW + 60))

    assert (written.revision, written.state) == (1, State.CLAIMED)
    assert ledger.find(ACME, "m1") == written


def test_a_revision_cannot_be_replaced_twice(ledger: Ledger) -> None:
    ledger.insert(make_record())
    written = ledger.replace(replace(make_record(), state=State.CLAIMED))

    with pytest.raises(WriteConflict):
        ledger.replace(replace(make_record(), state=State.HELD))
    assert ledger.find(ACME, "m1") == written


def test_a_missing_record_is_not_replaced(ledger: Ledger) -> None:
    with pytest.raises(WriteConflict):
        ledger.replace(make_record())
    assert ledger.find(ACME, "m1") is None


def test_a_key_names_its_message(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint")


def test_a_key_may_be_inserted_with_its_answer(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=replace(KEY, answer=ANSWER))

    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint", ANSWER)


def test_du7_an_insertion_with_a_used_key_writes_nothing(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.insert(make_record("m2"), key=replace(KEY, fingerprint="other")) == KeyState("m1", "fingerprint")
    assert ledger.find(ACME, "m2") is None


def test_a_used_key_is_reported_before_a_known_id(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.insert(make_record(), key=KEY) == KeyState("m1", "fingerprint")


@pytest.mark.parametrize("project_id", [OTHER, None])
def test_a_key_belongs_to_one_project(ledger: Ledger, project_id: ProjectId | None) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.find_key(project_id, KEY.digest, now=NOW) is None
    assert ledger.insert(make_record(project_id=project_id), key=KEY) is None


def test_du8_a_key_ends_at_its_time_even_if_it_is_not_deleted_yet(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.find_key(ACME, KEY.digest, now=KEY.expires_at - 1) is not None
    assert ledger.find_key(ACME, KEY.digest, now=KEY.expires_at) is None


def test_du8_an_expired_key_may_be_used_again(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)
    later = replace(make_record("m2"), updated_at=KEY.expires_at)

    assert ledger.insert(later, key=replace(KEY, expires_at=KEY.expires_at + 1000)) is None
    assert ledger.find_key(ACME, KEY.digest, now=KEY.expires_at) == KeyState("m2", "fingerprint")


def test_a_key_moves_to_the_message_that_replaces_its_message(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    assert ledger.insert(make_record("m2"), key=replace(KEY, supersedes="m1")) is None
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m2", "fingerprint")


def test_a_moved_key_does_not_move_again(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)
    ledger.insert(make_record("m2"), key=replace(KEY, supersedes="m1"))

    known = ledger.insert(make_record("m3"), key=replace(KEY, supersedes="m1"))

    assert known == KeyState("m2", "fingerprint")
    assert ledger.find(ACME, "m3") is None


def test_a_closed_key_keeps_its_answer(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    ledger.replace(conclude(make_record(), State.SENT, "", now=NOW), closing=KeyClosing(KEY.digest, ANSWER))

    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint", ANSWER)


def test_a_key_closed_without_an_answer_may_be_used_again(ledger: Ledger) -> None:
    ledger.insert(make_record(), key=KEY)

    ledger.replace(conclude(make_record(), State.FAILED, "", now=NOW), closing=KeyClosing(KEY.digest, None))

    assert ledger.find_key(ACME, KEY.digest, now=NOW) is None
    assert ledger.insert(make_record("m2"), key=KEY) is None


@pytest.mark.parametrize("answer", [ANSWER, None])
def test_a_conflicting_write_does_not_close_its_key(ledger: Ledger, answer: StoredAnswer | None) -> None:
    ledger.insert(make_record(), key=KEY)
    ledger.replace(make_record())

    with pytest.raises(WriteConflict):
        ledger.replace(make_record(), closing=KeyClosing(KEY.digest, answer))
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m1", "fingerprint")


@pytest.mark.parametrize("answer", [ANSWER, None])
def test_a_write_does_not_close_the_key_of_another_message(ledger: Ledger, answer: StoredAnswer | None) -> None:
    ledger.insert(make_record(), key=KEY)
    ledger.insert(make_record("m2"), key=replace(KEY, supersedes="m1"))

    assert ledger.replace(make_record(), closing=KeyClosing(KEY.digest, answer)).revision == 1
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState("m2", "fingerprint")


@pytest.mark.parametrize("answer", [ANSWER, None])
def test_a_missing_key_does_not_prevent_a_write(ledger: Ledger, answer: StoredAnswer | None) -> None:
    ledger.insert(make_record())

    assert ledger.replace(make_record(), closing=KeyClosing(KEY.digest, answer)).revision == 1
    assert ledger.find_key(ACME, KEY.digest, now=NOW) is None


def at_once(threads: int, work: Callable[[int], bool]) -> list[bool]:
    """Do the work in threads that begin at the same moment."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> bool:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


def test_du2_one_of_50_concurrent_insertions_of_a_key_succeeds(ledger: Ledger) -> None:
    won = at_once(50, lambda number: ledger.insert(make_record(f"m{number}"), key=KEY) is None)

    assert sum(won) == 1
    assert ledger.find_key(ACME, KEY.digest, now=NOW) == KeyState(f"m{won.index(True)}", "fingerprint")
    assert ledger.count(ACME, State.QUEUED) == 1


def test_one_of_two_concurrent_replacements_of_a_revision_succeeds(ledger: Ledger) -> None:
    for number in range(10):
        record = make_record(f"m{number}")
        ledger.insert(record)

        def replaces(worker: int, record: Record = record) -> bool:
            try:
                ledger.replace(replace(record, claims=worker))
            except WriteConflict:
                return False
            return True

        assert sum(at_once(2, replaces)) == 1
