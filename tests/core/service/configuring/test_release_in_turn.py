"""Several news of one change cause one release, at the documented rate."""

import pytest
from mailer.ledger.lifecycle import hold
from mailer.ledger.record import RecipientRecord, Record, State
from mailer.ledger.release_turn import RESERVED_SECONDS
from mailer.message.address import Address
from mailer.project import ProjectId
from mailer.service.configuring.validate_project import validate_and_release
from mailer.service.sending.release_held import AT_A_TIME, PER_SECOND, Released

from tests import fakes
from tests.ledger_fakes import MemoryLedger, MemoryValidationQueue, ValidationRequest
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries


class Broken(MemoryLedger):
    """A ledger with records that cannot be read."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self._broken = broken

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        if id in self._broken:
            raise ValueError(id)
        return super().find(project_id, id)


class Setup:
    """A project with a valid relay and this many held messages, and the queue of validations."""

    def __init__(self, held: int, ledger: MemoryLedger | None = None) -> None:
        self.service = MemoryService(ledger=ledger or MemoryLedger())
        self.service.secrets.answers[ACME] = fakes.secret(entries())
        self.validations = MemoryValidationQueue()
        for number in range(held):
            self.hold(f"{number:012x}")

    def hold(self, id: str) -> None:
        now = self.service.seconds
        fresh = Record(
            id=id,
            project_id=ACME,
            state=State.QUEUED,
            created_at=now,
            updated_at=now,
            expires_at=now + 80_000,
            recipients=(RecipientRecord(Address("ada", "example.net")),),
            has_content=True,
        )
        self.service.ledger.insert(hold(fresh, "project-smtp-invalid", now=now, recheck_at=now + 1800))

    def news(self, beyond: str | None = None) -> Released | None:
        ports = self.service.configuration_ports(validations=self.validations)
        return validate_and_release(ACME, ports=ports, deadline=24.0, beyond=beyond)[1]

    def leaving(self) -> list[tuple[float, str]]:
        """Take the queued deliveries: the second at which each leaves the queue, and its id."""
        leaving = [(self.service.seconds + each.delay_seconds, each.id) for each in self.service.queue.sends]
        self.service.queue.sends.clear()
        return leaving

    def requested(self) -> list[ValidationRequest]:
        taken, self.validations.sends = self.validations.sends, []
        return taken


def test_four_news_of_one_save_release_at_the_documented_rate() -> None:
    setup = Setup(1000)
    waiting = [(setup.service.seconds, ValidationRequest((ACME,)))] * 4
    leaving: list[tuple[float, str]] = []
    while waiting:
        waiting.sort(key=lambda each: each[0])
        at, request = waiting.pop(0)
        setup.service.seconds = max(at, setup.service.seconds)
        setup.news(request.beyond)
        leaving += setup.leaving()
        waiting += [(setup.service.seconds + each.after_seconds, each) for each in setup.requested()]

    per_second: dict[float, int] = {}
    for second, _ in leaving:
        per_second[second] = per_second.get(second, 0) + 1
    assert max(per_second.values()) <= PER_SECOND
    assert [id for _, id in sorted(leaving)] == [f"{number:012x}" for number in range(1000)]
    assert setup.service.ledger.count(ACME, State.HELD) == 0


def test_news_during_a_release_cause_one_more_release_when_it_ends() -> None:
    setup = Setup(20)
    assert setup.news() == Released(20)
    setup.requested()
    setup.hold("f" * 12)

    assert [setup.news(), setup.news(), setup.news()] == [None, None, None]
    assert setup.requested() == [ValidationRequest((ACME,), after_seconds=3)]
    setup.service.advance(3)
    assert setup.news() == Released(1)


def test_the_next_part_of_a_release_is_left_to_the_release_that_begins_again() -> None:
    setup = Setup(AT_A_TIME + 10)
    first = setup.news()
    assert first is not None
    setup.news()
    setup.service.advance(first.seconds)

    assert setup.news(first.beyond) is None
    setup.service.advance(1)
    assert setup.news() == Released(10)


def test_a_repeated_queue_entry_does_not_release_a_part_twice_as_fast() -> None:
    setup = Setup(2 * AT_A_TIME + 10)
    first = setup.news()
    assert first is not None
    setup.service.advance(first.seconds)

    assert setup.news(first.beyond) == Released(AT_A_TIME, f"{2 * AT_A_TIME - 1:012x}")
    assert setup.news(first.beyond) is None


def test_a_release_whose_function_was_lost_is_begun_again() -> None:
    setup = Setup(10)
    setup.service.ledger.failpoint = _lost_after_the_turn
    with pytest.raises(_Lost):
        setup.news()
    setup.service.ledger.failpoint = lambda _point: None
    setup.service.advance(RESERVED_SECONDS)

    assert setup.news() == Released(10)


def test_a_release_with_nothing_to_release_delays_no_later_one() -> None:
    setup = Setup(0)
    assert setup.news() == Released(0)
    setup.hold("1" * 12)

    assert setup.news() == Released(1)


def test_an_unreadable_record_does_not_end_a_release_and_is_counted() -> None:
    setup = Setup(3, Broken(f"{0:012x}"))

    assert setup.news() == Released(2, failed=1)
    assert [id for _, id in setup.leaving()] == [f"{1:012x}", f"{2:012x}"]


class _Lost(BaseException):
    """The function was stopped."""


def _lost_after_the_turn(point: str) -> None:
    if point == "after ledger.save_release_turn":
        raise _Lost
