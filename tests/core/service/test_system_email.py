"""From an event to the queue: once for each request, in time, and by no other transport."""

from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from mailer.errors import ContentUnavailable, LedgerUnavailable
from mailer.ledger.idempotency import EVENT_KEY_LIFETIME_SECONDS
from mailer.ledger.limits import Limit, Window
from mailer.ledger.record import OnUnknown, Record, State
from mailer.ports import Delivery
from mailer.service.system_email import Disposition, SystemEmailReport, make_system_email

from tests.core.system_email.test_system_email_content import RecordingTemplates
from tests.ledger_fakes import MemoryDeliveryQueue, MemoryDraftStore, MemoryLedger, RecordingPublisher
from tests.support.lifecycle import lifecycle_event
from tests.support.ports import accept_ports
from tests.support.projects import ACME, NOW, settings


@dataclass
class Office:
    """The use case on fakes, at a time that a test may change."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    drafts: MemoryDraftStore = field(default_factory=MemoryDraftStore)
    queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)
    seconds: float = NOW.timestamp()
    project_limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        self.ports = accept_ports(
            chosen=replace(settings(), project_limits=self.project_limits),
            ledger=self.ledger,
            drafts=self.drafts,
            queue=self.queue,
            events=self.events,
            now=lambda: datetime.fromtimestamp(self.seconds, UTC),
        )

    def take(self, type_: str = "PasswordResetRequested", /, **changes: object) -> SystemEmailReport:
        return make_system_email(lifecycle_event(type_, **changes), ports=self.ports, templates=RecordingTemplates())

    @property
    def record(self) -> Record:
        (record,) = self.ledger.records
        return record


def test_an_event_becomes_a_queued_message() -> None:
    office = Office()

    report = office.take()

    assert report.disposition is Disposition.QUEUED
    assert office.queue.sends == [Delivery(ACME, report.id)]
    assert (office.record.id, office.record.state, office.record.has_content) == (report.id, State.QUEUED, True)
    assert office.record.due_at is not None


def test_the_record_says_what_it_comes_from() -> None:
    office = Office()

    office.take()

    assert (office.record.origin, office.record.request_id) == ("PasswordResetRequested", "request-1")
    assert office.record.is_system


def test_an_unknown_outcome_is_repeated_for_the_link_stays_the_same() -> None:
    office = Office()

    office.take()

    assert office.record.on_unknown is OnUnknown.RETRY


def test_QD8_the_message_ends_with_its_link() -> None:
    office = Office()

    office.take(expiresAt=office.seconds + 600)

    assert office.record.valid_until == office.record.expires_at == office.seconds + 600


def test_without_a_time_the_message_ends_after_a_day() -> None:
    office = Office()

    office.take(expiresAt=None)

    assert (office.record.valid_until, office.record.expires_at) == (None, office.seconds + 24 * 3600)


def test_the_content_is_the_servers_own_and_says_that_a_program_wrote_it() -> None:
    office = Office()

    report = office.take()

    draft = office.drafts.contents[ACME, report.id].draft
    assert (draft.subject, draft.text, draft.html) == ("subject", "text", "html")
    assert draft.headers == (("Auto-Submitted", "auto-generated"),)
    assert draft.sender is None
    assert [str(mailbox) for mailbox in draft.to] == ["Ada Lovelace <ada@example.net>"]


def test_without_a_project_it_is_the_platforms_own() -> None:
    office = Office()

    report = office.take(projectId=None)

    assert office.queue.sends == [Delivery(None, report.id)]
    assert office.record.project_id is None


def test_DU1_the_same_request_is_one_message() -> None:
    office = Office()
    first = office.take()

    again = office.take()

    assert again == SystemEmailReport(Disposition.REPEATED, first.id, ACME)
    assert len(office.queue.sends) == len(office.ledger.records) == len(office.drafts.contents) == 1


def test_DU9_the_same_request_with_a_new_link_is_the_same_message() -> None:
    office = Office()
    office.take()

    again = office.take(link="https://app.platform.example/other", code="1234-5678", expiresAt=None)

    assert (again.disposition, again.differs) == (Disposition.REPEATED, False)


@pytest.mark.parametrize("changes", [{"user": {"email": "eve@example.net"}}, {"type": "EmailVerificationRequested"}])
def test_a_request_id_used_for_another_message_is_told_and_sends_nothing(changes: dict[str, object]) -> None:
    office = Office()
    office.take()

    again = office.take(str(changes.pop("type", "PasswordResetRequested")), **changes)

    assert (again.disposition, again.differs) == (Disposition.REPEATED, True)
    assert len(office.queue.sends) == 1


def test_DU10_two_requests_are_two_messages() -> None:
    office = Office()

    office.take(requestId="request-1")
    office.take(requestId="request-2")

    assert len(office.queue.sends) == 2


def test_the_same_request_id_in_two_projects_is_two_messages() -> None:
    office = Office()

    for project in ("acme", "globex", None):
        assert office.take(projectId=project).disposition is Disposition.QUEUED


def test_a_request_is_remembered_longer_than_any_queue_keeps_it() -> None:
    office = Office()
    office.take(expiresAt=None)

    office.seconds += EVENT_KEY_LIFETIME_SECONDS - 1

    assert office.take(expiresAt=None).disposition is Disposition.REPEATED
    assert EVENT_KEY_LIFETIME_SECONDS >= 18 * 24 * 3600


def test_QD8_what_comes_too_late_is_recorded_and_told_and_not_sent() -> None:
    office = Office()

    report = office.take(expiresAt=office.seconds)

    assert report.disposition is Disposition.EXPIRED
    assert (office.record.state, office.record.reason, office.record.is_final) == (State.EXPIRED, "expired", True)
    assert (office.record.origin, office.record.request_id) == ("PasswordResetRequested", "request-1")
    assert (office.queue.sends, office.drafts.contents) == ([], {})
    assert office.events.names == ["EmailExpired"]


def test_DU1_what_came_too_late_is_told_once() -> None:
    office = Office()
    office.take(expiresAt=office.seconds)

    assert office.take(expiresAt=office.seconds).disposition is Disposition.REPEATED
    assert office.events.names == ["EmailExpired"]


def test_a_request_that_expires_while_it_is_repeated_stays_what_it_is() -> None:
    office = Office()
    office.take(expiresAt=office.seconds + 10)
    office.seconds += 20

    assert office.take(expiresAt=office.seconds - 10).disposition is Disposition.REPEATED
    assert office.record.state is State.QUEUED


def test_without_the_ledger_nothing_is_queued() -> None:
    office = Office()
    office.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        office.take()

    assert office.queue.sends == []


def test_without_the_store_of_contents_nothing_is_written_down() -> None:
    office = Office()
    office.drafts.failing = True

    with pytest.raises(ContentUnavailable):
        office.take()

    assert office.ledger.records == ()


class Crash(Exception):
    """A worker's end."""


