"""The ledger during a synchronous send: claim, mark and outcome, and idempotency keys."""

import pytest
from mailer.errors import KeyInFlight, KeyReused, LedgerUnavailable, MailerError
from mailer.ledger.event import EventName
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import AttemptResult, OnUnknown, Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import (
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
from mailer.smtp.reply import Reply

from tests import fakes
from tests.support.memory_service import LEASE_SECONDS, MemoryService
from tests.support.projects import ACME, NOW, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
DEFERRED = Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450)))
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))
REFUSED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))


def make_service(verdict: Verdict = fakes.ACCEPTED) -> MemoryService:
    return MemoryService(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


def key(body: str = "body") -> KeyUse:
    return KeyUse("digest", body, NOW.timestamp() + 86400)


def only(service: MemoryService) -> Record:
    (record,) = service.ledger.records
    return record


def test_the_record_agrees_with_the_answer() -> None:
    service = make_service()
    report = service.send(DRAFT)

    assert isinstance(report, SendReport)
    record = only(service)
    assert (record.id, record.state, record.message_id) == (report.id, State.SENT, report.message_id)
    assert [(each.transport, each.version_id, each.result) for each in record.attempts] == [
        ("project-smtp", "version-1", AttemptResult.ACCEPTED)
    ]
    assert service.events.names == [EventName.EMAIL_SENT]


def test_a_record_is_claimed_before_the_attempt_and_marked_before_the_end() -> None:
    service = make_service()
    states: list[State] = []

    class Watching(fakes.FakeRelayTransport):
        def send(self, *args: object, **named: object) -> object:  # type: ignore[override]
            states.append(only(service).state)
            attempt = super().send(*args, **named)  # type: ignore[arg-type]
            states.append(only(service).state)
            return attempt

    service.relay = Watching()
    service.send(DRAFT)

    assert states == [State.CLAIMED, State.SENDING]


def test_AV7_nothing_is_sent_without_the_ledger() -> None:
    service = make_service()
    service.ledger.failing = True
    with pytest.raises(LedgerUnavailable):
        service.send(DRAFT)

    assert service.relay.sends == []


def test_an_unrecorded_outcome_is_still_answered() -> None:
    service = make_service()

    def fail_after_the_send(point: str) -> None:
        if service.relay.sends and point.startswith("before ledger"):
            raise LedgerUnavailable

    service.ledger.failpoint = fail_after_the_send
    report = service.send(DRAFT)

    assert isinstance(report, SendReport)
    assert report.status is State.SENT
    assert only(service).state is State.SENDING


def test_a_deferred_message_is_stored_and_answered_as_deferred() -> None:
    service = make_service(DEFERRED)
    report = service.send(DRAFT)

    assert isinstance(report, SendReport)
    assert (report.status, only(service).has_content) == (State.DEFERRED, True)
    assert service.drafts.get(ACME, report.id) is not None


def test_a_deferred_message_that_cannot_be_stored_is_a_retryable_error() -> None:
    service = make_service(DEFERRED)
    service.drafts.failing = True
    with pytest.raises(MailerError) as caught:
        service.send(DRAFT)

    assert (caught.value.code, caught.value.retryable, only(service).state) == ("relay-deferred", True, State.FAILED)


def test_an_unrecorded_deferral_is_an_error() -> None:
    service = make_service(DEFERRED)

    def fail(point: str) -> None:
        if point == "before ledger.replace":
            raise LedgerUnavailable

    service.ledger.failpoint = fail

    with pytest.raises(LedgerUnavailable):
        service.send(DRAFT)
    assert service.events.names == []


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [((fakes.ACCEPTED, DEFERRED), State.PARTIALLY_SENT), ((LOST, DEFERRED), State.UNKNOWN), ((LOST,), State.UNKNOWN)],
)
def test_an_unrecorded_outcome_promises_no_retry(verdicts: list[Verdict], status: State) -> None:
    service = make_service()
    to = tuple(parse_mailbox(f"{number}@example.net") for number in range(len(verdicts)))
    addresses = [mailbox.address for mailbox in to]
    service.relay.attempts = [Attempt(dict(zip(addresses, verdicts, strict=True)))]

    def fail_after_the_send(point: str) -> None:
        if service.relay.sends and point.startswith("before ledger"):
            raise LedgerUnavailable

    service.ledger.failpoint = fail_after_the_send
    report = service.send(Draft(to=to, subject="Hello", text="Hi\n"), on_unknown=OnUnknown.RETRY)

    assert isinstance(report, SendReport)
    assert (report.status, report.record.due_at) == (status, None)


