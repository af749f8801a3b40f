"""Retries and cancellations: in each state, and while another worker changes the record."""

from collections.abc import Callable
from copy import replace
from dataclasses import dataclass, field

import pytest
from mailer.errors import MailerError, NotFound, NotPossibleNow
from mailer.ledger.idempotency import KeyClosing
from mailer.ledger.lifecycle import claim, conclude
from mailer.ledger.record import PossibleCopy, RecipientRecord, Record, State
from mailer.message.address import parse_address
from mailer.ports import LedgerPorts
from mailer.project import ProjectId
from mailer.service.sending.manage_email import cancel_email, find_email, page_emails, retry_email
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, Unknown, Verdict
from mailer.smtp.reply import make_reply

from tests.fakes import ACCEPTED
from tests.ledger_fakes import MemoryDeliveryQueue, MemoryLedger, RecordingPublisher
from tests.support.ports import ledger_ports
from tests.support.projects import ACME, NOW

NOW_SECONDS = NOW.timestamp()
ID = "0" * 32
ADA, BOB = parse_address("ada@example.net"), parse_address("bob@example.net")
LATER = Deferred(Failure(Phase.FINAL, Cause.REPLY, make_reply(451, "later")))
REFUSED = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "no")))
UNKNOWN = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))
POSSIBLE = PossibleCopy("project-smtp", "mail.acme.example:587", UNKNOWN.failure)
RETRIABLE = {
    State.HELD,
    State.DEFERRED,
    State.UNKNOWN,
    State.PARTIALLY_SENT,
    State.EXPIRED,
    State.FAILED,
    State.CANCELLED,
}
CANCELLABLE = {State.QUEUED, State.DEFERRED, State.HELD}