@pytest.mark.parametrize(
    "point",
    ["before drafts.put", "after drafts.put", "before ledger.insert", "after ledger.insert", "before queue.send"],
)
def test_DU19_after_a_crash_anywhere_the_event_is_one_message(point: str) -> None:
    def crash(reached: str) -> None:
        if reached == point and not crashed:
            crashed.append(reached)
            raise Crash

    crashed: list[str] = []
    office = Office(
        MemoryLedger(failpoint=crash), MemoryDraftStore(failpoint=crash), MemoryDeliveryQueue(failpoint=crash)
    )
    with pytest.raises(Crash):
        office.take()

    office.take()

    assert crashed == [point]
    assert office.record.state is State.QUEUED
    assert (ACME, office.record.id) in office.drafts.contents
    due_at = office.record.due_at
    assert office.queue.sends or (
        due_at is not None and office.ledger.due(now=due_at, limit=9) == ((ACME, office.record.id),)
    )


def test_a_system_email_counts_for_the_project_and_no_limit_refuses_it() -> None:
    office = Office(project_limits=(Limit(1, Window.DAY),))

    for number in range(3):
        assert office.take(requestId=f"request-{number}").disposition is Disposition.QUEUED

    counted = office.ledger.increment(ACME, "2026-01-02", 1, within={"project/day": None}, forget_at=NOW.timestamp())
    assert counted.counts == {"project/day": 4}


def test_a_repeated_event_is_not_counted_again() -> None:
    office = Office(project_limits=(Limit(9, Window.DAY),))

    office.take()
    office.take()

    counted = office.ledger.increment(ACME, "2026-01-02", 1, within={"project/day": None}, forget_at=NOW.timestamp())
    assert counted.counts == {"project/day": 2}


def test_the_platforms_own_email_counts_for_no_project() -> None:
    office = Office(project_limits=(Limit(1, Window.DAY),))

    assert office.take(projectId=None).disposition is Disposition.QUEUED
