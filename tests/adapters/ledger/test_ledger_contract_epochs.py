"""Contract tests for numbered records of a project: each write replaces exactly the number before."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from mailer.ledger.epoch import Epoch, PendingChange, advance, begin_change, end_change
from mailer.ledger.release_turn import ReleaseTurn, begin, end
from mailer.ledger.server_outage import ServerOutage, note_failure
from mailer.ports import Ledger, WriteConflict

from tests.support.ledger_setup import ACME, NOW, OTHER


def test_a_project_without_changes_has_the_first_epoch(ledger: Ledger) -> None:
    assert ledger.epoch(ACME) == Epoch()


def test_a_written_epoch_is_read_completely(ledger: Ledger) -> None:
    begun = begin_change(Epoch(), now=NOW)
    ledger.save_epoch(ACME, begun)
    ended = end_change(begin_change(begun, now=NOW), 1, version_id="v2", replaced="v1", now=NOW)
    with pytest.raises(WriteConflict):
        ledger.save_epoch(ACME, ended)
    ended = end_change(begun, 1, version_id="v2", replaced="v1", now=NOW)
    ledger.save_epoch(ACME, ended)

    assert ledger.epoch(ACME) == Epoch(2, (), "v2", NOW, ("v1",))
    assert begun.pending == (PendingChange(1, NOW + 120),)


def test_each_project_has_its_own_epoch(ledger: Ledger) -> None:
    ledger.save_epoch(ACME, advance(Epoch(), now=NOW))

    assert ledger.epoch(OTHER) == Epoch()


def test_one_of_several_concurrent_writes_wins(ledger: Ledger) -> None:
    def write(_: int) -> bool:
        try:
            ledger.save_epoch(ACME, advance(Epoch(), now=NOW))
        except WriteConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1


def test_the_turn_of_a_release_is_read_completely(ledger: Ledger) -> None:
    begun = begin(ReleaseTurn(), now=NOW)
    ledger.save_release_turn(ACME, begun)
    with pytest.raises(WriteConflict):
        ledger.save_release_turn(ACME, begun)
    ended = end(begun, now=NOW, seconds=30, beyond="m1")
    ledger.save_release_turn(ACME, ended)

    assert ledger.release_turn(ACME) == ended
    assert ledger.release_turn(OTHER) == ReleaseTurn()


def test_the_projects_that_wait_for_the_server_are_read_completely(ledger: Ledger) -> None:
    assert ledger.server_outage() == ServerOutage()
    outage = note_failure(note_failure(ServerOutage(), None), ACME)
    with pytest.raises(WriteConflict):
        ledger.save_server_outage(outage)
    first = note_failure(ServerOutage(), None)
    ledger.save_server_outage(first)
    second = note_failure(first, ACME)
    ledger.save_server_outage(second)

    assert ledger.server_outage() == second == ServerOutage(2, (None, ACME))
