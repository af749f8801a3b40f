"""All events with the same request id become one queued message; an expired event becomes none."""

from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from mailer.errors import ContentUnavailable, LedgerUnavailable
from mailer.ledger.idempotency import EVENT_KEY_LIFETIME_SECONDS
from mailer.ledger.limits import Limit, Window
from mailer.ledger.record import MAX_AGE_SECONDS, OnUnknown, Record, State
from mailer.ports import Delivery
from mailer.service.system_email import Disposition, SystemEmailReport, make_system_email

from tests.core.system_email.test_system_email_content import RecordingTemplates
from tests.ledger_fakes import MemoryDeliveryQueue, MemoryDraftStore, MemoryLedger, RecordingPublisher
from tests.support.lifecycle import lifecycle_event
from tests.support.ports import accept_ports
from tests.support.projects import ACME, NOW, settings


@dataclass
class UseCase:
    """The use case on fakes; a test sets the time."""

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

    def handle(self, type_: str = "PasswordResetRequested", /, **changes: object) -> SystemEmailReport:
        return make_system_email(
            lifecycle_event(type_, **changes),
            ports=self.ports,
            templates=RecordingTemplates(),
            has_secret=lambda _: False,
        )

    @property
    def record(self) -> Record:
        (record,) = self.ledger.records
        return record


def test_an_event_becomes_a_queued_message() -> None:
    use_case = UseCase()

    report = use_case.handle()

    assert report.disposition is Disposition.QUEUED
    assert use_case.queue.sends == [Delivery(ACME, report.id)]
    assert (use_case.record.id, use_case.record.state, use_case.record.has_content) == (report.id, State.QUEUED, True)
    assert use_case.record.due_at is not None


def test_the_record_has_the_event_type_and_request_id() -> None:
    use_case = UseCase()

    use_case.handle()

    assert (use_case.record.origin, use_case.record.request_id) == ("PasswordResetRequested", "request-1")
    assert use_case.record.is_system


def test_a_system_email_is_repeated_after_an_unknown_outcome() -> None:
    use_case = UseCase()

    use_case.handle()

    assert use_case.record.on_unknown is OnUnknown.RETRY


def test_QD8_the_message_expires_with_its_link() -> None:
    use_case = UseCase()

    use_case.handle(expiresAt=use_case.seconds + 600)

    assert use_case.record.valid_until == use_case.record.expires_at == use_case.seconds + 600


def test_a_message_without_an_expiry_time_is_of_no_use_after_a_day() -> None:
    use_case = UseCase()

    use_case.handle(expiresAt=None)

    assert use_case.record.valid_until == use_case.record.expires_at == use_case.seconds + MAX_AGE_SECONDS


def test_the_content_comes_from_templates_and_is_marked_auto_generated() -> None:
    use_case = UseCase()

    report = use_case.handle()

    draft = use_case.drafts.contents[ACME, report.id].draft
    assert (draft.subject, draft.text, draft.html) == ("subject", "text", "html")
    assert draft.headers == (("Auto-Submitted", "auto-generated"),)
    assert draft.sender is None
    assert [str(mailbox) for mailbox in draft.to] == ["Ada Lovelace <ada@example.net>"]


def test_an_event_without_a_project_makes_a_message_of_the_platform() -> None:
    use_case = UseCase()

    report = use_case.handle(projectId=None)

    assert use_case.queue.sends == [Delivery(None, report.id)]
    assert use_case.record.project_id is None


def test_DU1_the_same_request_is_one_message() -> None:
    use_case = UseCase()
    first = use_case.handle()

    again = use_case.handle()

    assert again == SystemEmailReport(Disposition.REPEATED, first.id, ACME)
    assert len(use_case.queue.sends) == len(use_case.ledger.records) == len(use_case.drafts.contents) == 1


def test_DU9_the_same_request_with_a_new_link_is_the_same_message() -> None:
    use_case = UseCase()
    use_case.handle()

    again = use_case.handle(link="https://app.platform.example/other", code="1234-5678", expiresAt=None)

    assert (again.disposition, again.differs) == (Disposition.REPEATED, False)


@pytest.mark.parametrize("changes", [{"user": {"email": "eve@example.net"}}, {"type": "EmailVerificationRequested"}])
def test_a_reused_request_id_is_reported_and_sends_nothing(changes: dict[str, object]) -> None:
    use_case = UseCase()
    use_case.handle()

    again = use_case.handle(str(changes.pop("type", "PasswordResetRequested")), **changes)

    assert (again.disposition, again.differs) == (Disposition.REPEATED, True)
    assert len(use_case.queue.sends) == 1


def test_no_hash_of_the_recipient_is_kept_beside_the_key() -> None:
    fingerprints = set()
    for address in ("ada@example.net", "eve@example.net"):
        use_case = UseCase()
        use_case.handle(user={"email": address})
        (state,) = use_case.ledger.key_states
        fingerprints.add(state.fingerprint)

    assert len(fingerprints) == 1


def test_DU10_two_requests_are_two_messages() -> None:
    use_case = UseCase()

    use_case.handle(requestId="request-1")
    use_case.handle(requestId="request-2")

    assert len(use_case.queue.sends) == 2


