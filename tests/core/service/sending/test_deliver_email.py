"""Accepted messages are delivered once, by the chosen transport, or later with a reason."""

from copy import replace

import pytest
from mailer.errors import LedgerUnavailable
from mailer.ledger.event import EventName
from mailer.ledger.lifecycle import Reason, claim
from mailer.ledger.record import MAX_AGE_SECONDS, OnUnknown, Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.secret.resolution import SecretAbsent, SecretAnswer, SecretUnavailable, Unavailability
from mailer.service.sending.deliver_email import DeliveryResult
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
BOTH = replace(DRAFT, cc=(parse_mailbox("bob@example.net"),))
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
GREYLISTED = Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450)))
REFUSED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))


def make_service(answer: SecretAnswer | None = None, verdict: Verdict = fakes.ACCEPTED) -> MemoryService:
    answers = {ACME: answer if answer is not None else fakes.secret(entries())}
    return MemoryService(
        secrets=fakes.FakeSecretStore(answers=answers), relay=fakes.FakeRelayTransport(verdict=verdict)
    )


def event_names(service: MemoryService) -> list[EventName]:
    return [event.name for event in service.events.events]


def test_a_second_worker_does_not_deliver_a_sent_message_again() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)

    first, second = service.deliver(accepted), service.deliver(accepted)

    assert first.record is not None
    assert (first.record.state, second.result) == (State.SENT, DeliveryResult.NOTHING_TO_DO)
    assert len(service.relay.sends) == 1
    assert event_names(service) == [EventName.EMAIL_SENT]


def test_the_content_of_a_sent_message_is_deleted() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert service.drafts.get(ACME, accepted.id) is None


def test_an_unknown_message_is_not_found() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)

    assert service.deliver(replace(accepted, id="f" * 32)).result is DeliveryResult.NOT_FOUND


def test_TI10_another_project_s_message_is_not_found() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)

    assert service.deliver(replace(accepted, project_id=None)).result is DeliveryResult.NOT_FOUND


def test_a_message_of_the_platform_is_sent_by_the_server() -> None:
    service = make_service()
    delivered = service.deliver(service.accept(DRAFT, None))

    assert delivered.record is not None
    assert (delivered.record.state, delivered.record.transport) == (State.SENT, "server-ses")
    assert (len(service.server.requests), service.relay.sends, service.secrets.reads) == (1, [], [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fakes.secret(entries(smtpPort="mail")), Reason.PROJECT_SMTP_INVALID),
        (SecretUnavailable(Unavailability.TIMEOUT), Reason.SECRETS_UNAVAILABLE),
        (fakes.secret(entries(smtpFromPolicy="reject")), Reason.SENDER_NOT_APPROVED),
    ],
)
def test_a_message_without_a_usable_configuration_is_held(answer: SecretAnswer, reason: Reason) -> None:
    service = make_service(answer)
    delivered = service.deliver(service.accept(replace(DRAFT, sender=parse_mailbox("eve@elsewhere.example"))))

    assert delivered.record is not None
    assert (delivered.record.state, delivered.record.reason) == (State.HELD, reason.value)
    assert (service.relay.sends, service.server.requests) == ([], [])
    assert event_names(service) == [EventName.EMAIL_HELD]


def test_a_held_message_that_is_held_again_publishes_no_second_event() -> None:
    service = make_service(fakes.secret(entries(smtpPort="mail")))
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    for _ in range(3):
        service.advance(4000)
        assert service.sweep().queued == 1
        service.deliver(accepted)

    assert service.known(accepted).state is State.HELD
    assert event_names(service) == [EventName.EMAIL_HELD]


def test_the_sweep_sends_a_held_message_after_its_configuration_is_corrected() -> None:
    service = make_service(fakes.secret(entries(smtpPort="mail")))
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    service.secrets.answers[ACME] = fakes.secret(entries())
    service.advance(4000)
    service.sweep()
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT


def test_QD8_an_expired_message_is_not_sent_and_publishes_its_event() -> None:
    service = make_service()
    accepted = service.accept(DRAFT, valid_until=NOW.timestamp() + 60)
    service.advance(60)
    delivered = service.deliver(accepted)

    assert delivered.record is not None
    assert delivered.record.state is State.EXPIRED
    assert service.relay.sends == []
    assert event_names(service) == [EventName.EMAIL_EXPIRED]


