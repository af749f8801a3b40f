"""What was provably not sent does not count for a limit, whatever fails; what may have been sent always counts."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from mailer.errors import ContentUnavailable, KeyInFlight, KeyReused, LedgerUnavailable, LimitReached, MailerError
from mailer.ledger.idempotency import KeyUse
from mailer.message.address import Address, parse_mailbox
from mailer.message.draft import Draft
from mailer.service.sending.accept_emails import EmailRequest, accept_batch, accept_email
from mailer.service.sending.repeated_request import Replayed
from mailer.smtp.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import Reply, make_reply

from tests import fakes
from tests.project_fakes import no_failpoint
from tests.support.chain import Killed, fail_ledger
from tests.support.memory_service import MemoryService, render
from tests.support.projects import ACME, entries, settings

ADA, BOB, CYD = (parse_mailbox(f"{name}@example.net") for name in ("ada", "bob", "cyd"))
DRAFT = Draft(to=(ADA,), subject="Hello", text="Hi\n")
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
DEFERRED = Deferred(Failure(Phase.MAIL, Cause.REPLY, make_reply(451, "4.7.0 later")))
REJECTED = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 no such user")))
REFUSED = Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "5.7.1 no")))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))
UNKNOWN = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))
PROJECT, RELAY = "project/day", "relay smtp/day"


def case(value: object) -> str:
    """Return the name of a verdict in a test's id."""
    return type(value).__name__ if isinstance(value, Verdict.__value__) else str(value)


def make_service(verdict: Verdict = fakes.ACCEPTED, limit: int = 3) -> MemoryService:
    """Make a project with limits of the operator and of its relay."""
    service = MemoryService(settings(PROJECT_LIMITS=f"{limit}/hour, {limit}/day", ROLE_LIMITS=f"clerk={limit}/day"))
    service.secrets.answers[ACME] = fakes.secret(entries(smtpDailyLimit=str(limit)))
    service.relay.verdict = verdict
    return service


def counts(service: MemoryService) -> dict[str, int]:
    return dict(service.ledger.increment(ACME, "2026-01-02", 0, within={}, forget_at=0).counts)


def queue(service: MemoryService, draft: Draft = DRAFT, key: KeyUse | None = None) -> object:
    return accept_email(
        EmailRequest(draft),
        ACME,
        ports=service.send_ports,
        deadline=24.0,
        key=key,
        role="clerk",
        render=lambda accepted: render(accepted),
    )


@pytest.mark.parametrize(
    "verdict", [UNREACHABLE, REJECTED, REFUSED, AUTH_REJECTED], ids=lambda each: each.failure.phase
)
def test_a_request_that_ends_with_an_error_does_not_count(verdict: Verdict) -> None:
    service = make_service(verdict)
    for _ in range(4):
        with pytest.raises(MailerError):
            service.send(DRAFT, role="clerk")

    assert set(counts(service).values()) == {0}
    service.relay.verdict = fakes.ACCEPTED
    assert service.send(DRAFT, role="clerk")


@pytest.mark.parametrize(
    ("verdict", "project", "relay"), [(fakes.ACCEPTED, 1, 1), (UNKNOWN, 1, 1), (DEFERRED, 1, 0)], ids=case
)
def test_what_was_or_may_be_sent_counts(verdict: Verdict, project: int, relay: int) -> None:
    service = make_service(verdict)
    service.send(DRAFT)

    assert (counts(service)[PROJECT], counts(service)[RELAY]) == (project, relay)


def test_rejected_recipients_do_not_count() -> None:
    service = make_service()
    verdicts: dict[Address, Verdict] = {ADA.address: fakes.ACCEPTED, BOB.address: REJECTED, CYD.address: UNKNOWN}
    service.relay.attempts = [Attempt(verdicts)]
    service.send(Draft(to=(ADA, BOB, CYD), subject="Hello", text="Hi\n"), role="clerk")

    assert counts(service) == {PROJECT: 2, "project/hour-03": 2, "role clerk/day": 2, RELAY: 2}


def test_a_request_during_a_pause_does_not_count() -> None:
    service = make_service(AUTH_REJECTED)
    for _ in range(9):
        with pytest.raises(MailerError):
            service.send(DRAFT)

    assert (counts(service)[PROJECT], counts(service)[RELAY], len(service.relay.sends)) == (0, 0, 5)