def test_an_unreachable_relay_is_an_error_of_the_request() -> None:
    service = make_service(UNREACHABLE)
    with pytest.raises(MailerError) as caught:
        service.send(DRAFT)

    assert (caught.value.code, only(service).state, only(service).reason) == (
        "relay-unreachable",
        State.FAILED,
        "relay-unreachable",
    )


def test_an_unknown_outcome_keeps_its_content_only_under_retry() -> None:
    held, repeated = make_service(LOST), make_service(LOST)
    held.send(DRAFT)
    repeated.send(DRAFT, on_unknown=OnUnknown.RETRY)

    assert (only(held).is_final, only(held).has_content) == (True, False)
    assert (only(repeated).is_final, only(repeated).has_content) == (False, True)


def test_DU7_a_repeated_request_gets_the_stored_answer_and_sends_once() -> None:
    service = make_service()
    service.send(DRAFT, key=key())
    again = service.send(DRAFT, key=key())

    assert isinstance(again, Replayed)
    assert (again.answer.body, len(service.relay.sends)) == ("sent", 1)


def test_DU7_a_replay_does_not_depend_on_the_current_configuration() -> None:
    service = make_service()
    service.send(DRAFT, key=key())
    service.secrets.answers[ACME] = fakes.secret("{broken")

    assert isinstance(service.send(DRAFT, key=key()), Replayed)


def test_DU7_another_request_with_the_same_key_is_refused() -> None:
    service = make_service()
    service.send(DRAFT, key=key())
    with pytest.raises(KeyReused):
        service.send(DRAFT, key=key("another body"))


def test_DU7_a_concurrent_request_with_the_same_key_is_refused() -> None:
    service = make_service()
    seen: list[type[MailerError]] = []

    class Twin(fakes.FakeRelayTransport):
        def send(self, *args: object, **named: object) -> object:  # type: ignore[override]
            with pytest.raises(KeyInFlight) as caught:
                service.send(DRAFT, key=key())
            seen.append(caught.type)
            return super().send(*args, **named)  # type: ignore[arg-type]

    service.relay = Twin()
    service.send(DRAFT, key=key())

    assert seen == [KeyInFlight]
    assert len(service.relay.sends) == 1


def test_DU7_a_permanent_failure_is_replayed() -> None:
    service = make_service(REFUSED)
    with pytest.raises(MailerError):
        service.send(DRAFT, key=key())
    again = service.send(DRAFT, key=key())

    assert isinstance(again, Replayed)
    assert (again.answer.body, len(service.relay.sends)) == ("recipients-rejected", 1)


def test_DU7_a_retryable_failure_frees_its_key() -> None:
    service = make_service(UNREACHABLE)
    with pytest.raises(MailerError):
        service.send(DRAFT, key=key())
    service.relay.verdict = fakes.ACCEPTED

    assert isinstance(service.send(DRAFT, key=key()), SendReport)


def test_DU7_a_refused_request_stores_nothing() -> None:
    service = make_service()
    service.secrets.answers[ACME] = fakes.secret("{broken")
    with pytest.raises(MailerError):
        service.send(DRAFT, key=key())

    assert service.ledger.records == ()
    assert service.ledger.find_key(ACME, "digest", now=NOW.timestamp()) is None


def crash(service: MemoryService, at: str, number: int) -> None:
    """Kill the worker when it reaches a failpoint for the n-th time."""
    passed = 0

    class Killed(BaseException):
        pass

    def kill(point: str) -> None:
        nonlocal passed
        passed += point == at
        if passed == number:
            raise Killed

    service.ledger.failpoint = kill
    with pytest.raises(Killed):
        service.send(DRAFT, key=key())
    service.ledger.failpoint = lambda _point: None


def test_DU3_a_request_of_a_worker_lost_before_the_mark_can_be_repeated() -> None:
    service = make_service()
    crash(service, "after ledger.insert", 1)
    with pytest.raises(KeyInFlight):
        service.send(DRAFT, key=key())
    service.advance(LEASE_SECONDS)

    assert isinstance(service.send(DRAFT, key=key()), SendReport)
    assert len(service.relay.sends) == 1
    assert sorted(record.state for record in service.ledger.records) == [State.FAILED, State.SENT]


def test_DU3_a_request_of_a_worker_lost_after_the_mark_is_unknown() -> None:
    service = make_service()
    crash(service, "after ledger.replace", 1)
    service.advance(LEASE_SECONDS)
    again = service.send(DRAFT, key=key())

    assert isinstance(again, Resumed)
    assert again.record.state is State.UNKNOWN
    assert service.relay.sends == []


def test_TI9_the_same_key_in_two_projects_means_two_messages() -> None:
    service = make_service()
    service.send(DRAFT, key=key())
    other = type(ACME)("other")

    assert isinstance(service.send(DRAFT, other, key=key("another body")), SendReport)
