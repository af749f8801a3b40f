"""Messages that are held because SES refuses the platform are released as soon as SES takes mail again."""

from mailer.ledger.lifecycle import RECHECK_INVALID_SECONDS, hold
from mailer.ledger.record import Record, State
from mailer.ledger.server_outage import ServerOutage
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.project import ProjectId
from mailer.service.sending.release_after_outage import declare_server_works
from mailer.smtp.outcome import Cause, Failure, Phase, Rejected, RelayError, RelayFault
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.ledger_fakes import MemoryLedger
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
FAULT = RelayError(RelayFault.SERVER_TRANSPORT_FAILED, Failure(Phase.AUTH, Cause.REPLY))
PLAIN = ProjectId("plain")


class Outage:
    """SES refuses the platform, and these messages are held: two of the platform, one of a project."""

    def __init__(self, ledger: MemoryLedger | None = None) -> None:
        self.service = MemoryService(ledger=ledger or MemoryLedger())
        self.service.server.verdict = FAULT
        self.records = [self.service.accept(DRAFT, project) for project in (None, None, PLAIN)]
        for record in self.records:
            self.service.deliver(record)
        self.service.queue.sends.clear()

    @property
    def states(self) -> list[State]:
        return [self.service.known(record).state for record in self.records]

    def minute(self) -> int:
        """Let a minute pass: a sweep runs, and workers serve the queue. Return the number of attempts."""
        before = len(self.service.server.requests)
        self.service.advance(60)
        self.service.sweep()
        deliveries, self.service.queue.sends = self.service.queue.sends, []
        for delivery in deliveries:
            found = self.service.ledger.find(delivery.project_id, delivery.id)
            assert found is not None
            self.service.deliver(found)
        return len(self.service.server.requests) - before

    def after_the_first_rechecks(self) -> None:
        """Let so much time pass that each message's own next check is far away."""
        for _ in range(40):
            self.minute()


def test_all_are_released_within_minutes_after_ses_takes_mail_again() -> None:
    outage = Outage()
    outage.after_the_first_rechecks()
    assert outage.states == [State.HELD, State.HELD, State.HELD]
    outage.service.server.verdict = fakes.ACCEPTED

    for _ in range(3):
        outage.minute()

    assert outage.states == [State.SENT, State.SENT, State.SENT]
    assert outage.service.events.names.count("EmailReleased") == 2


def test_one_message_is_tried_each_minute_while_ses_refuses() -> None:
    outage = Outage()
    outage.after_the_first_rechecks()

    assert [outage.minute() for _ in range(5)] == [1, 1, 1, 1, 1]


def test_a_message_that_ses_rejects_shows_that_ses_works() -> None:
    outage = Outage()
    outage.after_the_first_rechecks()
    outage.service.server.verdict = Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "no")))

    for _ in range(3):
        outage.minute()

    assert outage.states == [State.REJECTED, State.REJECTED, State.REJECTED]


def test_an_operator_releases_all_by_hand() -> None:
    outage = Outage()
    outage.after_the_first_rechecks()
    outage.service.server.verdict = fakes.ACCEPTED
    declare_server_works(outage.service.send_ports)

    outage.minute()

    assert outage.states == [State.SENT, State.SENT, State.SENT]


def test_messages_held_for_other_reasons_are_not_released() -> None:
    outage = Outage()
    other = _held(outage.service, "project-smtp-invalid")
    outage.after_the_first_rechecks()
    outage.service.server.verdict = fakes.ACCEPTED
    outage.service.secrets.answers[PLAIN] = fakes.secret(entries(smtpPort="mail"))

    for _ in range(3):
        outage.minute()

    assert outage.service.known(other).state is State.HELD


def test_nothing_waits_after_the_release() -> None:
    outage = Outage()
    outage.service.server.verdict = fakes.ACCEPTED
    for _ in range(4):
        outage.minute()

    assert outage.service.ledger.server_outage().waiting == ()


def test_a_relay_of_a_project_tells_nothing_about_ses() -> None:
    outage = Outage()
    outage.service.secrets.answers[ACME] = fakes.secret(entries())
    outage.service.deliver(outage.service.accept(DRAFT, ACME))

    assert not outage.service.ledger.server_outage().is_over


class Unreadable(MemoryLedger):
    """A ledger in which one record cannot be read."""

    unreadable = ""

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        if id == self.unreadable:
            raise ValueError(id)
        return super().find(project_id, id)


def test_an_unreadable_record_hides_no_other_message() -> None:
    ledger = Unreadable()
    outage = Outage(ledger)
    outage.after_the_first_rechecks()
    ledger.unreadable = outage.records[0].id
    outage.service.server.verdict = fakes.ACCEPTED

    for _ in range(3):
        outage.minute()

    ledger.unreadable = ""
    assert outage.states == [State.HELD, State.SENT, State.SENT]


def test_a_bug_in_the_release_does_not_stop_the_sweep() -> None:
    class Buggy(MemoryLedger):
        def server_outage(self) -> ServerOutage:
            raise ZeroDivisionError

    service = MemoryService(ledger=Buggy())
    record = service.accept(DRAFT, None)
    service.queue.sends.clear()
    service.advance(400)

    swept = service.sweep()

    assert (swept.failed, swept.queued) == (1, 1)
    assert [delivery.id for delivery in service.queue.sends] == [record.id]


def _held(service: MemoryService, reason: str) -> Record:
    record = service.accept(DRAFT, PLAIN)
    now = service.seconds
    return service.ledger.replace(hold(record, reason, now=now, recheck_at=now + 10 * RECHECK_INVALID_SECONDS))