def test_an_unreadable_secret_does_not_count() -> None:
    service = make_service()
    service.secrets.answers[ACME] = fakes.secret("{")
    with pytest.raises(MailerError):
        service.send(DRAFT)

    assert counts(service) == {}


@dataclass
class FailOnce:
    """Fails at one of the points of the ledger, counted from 0, and only there."""

    number: int
    seen: int = 0
    failed_at: str = ""

    def __call__(self, point: str) -> None:
        self.seen += 1
        if self.seen == self.number + 1:
            self.failed_at = point
            raise LedgerUnavailable


def at_each_point(call: Callable[[MemoryService], object], verdict: Verdict) -> list[tuple[str, MemoryService]]:
    """Make the call once for each point at which the ledger can fail."""
    runs: list[tuple[str, MemoryService]] = []
    while True:
        service, failing = make_service(verdict, limit=9), FailOnce(len(runs))
        service.ledger.failpoint = failing
        with suppress(MailerError):
            call(service)
        service.ledger.failpoint = no_failpoint
        if not failing.failed_at:
            return runs
        runs.append((failing.failed_at, service))


def may_have_copies(service: MemoryService) -> int:
    """Count the messages that were sent, or may be sent later."""
    sent = sum(isinstance(service.relay.verdict, Accepted | Unknown) for _ in service.relay.sends)
    return sent + sum(record.has_content and not record.is_final for record in service.ledger.records)


@pytest.mark.parametrize("verdict", [fakes.ACCEPTED, UNKNOWN, DEFERRED, REJECTED, AUTH_REJECTED, UNREACHABLE], ids=case)
def test_a_failing_ledger_never_leaks_a_limit_of_a_send(verdict: Verdict) -> None:
    runs = at_each_point(lambda service: service.send(DRAFT, role="clerk"), verdict)

    points = {point for point, _ in runs}
    assert points >= {"before ledger.increment", "before ledger.take_slot", "before ledger.insert"}
    for point, service in runs:
        truth = may_have_copies(service)
        found = counts(service)
        assert min(found.values(), default=0) >= 0, point
        assert found.get(PROJECT, 0) >= truth, point
        # The answer to a counter's own write is the one thing that cannot be known.
        if "increment" not in point:
            assert (found.get(PROJECT, 0), found.get("role clerk/day", 0)) == (truth, truth), point
            assert found.get(RELAY, 0) == (truth if service.relay.sends and verdict is not DEFERRED else 0), point
        if point != "before ledger.leave_slot":
            assert service.ledger.breaker(ACME, "smtp").leases == () or point == "after ledger.take_slot", point


def test_a_failing_ledger_never_leaks_a_limit_of_a_queued_message() -> None:
    for point, service in at_each_point(queue, fakes.ACCEPTED):
        if "increment" not in point:
            assert counts(service)[PROJECT] == may_have_copies(service), point


def batch(service: MemoryService, *, has_key: bool, fingerprint: str = "fingerprint") -> None:
    accept_batch(
        [EmailRequest(DRAFT)] * 3,
        ACME,
        ports=service.send_ports,
        deadline=24.0,
        key_of=(lambda index: KeyUse(f"key {index}", fingerprint, 2e9)) if has_key else None,
        has_time=lambda: True,
    )


@pytest.mark.parametrize("has_key", [False, True])
def test_a_failing_ledger_never_leaks_a_limit_of_a_batch(has_key: bool) -> None:
    for point, service in at_each_point(lambda service: batch(service, has_key=has_key), fakes.ACCEPTED):
        if has_key:
            batch(service, has_key=True)
            assert len(service.ledger.records) == 3, point
        if "increment" not in point:
            assert counts(service)[PROJECT] == may_have_copies(service), point


def test_a_repeated_batch_counts_even_if_the_first_request_met_an_outage() -> None:
    service = make_service()

    def fail(point: str) -> None:
        # After the insertion nothing is answered any more, until a quota is given back.
        service.ledger.failing = point != "before ledger.increment" and bool(service.ledger.records)
        if service.ledger.failing:
            raise LedgerUnavailable

    service.ledger.failpoint = fail
    with pytest.raises(MailerError):
        batch(service, has_key=True)
    service.ledger.failpoint, service.ledger.failing = no_failpoint, False
    batch(service, has_key=True)

    assert (len(service.ledger.records), counts(service)[PROJECT]) == (3, 3)


