"""A forgotten address stays erased, and an answer that is lost does not hide what is left."""

from copy import replace

import pytest
from mailer.ledger.idempotency import KeyUse
from mailer.message.address import parse_address
from mailer.service.sending.forget_address import Forgotten, forget_address
from mailer.service.sending.repeated_request import Resumed

from tests.support.chain import (
    ADA,
    BOTH,
    GREYLISTED,
    Killed,
    Turn,
    chain_service,
    fail_ledger,
    only_record,
    serve_what_is_due,
)
from tests.support.memory_service import LEASE_SECONDS, MemoryService
from tests.support.projects import ACME, NOW

KEY = KeyUse("digest", "fingerprint", NOW.timestamp() + 86400)
BOB_ONLY = replace(BOTH, to=BOTH.to[1:])


def forget(service: MemoryService, address: str = "bob@example.net") -> Forgotten:
    return forget_address(ACME, parse_address(address), cursor=None, ports=service.send_ports, has_time=lambda: True)


def kept(service: MemoryService) -> str:
    """Return everything that the ledger and the content store have."""
    return f"{service.ledger.records}{service.drafts.contents}"


@pytest.mark.parametrize("write", [1, 2], ids=["none-has-a-copy", "ada-has-a-copy"])
def test_a_repeated_request_does_not_bring_back_a_forgotten_address(write: int) -> None:
    """The worker is lost before the first mark, or between two providers, while no content can be stored."""
    service, providers = chain_service(Turn(verdicts={"bob": GREYLISTED}), Turn())
    service.drafts.failing = True
    fail_ledger(service, "before ledger.replace" if write == 1 else "after ledger.replace", Killed, number=write)
    with pytest.raises(Killed):
        service.send(BOTH, key=KEY)
    service.drafts.failing = False
    service.advance(LEASE_SECONDS)
    service.sweep()
    state = only_record(service).state
    assert forget(service).erased == 1
    sends = len(providers.sends)

    again = service.send(BOTH, key=KEY)
    serve_what_is_due(service)

    assert isinstance(again, Resumed)
    assert (again.record.state, only_record(service).state) == (state, state)
    assert (len(providers.sends), providers.copies_of(ADA.address)) == (sends, write - 1)
    assert "bob" not in kept(service)


def test_the_other_requests_of_the_project_are_still_served() -> None:
    service, providers = chain_service(Turn())
    service.send(BOB_ONLY, key=KEY)
    forget(service)

    service.send(BOTH, key=replace(KEY, digest="another"))

    assert (providers.copies_of(ADA.address), len(service.ledger.records)) == (1, 2)
