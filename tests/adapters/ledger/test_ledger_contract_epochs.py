"""Contract tests for epochs: each write replaces exactly the number before."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from mailer.ledger.epoch import Epoch, PendingChange, advance, begin_change, end_change
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