def record(state: State, verdict: Verdict | None = None, **changes: object) -> Record:
    made = Record(
        id=ID,
        project_id=ACME,
        state=state,
        created_at=NOW_SECONDS,
        updated_at=NOW_SECONDS,
        expires_at=NOW_SECONDS + 3600,
        recipients=(RecipientRecord(ADA, verdict),),
        due_at=NOW_SECONDS + 60 if state in {*CANCELLABLE, State.CLAIMED, State.SENDING} else None,
        has_content=True,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the names of a record's fields


@dataclass
class RacingLedger(MemoryLedger):
    """A ledger on which another worker writes first, once for each function in `others`."""

    others: list[Callable[[Record], Record]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        if self.others:
            known = self.find(record.project_id, record.id)
            assert known is not None
            super().replace(self.others.pop(0)(known))
        return super().replace(record, closing=closing)


@dataclass
class Setup:
    """The use cases on a ledger with one message."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)

    def with_record(self, known: Record) -> "Setup":
        self.ledger.insert(known)
        return self

    @property
    def ports(self) -> LedgerPorts:
        return ledger_ports(ledger=self.ledger, queue=self.queue, events=self.events, now=lambda: NOW)

    @property
    def state(self) -> State:
        return find_email(ACME, ID, ledger=self.ledger).state


def outcome(action: Callable[[], object]) -> str | None:
    """Return the code of the raised error, or None."""
    try:
        action()
    except MailerError as error:
        return error.code
    return None


@pytest.mark.parametrize("state", list(State))
def test_only_waiting_and_unsent_messages_can_be_retried(state: State) -> None:
    setup = Setup().with_record(record(state))

    refused = outcome(lambda: retry_email(ACME, ID, ports=setup.ports))

    assert refused == (None if state in RETRIABLE else "email-state-conflict")
    assert setup.state is (State.QUEUED if state in RETRIABLE else state)
    assert len(setup.queue.sends) == (state in RETRIABLE)


@pytest.mark.parametrize("state", list(State))
def test_only_waiting_messages_can_be_cancelled(state: State) -> None:
    setup = Setup().with_record(record(state))

    refused = outcome(lambda: cancel_email(ACME, ID, ports=setup.ports))

    assert refused == (None if state in CANCELLABLE else "email-state-conflict")
    assert setup.state is (State.CANCELLED if state in CANCELLABLE else state)


@pytest.mark.parametrize("state", list(State))
def test_every_refusal_names_the_state_that_callers_see(state: State) -> None:
    setup = Setup().with_record(record(state, has_content=False))
    shown = State.SENDING if state is State.CLAIMED else state

    with pytest.raises(NotPossibleNow) as raised:
        retry_email(ACME, ID, ports=setup.ports)

    assert f"`{shown.value}`" in raised.value.detail


def test_cancelling_a_due_repetition_leaves_the_message_unknown() -> None:
    recipients = (RecipientRecord(ADA, UNKNOWN, POSSIBLE, repeat_at=NOW_SECONDS + 300),)
    due = record(State.UNKNOWN, recipients=recipients, due_at=NOW_SECONDS + 300)
    setup = Setup().with_record(due)

    cancelled = cancel_email(ACME, ID, ports=setup.ports)

    assert (cancelled.state, cancelled.is_final) == (State.UNKNOWN, True)


def test_cancelling_a_partially_accepted_message_leaves_it_partially_sent() -> None:
    recipients = (RecipientRecord(ADA, ACCEPTED), RecipientRecord(BOB, LATER))
    setup = Setup().with_record(record(State.DEFERRED, recipients=recipients))

    assert cancel_email(ACME, ID, ports=setup.ports).state is State.PARTIALLY_SENT


def test_a_retry_skips_accepted_and_rejected_recipients() -> None:
    recipients = (RecipientRecord(ADA, ACCEPTED), RecipientRecord(BOB, REFUSED), RecipientRecord(ADA, LATER))
    setup = Setup().with_record(record(State.DEFERRED, recipients=recipients))

    retried = retry_email(ACME, ID, ports=setup.ports)

    assert [each.verdict for each in retried.record.recipients] == [ACCEPTED, REFUSED, None]


def test_a_retry_may_duplicate_after_any_unknown_outcome() -> None:
    deferred = record(State.UNKNOWN, recipients=(RecipientRecord(ADA, LATER, POSSIBLE),))

    assert retry_email(ACME, ID, ports=Setup().with_record(deferred).ports).may_duplicate
    assert not retry_email(ACME, ID, ports=Setup().with_record(record(State.DEFERRED, LATER)).ports).may_duplicate


def test_a_retry_of_other_recipients_does_not_duplicate() -> None:
    recipients = (RecipientRecord(ADA, ACCEPTED, POSSIBLE), RecipientRecord(BOB, LATER))
    setup = Setup().with_record(record(State.PARTIALLY_SENT, recipients=recipients))

    assert not retry_email(ACME, ID, ports=setup.ports).may_duplicate


def test_a_retried_held_message_publishes_that_it_was_released() -> None:
    held, expired = Setup().with_record(record(State.HELD)), Setup().with_record(record(State.EXPIRED))

    retry_email(ACME, ID, ports=held.ports)
    retry_email(ACME, ID, ports=expired.ports)

    assert (held.events.names, expired.events.names) == (["EmailReleased"], [])


def test_a_cancelled_message_is_published() -> None:
    setup = Setup().with_record(record(State.HELD))
    cancel_email(ACME, ID, ports=setup.ports)

    assert setup.events.names == ["EmailCancelled"]


def test_a_message_that_cannot_be_cancelled_publishes_nothing() -> None:
    setup = Setup().with_record(record(State.SENT))
    outcome(lambda: cancel_email(ACME, ID, ports=setup.ports))

    assert setup.events.names == []


def test_a_message_without_pending_recipients_cannot_be_retried() -> None:
    # The first attempt is unknown; the repeat was rejected.
    setup = Setup().with_record(record(State.UNKNOWN, recipients=(RecipientRecord(ADA, REFUSED, POSSIBLE),)))

    with pytest.raises(NotPossibleNow):
        retry_email(ACME, ID, ports=setup.ports)


def test_QD8_a_message_whose_content_has_expired_is_not_retried() -> None:
    setup = Setup().with_record(record(State.EXPIRED, valid_until=NOW_SECONDS))

    assert outcome(lambda: retry_email(ACME, ID, ports=setup.ports)) == "email-state-conflict"


def test_a_retry_extends_the_expiry_by_a_day_within_the_validity() -> None:
    free, bound = record(State.EXPIRED), record(State.EXPIRED, valid_until=NOW_SECONDS + 60)

    lives = [retry_email(ACME, ID, ports=Setup().with_record(each).ports).record.expires_at for each in (free, bound)]

    assert lives == [NOW_SECONDS + 24 * 3600, NOW_SECONDS + 60]


@pytest.mark.parametrize("project_id", [ProjectId("other"), ACME])
def test_TI10_another_project_s_message_is_not_found_by_any_request(project_id: ProjectId) -> None:
    setup = Setup()
    if project_id != ACME:
        setup.with_record(record(State.QUEUED))

    for action in (retry_email, cancel_email):
        with pytest.raises(NotFound):
            action(project_id, ID, ports=setup.ports)


def claimed_elsewhere(known: Record) -> Record:
    return claim(known, now=NOW_SECONDS, lease_until=NOW_SECONDS + 60)


def touched(known: Record) -> Record:
    return replace(known, updated_at=NOW_SECONDS)


def test_a_concurrently_claimed_message_is_not_cancelled() -> None:
    setup = Setup(RacingLedger(others=[claimed_elsewhere])).with_record(record(State.QUEUED))

    assert outcome(lambda: cancel_email(ACME, ID, ports=setup.ports)) == "email-state-conflict"
    assert setup.state is State.CLAIMED


def test_two_concurrent_cancellations_cancel_once() -> None:
    def cancelled(known: Record) -> Record:
        return conclude(known, State.CANCELLED, "cancelled", now=NOW_SECONDS)

    setup = Setup(RacingLedger(others=[cancelled])).with_record(record(State.HELD))

    assert outcome(lambda: cancel_email(ACME, ID, ports=setup.ports)) == "email-state-conflict"
    assert setup.state is State.CANCELLED


@pytest.mark.parametrize(("others", "refused"), [(1, None), (3, None), (4, "email-state-conflict")])
def test_a_concurrently_changed_message_is_read_again_up_to_three_times(others: int, refused: str | None) -> None:
    setup = Setup(RacingLedger(others=[touched] * others)).with_record(record(State.HELD))

    assert outcome(lambda: retry_email(ACME, ID, ports=setup.ports)) == refused
    assert len(setup.queue.sends) == (refused is None)


@pytest.mark.parametrize(
    ("limit", "pages"), [(1, [[3], [0], [4], [1]]), (2, [[3, 0], [4, 1]]), (3, [[3, 0, 4], [1]]), (4, [[3, 0, 4, 1]])]
)
def test_the_filter_sending_lists_claimed_and_sending_messages(limit: int, pages: list[list[int]]) -> None:
    ledger = MemoryLedger()
    for number, state in enumerate([State.SENDING, State.CLAIMED, State.SENT, State.SENDING, State.CLAIMED]):
        ledger.insert(replace(record(state), id=f"{number:032d}"))
    page = page_emails(ACME, state=State.SENDING, cursor=None, limit=limit, ledger=ledger)
    found = [page]
    while page.cursor is not None:
        page = page_emails(ACME, state=State.SENDING, cursor=page.cursor, limit=limit, ledger=ledger)
        found.append(page)

    assert [[int(each.id) for each in page.records] for page in found] == pages


def test_the_filter_sending_without_messages_is_one_empty_page() -> None:
    page = page_emails(ACME, state=State.SENDING, cursor=None, limit=25, ledger=MemoryLedger())

    assert (page.records, page.cursor) == ((), None)


@pytest.mark.parametrize("cursor", ["", "2.", "x", "0", "1.???", ".", "-1."])
def test_a_malformed_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        page_emails(ACME, state=State.SENDING, cursor=cursor or "x.", limit=1, ledger=MemoryLedger())