def test_the_same_request_id_in_two_projects_is_two_messages() -> None:
    use_case = UseCase()

    for project in ("acme", "globex", None):
        assert use_case.handle(projectId=project).disposition is Disposition.QUEUED


def test_a_request_id_outlives_every_queue() -> None:
    use_case = UseCase()
    use_case.handle(expiresAt=None)

    use_case.seconds += EVENT_KEY_LIFETIME_SECONDS - 1

    assert use_case.handle(expiresAt=None).disposition is Disposition.REPEATED
    assert EVENT_KEY_LIFETIME_SECONDS >= 18 * 24 * 3600


def test_QD8_an_expired_event_is_recorded_and_published_but_not_sent() -> None:
    use_case = UseCase()

    report = use_case.handle(expiresAt=use_case.seconds)

    assert report.disposition is Disposition.EXPIRED
    assert (use_case.record.state, use_case.record.reason, use_case.record.is_final) == (State.EXPIRED, "expired", True)
    assert (use_case.record.origin, use_case.record.request_id) == ("PasswordResetRequested", "request-1")
    assert (use_case.queue.sends, use_case.drafts.contents) == ([], {})
    assert use_case.events.names == ["EmailExpired"]


def test_DU1_an_expired_event_is_published_once() -> None:
    use_case = UseCase()
    use_case.handle(expiresAt=use_case.seconds)

    assert use_case.handle(expiresAt=use_case.seconds).disposition is Disposition.REPEATED
    assert use_case.events.names == ["EmailExpired"]


def test_an_expired_event_is_published_although_the_ledger_s_answer_is_lost() -> None:
    use_case = UseCase()
    passed: list[str] = []

    def lose_the_first_answer(point: str) -> None:
        passed.append(point)
        if point == "after ledger.insert" and passed.count(point) == 1:
            raise LedgerUnavailable

    use_case.ledger.failpoint = lose_the_first_answer

    assert use_case.handle(expiresAt=use_case.seconds).disposition is Disposition.EXPIRED
    assert use_case.handle(expiresAt=use_case.seconds).disposition is Disposition.REPEATED
    assert use_case.events.names == ["EmailExpired"]


def test_an_expired_repeat_leaves_the_queued_message_unchanged() -> None:
    use_case = UseCase()
    use_case.handle(expiresAt=use_case.seconds + 10)
    use_case.seconds += 20

    assert use_case.handle(expiresAt=use_case.seconds - 10).disposition is Disposition.REPEATED
    assert use_case.record.state is State.QUEUED


def test_nothing_is_queued_without_the_ledger() -> None:
    use_case = UseCase()
    use_case.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        use_case.handle()

    assert use_case.queue.sends == []


def test_nothing_is_recorded_without_the_content_store() -> None:
    use_case = UseCase()
    use_case.drafts.failing = True

    with pytest.raises(ContentUnavailable):
        use_case.handle()

    assert use_case.ledger.records == ()


class Crash(Exception):
    """A worker crashed."""


@pytest.mark.parametrize(
    "point",
    ["before drafts.put", "after drafts.put", "before ledger.insert", "after ledger.insert", "before queue.send"],
)
def test_DU19_an_event_repeated_after_a_crash_is_one_message(point: str) -> None:
    def crash(reached: str) -> None:
        if reached == point and not crashed:
            crashed.append(reached)
            raise Crash

    crashed: list[str] = []
    use_case = UseCase(
        MemoryLedger(failpoint=crash), MemoryDraftStore(failpoint=crash), MemoryDeliveryQueue(failpoint=crash)
    )
    with pytest.raises(Crash):
        use_case.handle()

    use_case.handle()

    assert crashed == [point]
    assert use_case.record.state is State.QUEUED
    assert (ACME, use_case.record.id) in use_case.drafts.contents
    due_at = use_case.record.due_at
    assert use_case.queue.sends or (
        due_at is not None and use_case.ledger.due(now=due_at, limit=9) == ((ACME, use_case.record.id),)
    )


def test_a_system_email_is_counted_but_never_refused_by_a_limit() -> None:
    use_case = UseCase(project_limits=(Limit(1, Window.DAY),))

    for number in range(3):
        assert use_case.handle(requestId=f"request-{number}").disposition is Disposition.QUEUED

    counted = use_case.ledger.increment(ACME, "2026-01-02", 1, within={"project/day": None}, forget_at=NOW.timestamp())
    assert counted.counts == {"project/day": 4}


def test_a_repeated_event_is_not_counted_again() -> None:
    use_case = UseCase(project_limits=(Limit(9, Window.DAY),))

    use_case.handle()
    use_case.handle()

    counted = use_case.ledger.increment(ACME, "2026-01-02", 1, within={"project/day": None}, forget_at=NOW.timestamp())
    assert counted.counts == {"project/day": 2}


def test_an_email_of_the_platform_counts_for_no_project() -> None:
    use_case = UseCase(project_limits=(Limit(1, Window.DAY),))

    assert use_case.handle(projectId=None).disposition is Disposition.QUEUED