def at_first(service: MemoryService, point: str, act: Callable[[], object]) -> None:
    """Act when the ledger or the content store is at this point for the first time."""

    def reached(name: str) -> None:
        if name == point:
            service.ledger.failpoint = service.drafts.failpoint = no_failpoint
            act()

    service.ledger.failpoint = service.drafts.failpoint = reached


@pytest.mark.parametrize("point", ["before drafts.put", "before ledger.insert", "after ledger.insert"])
def test_a_batch_that_is_repeated_while_the_first_one_runs_counts_once(point: str) -> None:
    service = make_service(limit=9)
    at_first(service, point, lambda: batch(service, has_key=True))
    batch(service, has_key=True)

    assert (len(service.ledger.records), counts(service)[PROJECT]) == (3, 3)


def test_a_batch_that_fails_beside_an_equal_batch_counts_once() -> None:
    service = make_service(limit=9)

    def fail_after_an_equal_batch() -> None:
        batch(service, has_key=True)
        raise ContentUnavailable

    at_first(service, "before drafts.put", fail_after_an_equal_batch)
    with pytest.raises(ContentUnavailable):
        batch(service, has_key=True)

    assert (len(service.ledger.records), counts(service)[PROJECT]) == (3, 3)


def test_a_batch_that_reuses_the_key_of_a_running_batch_does_not_count() -> None:
    service = make_service(limit=9)
    at_first(service, "before ledger.insert", lambda: batch(service, has_key=True, fingerprint="other"))
    with pytest.raises(KeyReused):
        batch(service, has_key=True)

    assert (len(service.ledger.records), counts(service)[PROJECT]) == (3, 3)


def test_an_equal_batch_that_used_up_the_limit_is_recognised() -> None:
    service = make_service(limit=3)
    at_first(service, "before ledger.increment", lambda: batch(service, has_key=True))
    batch(service, has_key=True)

    assert (len(service.ledger.records), counts(service)[PROJECT]) == (3, 3)


@pytest.mark.parametrize("act", [queue, MemoryService.send], ids=["queue", "send"])
def test_an_equal_request_that_used_up_the_limit_is_recognised(act: Callable[..., object]) -> None:
    service = make_service(limit=1)
    key = KeyUse("key", "fingerprint", 2e9)
    first: list[object] = []
    at_first(service, "before ledger.increment", lambda: first.append(act(service, DRAFT, key=key)))

    again = act(service, DRAFT, key=key)

    assert (type(again), len(first), counts(service)[PROJECT]) == (Replayed, 1, 1)


def test_an_equal_request_that_is_in_progress_and_used_up_the_limit_is_recognised() -> None:
    service = make_service(limit=1)
    key = KeyUse("key", "fingerprint", 2e9)

    def begin() -> None:
        fail_ledger(service, "after ledger.insert", Killed)
        with pytest.raises(Killed):
            service.send(DRAFT, key=key)

    at_first(service, "before ledger.increment", begin)
    with pytest.raises(KeyInFlight):
        service.send(DRAFT, key=key)


def test_another_request_that_used_up_the_limit_does_not_excuse_a_new_one() -> None:
    service = make_service(limit=1)
    service.send(DRAFT)
    with pytest.raises(LimitReached):
        service.send(DRAFT, key=KeyUse("key", "fingerprint", 2e9))


def test_a_message_whose_content_cannot_be_stored_does_not_count() -> None:
    service = make_service(DEFERRED)
    service.drafts.failing = True
    with pytest.raises(ContentUnavailable):
        queue(service)
    with pytest.raises(MailerError):
        service.send(DRAFT)

    assert (counts(service)[PROJECT], counts(service)[RELAY]) == (0, 0)


def test_a_quota_is_given_back_once() -> None:
    service = make_service()
    service.send(DRAFT)
    service.relay.verdict = UNREACHABLE
    with suppress(MailerError):
        service.send(DRAFT)

    assert (counts(service)[PROJECT], counts(service)[RELAY]) == (1, 1)