def test_the_sweep_expires_a_held_message() -> None:
    service = make_service(fakes.secret("{broken"))
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    service.advance(MAX_AGE_SECONDS)
    round_ = service.sweep()

    assert [record.state for record in round_.settled] == [State.EXPIRED]
    assert event_names(service) == [EventName.EMAIL_HELD, EventName.EMAIL_EXPIRED]


def test_HR20_a_greylisted_message_is_sent_later_by_the_same_relay() -> None:
    service = make_service()
    service.relay.attempts = [Attempt({DRAFT.to[0].address: GREYLISTED})]
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert service.known(accepted).state is State.DEFERRED
    assert service.deliver(accepted).result is DeliveryResult.NOTHING_TO_DO
    service.advance(60)
    service.sweep()
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT
    assert len(service.relay.sends) == 2


def test_DU16_all_attempts_have_the_same_octets_and_message_id() -> None:
    service = make_service()
    service.relay.attempts = [Attempt({DRAFT.to[0].address: GREYLISTED})] * 3
    accepted = service.accept(DRAFT)
    for _ in range(4):
        service.deliver(accepted)
        service.advance(7200)
        service.sweep()

    assert len(service.relay.sends) == 4
    assert len({(send.message.as_bytes(), send.message.message_id) for send in service.relay.sends}) == 1


def test_HR21_only_deferred_recipients_are_tried_again() -> None:
    ada, bob = (mailbox.address for mailbox in (*BOTH.to, *BOTH.cc))
    service = make_service()
    service.relay.attempts = [Attempt({ada: fakes.ACCEPTED, bob: GREYLISTED})]
    accepted = service.accept(BOTH)
    service.deliver(accepted)
    service.advance(60)
    service.sweep()
    service.deliver(accepted)

    assert [send.message.recipients for send in service.relay.sends] == [(ada, bob), (bob,)]
    assert service.known(accepted).state is State.SENT


def test_an_unknown_outcome_is_not_repeated_under_hold() -> None:
    service = make_service(verdict=LOST)
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    service.advance(MAX_AGE_SECONDS / 2)
    service.sweep()
    service.deliver(accepted)

    assert service.known(accepted).state is State.UNKNOWN
    assert len(service.relay.sends) == 1


def test_P5_an_unknown_outcome_is_repeated_once_under_retry() -> None:
    service = make_service(verdict=LOST)
    accepted = service.accept(DRAFT, on_unknown=OnUnknown.RETRY)
    for _ in range(5):
        service.deliver(accepted)
        service.advance(600)
        service.sweep()

    first, second = (send.message for send in service.relay.sends)
    assert (first.as_bytes(), first.message_id) == (second.as_bytes(), second.message_id)
    assert service.known(accepted).is_final


@pytest.mark.parametrize("answer", [fakes.secret(entries(smtpHost="other.acme.example")), SecretAbsent()])
def test_DU11_an_unknown_outcome_is_not_repeated_by_another_transport(answer: SecretAnswer) -> None:
    service = make_service(verdict=LOST)
    accepted = service.accept(DRAFT, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.secrets.answers[ACME] = answer
    service.advance(600)
    service.sweep()
    service.deliver(accepted)

    known = service.known(accepted)
    assert (known.state, known.is_final, known.reason) == (State.UNKNOWN, True, Reason.TRANSPORT_CHANGED)
    assert (len(service.relay.sends), service.server.requests) == (1, [])


def test_FC15_a_deferred_message_uses_the_project_s_new_relay() -> None:
    service = make_service(verdict=GREYLISTED)
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    service.secrets.answers[ACME] = fakes.secret(entries(smtpHost="new.acme.example"), "version-2")
    service.relay.verdict = fakes.ACCEPTED
    service.advance(600)
    service.sweep()
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT
    assert [send.relay.host for send in service.relay.sends] == ["mail.acme.example", "new.acme.example"]


def test_rejected_credentials_hold_the_message() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert (service.known(accepted).state, service.known(accepted).reason) == (State.HELD, "relay-auth-rejected")
    assert service.server.requests == []


def test_credentials_refused_after_the_mark_are_read_again_and_sent_once() -> None:
    late = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.FINAL, Cause.REPLY, Reply(530)))
    service = make_service()
    service.secrets.refreshed[ACME] = fakes.secret(entries(smtpPassword="new"), "version-2")
    service.relay.attempts = [Attempt.uniform((DRAFT.to[0].address,), late)]
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT
    assert [each.version_id for each in service.known(accepted).attempts] == ["version-2"]


