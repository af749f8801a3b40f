"""Contract tests for ledgers: pages, counts, due messages and health."""

from copy import replace

import pytest
from mailer.ledger.breaker import SlotRequest
from mailer.ledger.health import Health, HealthState
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.lifecycle import conclude
from mailer.ledger.record import State
from mailer.ports import Ledger
from mailer.problem import Problem

from tests.support.ledger_setup import ACME, NOW, OTHER, make_record

KEY = KeyUse("digest", "fingerprint", NOW + 86_400)


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
    ledger.take_slot(ACME, "smtp", SlotRequest("v1", "token", NOW + 60), now=NOW)
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


def test_a_page_of_a_state_holds_only_that_state(ledger: Ledger) -> None:
    ledger.insert(make_record("m1"))
    ledger.insert(make_record("m2", state=State.HELD))
    ledger.insert(make_record("m3", project_id=OTHER, state=State.HELD))

    assert [record.id for record in ledger.page(ACME, state=State.HELD, cursor=None, limit=10).records] == ["m2"]


@pytest.mark.parametrize("state", [None, State.QUEUED])
def test_a_cursor_shows_no_message_of_another_project(ledger: Ledger, state: State | None) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id))
    ledger.insert(make_record("m0", project_id=OTHER))
    cursor = ledger.page(ACME, state=state, cursor=None, limit=1).cursor

    page = ledger.page(OTHER, state=state, cursor=cursor, limit=10)

    assert [(record.project_id, record.id) for record in page.records] == [(OTHER, "m0")]


@pytest.mark.parametrize("state", [None, State.HELD])
def test_a_cursor_stays_valid_after_its_message_has_changed(ledger: Ledger, state: State | None) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id, state=State.HELD))
    cursor = ledger.page(ACME, state=state, cursor=None, limit=2).cursor
    ledger.replace(make_record("m2", state=State.CANCELLED, due_at=None))

    assert [record.id for record in ledger.page(ACME, state=state, cursor=cursor, limit=2).records] == ["m1"]


@pytest.mark.parametrize("cursor", ["", "x", "%", "e30=", "YmVmb3JlOg==", "YmVmb3JlOm0j", "\udcff", "bTE=", "a" * 4001])
@pytest.mark.parametrize("state", [None, State.QUEUED])
def test_a_malformed_cursor_is_refused(ledger: Ledger, state: State | None, cursor: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        ledger.page(ACME, state=state, cursor=cursor, limit=10)


def test_ids_in_a_state_begin_with_the_oldest(ledger: Ledger) -> None:
    for id in ("m2", "m1", "m3"):
        ledger.insert(make_record(id, state=State.HELD))
    ledger.insert(make_record("m0"))

    assert ledger.ids_in_state(ACME, State.HELD) == ("m1", "m2", "m3")
    assert ledger.ids_in_state(ACME, State.HELD, limit=2) == ("m1", "m2")


def test_ids_in_a_state_continue_after_a_message_that_left_it(ledger: Ledger) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id, state=State.HELD))
    ledger.replace(make_record("m2"))

    assert ledger.ids_in_state(ACME, State.HELD, after="m2") == ("m3",)


def test_a_message_is_counted_in_its_current_state(ledger: Ledger) -> None:
    for id in ("m1", "m2", "m3"):
        ledger.insert(make_record(id))
    ledger.replace(make_record("m2", state=State.HELD))

    assert [ledger.count(ACME, state) for state in (State.QUEUED, State.HELD, State.SENT)] == [2, 1, 0]


def test_the_longest_overdue_message_of_all_projects_comes_first(ledger: Ledger) -> None:
    for number, project_id in enumerate((ACME, None, OTHER, ACME)):
        ledger.insert(make_record(f"m{number}", project_id=project_id, due_at=NOW - number / 8))

    assert ledger.due(now=NOW, limit=10) == ((ACME, "m3"), (OTHER, "m2"), (None, "m1"), (ACME, "m0"))
    assert ledger.due(now=NOW, limit=2) == ((ACME, "m3"), (OTHER, "m2"))


def test_a_message_is_not_due_before_its_time(ledger: Ledger) -> None:
    ledger.insert(make_record(due_at=NOW + 1))

    assert ledger.due(now=NOW + 0.5, limit=10) == ()
    assert ledger.due(now=NOW + 1, limit=10) == ((ACME, "m1"),)


def test_a_final_message_is_never_due(ledger: Ledger) -> None:
    ledger.insert(make_record(due_at=NOW))
    ledger.replace(conclude(make_record(), State.SENT, "", now=NOW))

    assert ledger.due(now=NOW + 1_000_000, limit=10) == ()


def test_a_postponed_message_is_due_only_at_its_new_time(ledger: Ledger) -> None:
    ledger.insert(make_record(due_at=NOW))
    ledger.replace(make_record(due_at=NOW + 60))

    assert ledger.due(now=NOW, limit=10) == ()
    assert ledger.due(now=NOW + 60, limit=10) == ((ACME, "m1"),)


def test_health_is_stored(ledger: Ledger) -> None:
    health = Health(HealthState.INVALID, "v1", NOW + 0.25, (Problem("entry-missing", "Give it.", entry="smtpPort"),))
    ledger.save_health(ACME, health)

    assert ledger.health(ACME) == health
    assert ledger.health(OTHER) is None


def test_an_older_health_never_replaces_a_newer_one(ledger: Ledger) -> None:
    newer = Health(HealthState.VERIFIED, "v2", NOW)
    ledger.save_health(ACME, newer)
    ledger.save_health(ACME, Health(HealthState.INVALID, "v1", NOW - 0.5))

    assert ledger.health(ACME) == newer


def test_a_later_health_replaces_an_earlier_one(ledger: Ledger) -> None:
    later = Health(HealthState.VERIFIED, "v2", NOW)
    ledger.save_health(ACME, Health(HealthState.INVALID, "v1", NOW - 0.5))
    ledger.save_health(ACME, later)

    assert ledger.health(ACME) == later
