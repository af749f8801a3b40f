"""The answer to a write of a project's epoch is lost, or the write itself."""

import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.held import HeldChoice
from mailer.service.configuring.epochs import announce_change, record_choice

from tests.support.chain import chain_service, fail_ledger
from tests.support.projects import ACME


def test_a_choice_that_is_stored_is_no_error_if_only_the_answer_is_lost() -> None:
    service, _ = chain_service()
    fail_ledger(service, "after ledger.save_epoch", LedgerUnavailable)

    record_choice(ACME, HeldChoice.SEND, service.configuration_ports(), is_removed=True)

    epoch = service.ledger.epoch(ACME)
    assert (epoch.number, epoch.held is None) == (1, False)


def test_a_choice_that_is_not_stored_is_an_error() -> None:
    service, _ = chain_service()
    fail_ledger(service, "before ledger.save_epoch", LedgerUnavailable)

    with pytest.raises(LedgerUnavailable):
        record_choice(ACME, HeldChoice.SEND, service.configuration_ports(), is_removed=True)

    assert service.ledger.epoch(ACME).held is None


def test_a_change_whose_announcement_lost_its_answer_is_announced_once() -> None:
    service, _ = chain_service()
    fail_ledger(service, "after ledger.save_epoch", LedgerUnavailable)

    number = announce_change(ACME, service.configuration_ports(), removes=False)

    assert [each.number for each in service.ledger.epoch(ACME).pending] == [number]