@pytest.mark.parametrize("host", ["smtp.elsewhere.example", None])
def test_DU11_new_credentials_do_not_move_an_unknown_message_to_another_host(host: str | None) -> None:
    service = make_service()
    service.relay.attempts = [Attempt.uniform((DRAFT.to[0].address,), verdict) for verdict in (LOST, AUTH_REJECTED)]
    renewed = entries(smtpPassword="new") if host is None else entries(smtpHost=host, smtpPassword="new")
    accepted = service.accept(DRAFT, on_unknown=OnUnknown.RETRY)
    service.deliver(accepted)
    service.secrets.refreshed[ACME] = fakes.secret(renewed, "version-2")
    service.advance(600)
    service.deliver(accepted)

    asked = [sent.relay.host for sent in service.relay.sends]
    assert asked == ["mail.acme.example"] * (3 if host is None else 2)


def test_AV7_nothing_is_sent_without_the_ledger() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)
    service.ledger.failing = True
    with pytest.raises(LedgerUnavailable):
        service.deliver(accepted)

    assert service.relay.sends == []


def test_DU4_an_unrecorded_outcome_is_unknown_and_not_sent_again() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)

    def fail_after_the_send(point: str) -> None:
        if point == "before ledger.replace" and service.relay.sends:
            raise LedgerUnavailable

    service.ledger.failpoint = fail_after_the_send
    with pytest.raises(LedgerUnavailable):
        service.deliver(accepted)
    service.ledger.failpoint = lambda _point: None
    service.advance(LEASE_SECONDS)
    service.sweep()
    service.deliver(accepted)

    assert service.known(accepted).state is State.UNKNOWN
    assert len(service.relay.sends) == 1


def test_DU3_a_message_claimed_by_a_dead_worker_is_delivered_again() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)
    service.ledger.replace(claim(accepted, now=service.seconds, lease_until=service.seconds + LEASE_SECONDS))

    assert service.deliver(accepted).result is DeliveryResult.NOTHING_TO_DO
    service.advance(LEASE_SECONDS)
    assert service.sweep().queued == 1
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT


@pytest.mark.parametrize("point", ["before ledger.replace", "after ledger.replace"])
def test_a_failed_mark_stops_the_send_and_the_message_is_tried_again(point: str) -> None:
    service = make_service()
    accepted = service.accept(DRAFT)
    marks = 0

    def fail_the_mark(at: str) -> None:
        nonlocal marks
        if at == point:
            marks += 1
            if marks == 2:
                raise LedgerUnavailable

    service.ledger.failpoint = fail_the_mark
    service.deliver(accepted)

    assert (service.relay.sends, service.known(accepted).state) == ([], State.DEFERRED)
    service.advance(60)
    service.deliver(accepted)
    assert (len(service.relay.sends), service.known(accepted).state) == (1, State.SENT)


def test_a_message_without_its_content_fails() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)
    service.drafts.delete(ACME, accepted.id)
    service.deliver(accepted)

    assert (service.known(accepted).state, service.known(accepted).reason) == (State.FAILED, Reason.CONTENT_MISSING)


def test_unavailable_content_defers_the_message() -> None:
    service = make_service()
    accepted = service.accept(DRAFT)
    service.drafts.failing = True
    service.deliver(accepted)

    assert (service.known(accepted).state, service.known(accepted).attempts) == (State.DEFERRED, ())


def test_a_deferred_API_send_continues_from_the_queue() -> None:
    service = make_service()
    service.relay.attempts = [Attempt({DRAFT.to[0].address: GREYLISTED})]
    report = service.send(DRAFT)
    assert not isinstance(report, Record)
    (record,) = service.ledger.records
    service.advance(60)
    service.sweep()
    service.deliver(record)

    assert service.known(record).state is State.SENT
    first, second = service.relay.sends
    assert first.message.as_bytes() == second.message.as_bytes()
