"""Delivering accepted messages: once, by the chosen transport, or later with a reason."""

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
from tests.support.post_office import LEASE_SECONDS, PostOffice
from tests.support.projects import ACME, NOW, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
BOTH = replace(DRAFT, cc=(parse_mailbox("bob@example.net"),))
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
GREYLISTED = Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450)))
REFUSED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))


def office(answer: SecretAnswer | None = None, verdict: Verdict = fakes.ACCEPTED) -> PostOffice:
    answers = {ACME: answer if answer is not None else fakes.secret(entries())}
    return PostOffice(secrets=fakes.FakeSecretStore(answers=answers), relay=fakes.FakeRelayTransport(verdict=verdict))


def told(post: PostOffice) -> list[EventName]:
    return [event.name for event in post.events.events]


def test_a_queued_message_is_delivered_once_however_often_a_worker_is_called() -> None:
    post = office()
    accepted = post.accept(DRAFT)

    first, second = post.deliver(accepted), post.deliver(accepted)

    assert first.record is not None
    assert (first.record.state, second.result) == (State.SENT, DeliveryResult.NOTHING_TO_DO)
    assert len(post.relay.sends) == 1
    assert told(post) == [EventName.EMAIL_SENT]


def test_the_content_of_a_sent_message_is_deleted() -> None:
    post = office()
    accepted = post.accept(DRAFT)
    post.deliver(accepted)

    assert post.drafts.get(ACME, accepted.id) is None


def test_an_unknown_message_is_not_found() -> None:
    post = office()
    accepted = post.accept(DRAFT)

    assert post.deliver(replace(accepted, id="f" * 32)).result is DeliveryResult.NOT_FOUND


def test_TI10_another_project_s_message_is_not_found() -> None:
    post = office()
    accepted = post.accept(DRAFT)

    assert post.deliver(replace(accepted, project_id=None)).result is DeliveryResult.NOT_FOUND


def test_what_the_platform_sends_leaves_by_the_server() -> None:
    post = office()
    delivered = post.deliver(post.accept(DRAFT, None))

    assert delivered.record is not None
    assert (delivered.record.state, delivered.record.transport) == (State.SENT, "server-ses")
    assert (len(post.server.requests), post.relay.sends, post.secrets.reads) == (1, [], [])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fakes.secret(entries(smtpPort="mail")), Reason.PROJECT_SMTP_INVALID),
        (SecretUnavailable(Unavailability.TIMEOUT), Reason.SECRETS_UNAVAILABLE),
        (fakes.secret(entries(smtpFromPolicy="reject")), Reason.SENDER_NOT_APPROVED),
    ],
)
def test_a_message_without_a_usable_configuration_is_held_and_touches_nothing(
    answer: SecretAnswer, reason: Reason
) -> None:
    post = office(answer)
    delivered = post.deliver(post.accept(replace(DRAFT, sender=parse_mailbox("eve@elsewhere.example"))))

    assert delivered.record is not None
    assert (delivered.record.state, delivered.record.reason) == (State.HELD, reason.value)
    assert (post.relay.sends, post.server.requests) == ([], [])
    assert told(post) == [EventName.EMAIL_HELD]


def test_a_held_message_that_is_held_again_publishes_no_second_event() -> None:
    post = office(fakes.secret(entries(smtpPort="mail")))
    accepted = post.accept(DRAFT)
    post.deliver(accepted)
    for _ in range(3):
        post.advance(4000)
        assert post.tick().queued == 1
        post.deliver(accepted)

    assert post.known(accepted).state is State.HELD
    assert told(post) == [EventName.EMAIL_HELD]


def test_a_held_message_leaves_when_its_configuration_is_corrected_even_without_an_event() -> None:
    post = office(fakes.secret(entries(smtpPort="mail")))
    accepted = post.accept(DRAFT)
    post.deliver(accepted)
    post.secrets.answers[ACME] = fakes.secret(entries())
    post.advance(4000)
    post.tick()
    post.deliver(accepted)

    assert post.known(accepted).state is State.SENT


def test_QD8_an_expired_message_is_not_sent_and_publishes_its_event() -> None:
    post = office()
    accepted = post.accept(DRAFT, valid_until=NOW.timestamp() + 60)
    post.advance(60)
    delivered = post.deliver(accepted)

    assert delivered.record is not None
    assert delivered.record.state is State.EXPIRED
    assert post.relay.sends == []
    assert told(post) == [EventName.EMAIL_EXPIRED]


def test_a_held_message_expires_by_the_sweep() -> None:
    post = office(fakes.secret("{broken"))
    accepted = post.accept(DRAFT)
    post.deliver(accepted)
    post.advance(MAX_AGE_SECONDS)
    round_ = post.tick()

    assert [record.state for record in round_.settled] == [State.EXPIRED]
    assert told(post) == [EventName.EMAIL_HELD, EventName.EMAIL_EXPIRED]


def test_HR20_greylisting_is_waited_out_at_the_same_relay() -> None:
    post = office()
    post.relay.attempts = [Attempt({DRAFT.to[0].address: GREYLISTED})]
    accepted = post.accept(DRAFT)
    post.deliver(accepted)

    assert post.known(accepted).state is State.DEFERRED
    assert post.deliver(accepted).result is DeliveryResult.NOTHING_TO_DO
    post.advance(60)
    post.tick()
    post.deliver(accepted)

    assert post.known(accepted).state is State.SENT
    assert len(post.relay.sends) == 2


def test_DU16_all_attempts_have_the_same_octets_and_message_id() -> None:
    post = office()
    post.relay.attempts = [Attempt({DRAFT.to[0].address: GREYLISTED})] * 3
    accepted = post.accept(DRAFT)
    for _ in range(4):
        post.deliver(accepted)
        post.advance(7200)
        post.tick()

    assert len(post.relay.sends) == 4
    assert len({(send.message.as_bytes(), send.message.message_id) for send in post.relay.sends}) == 1


def test_HR21_only_deferred_recipients_are_served_again() -> None:
    ada, bob = (mailbox.address for mailbox in (*BOTH.to, *BOTH.cc))
    post = office()
    post.relay.attempts = [Attempt({ada: fakes.ACCEPTED, bob: GREYLISTED})]
    accepted = post.accept(BOTH)
    post.deliver(accepted)
    post.advance(60)
    post.tick()
    post.deliver(accepted)

    assert [send.message.recipients for send in post.relay.sends] == [(ada, bob), (bob,)]
    assert post.known(accepted).state is State.SENT


def test_an_unknown_outcome_is_never_tried_again_under_hold() -> None:
    post = office(verdict=LOST)
    accepted = post.accept(DRAFT)
    post.deliver(accepted)
    post.advance(MAX_AGE_SECONDS / 2)
    post.tick()
    post.deliver(accepted)

    assert post.known(accepted).state is State.UNKNOWN
    assert len(post.relay.sends) == 1


def test_P5_an_unknown_outcome_is_repeated_once_with_the_same_octets_under_retry() -> None:
    post = office(verdict=LOST)
    accepted = post.accept(DRAFT, on_unknown=OnUnknown.RETRY)
    for _ in range(5):
        post.deliver(accepted)
        post.advance(600)
        post.tick()

    first, second = (send.message for send in post.relay.sends)
    assert (first.as_bytes(), first.message_id) == (second.as_bytes(), second.message_id)
    assert post.known(accepted).is_final


@pytest.mark.parametrize("answer", [fakes.secret(entries(smtpHost="other.acme.example")), SecretAbsent()])
def test_DU11_after_an_unknown_outcome_no_other_transport_is_asked(answer: SecretAnswer) -> None:
    post = office(verdict=LOST)
    accepted = post.accept(DRAFT, on_unknown=OnUnknown.RETRY)
    post.deliver(accepted)
    post.secrets.answers[ACME] = answer
    post.advance(600)
    post.tick()
    post.deliver(accepted)

    known = post.known(accepted)
    assert (known.state, known.is_final, known.reason) == (State.UNKNOWN, True, Reason.TRANSPORT_CHANGED)
    assert (len(post.relay.sends), post.server.requests) == (1, [])


def test_FC15_after_a_deferral_the_project_s_new_choice_counts() -> None:
    post = office(verdict=GREYLISTED)
    accepted = post.accept(DRAFT)
    post.deliver(accepted)
    post.secrets.answers[ACME] = SecretAbsent()
    post.advance(600)
    post.tick()
    post.deliver(accepted)

    assert post.known(accepted).state is State.SENT
    assert len(post.server.requests) == 1


def test_rejected_credentials_hold_the_message() -> None:
    post = office(verdict=AUTH_REJECTED)
    accepted = post.accept(DRAFT)
    post.deliver(accepted)

    assert (post.known(accepted).state, post.known(accepted).reason) == (State.HELD, "relay-auth-rejected")
    assert post.server.requests == []


def test_credentials_asked_for_after_the_mark_are_read_again_and_the_message_leaves_once() -> None:
    late = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.FINAL, Cause.REPLY, Reply(530)))
    post = office()
    post.secrets.refreshed[ACME] = fakes.secret(entries(smtpPassword="new"), "version-2")
    post.relay.attempts = [Attempt.uniform((DRAFT.to[0].address,), late)]
    accepted = post.accept(DRAFT)
    post.deliver(accepted)

    assert post.known(accepted).state is State.SENT
    assert [each.version_id for each in post.known(accepted).attempts] == ["version-2"]


@pytest.mark.parametrize("host", ["smtp.elsewhere.example", None])
def test_DU11_new_credentials_lead_nowhere_else_after_an_unknown_outcome(host: str | None) -> None:
    post = office()
    post.relay.attempts = [Attempt.uniform((DRAFT.to[0].address,), verdict) for verdict in (LOST, AUTH_REJECTED)]
    renewed = entries(smtpPassword="new") if host is None else entries(smtpHost=host, smtpPassword="new")
    accepted = post.accept(DRAFT, on_unknown=OnUnknown.RETRY)
    post.deliver(accepted)
    post.secrets.refreshed[ACME] = fakes.secret(renewed, "version-2")
    post.advance(600)
    post.deliver(accepted)

    asked = [sent.relay.host for sent in post.relay.sends]
    assert asked == ["mail.acme.example"] * (3 if host is None else 2)


def test_AV7_without_the_ledger_nothing_leaves() -> None:
    post = office()
    accepted = post.accept(DRAFT)
    post.ledger.failing = True
    with pytest.raises(LedgerUnavailable):
        post.deliver(accepted)

    assert post.relay.sends == []


def test_DU4_a_message_whose_outcome_could_not_be_written_is_unknown_and_not_sent_again() -> None:
    post = office()
    accepted = post.accept(DRAFT)

    def fail_after_the_send(point: str) -> None:
        if point == "before ledger.replace" and post.relay.sends:
            raise LedgerUnavailable

    post.ledger.failpoint = fail_after_the_send
    with pytest.raises(LedgerUnavailable):
        post.deliver(accepted)
    post.ledger.failpoint = lambda _point: None
    post.advance(LEASE_SECONDS)
    post.tick()
    post.deliver(accepted)

    assert post.known(accepted).state is State.UNKNOWN
    assert len(post.relay.sends) == 1


def test_DU3_a_claim_whose_worker_died_is_taken_again() -> None:
    post = office()
    accepted = post.accept(DRAFT)
    post.ledger.replace(claim(accepted, now=post.seconds, lease_until=post.seconds + LEASE_SECONDS))

    assert post.deliver(accepted).result is DeliveryResult.NOTHING_TO_DO
    post.advance(LEASE_SECONDS)
    assert post.tick().queued == 1
    post.deliver(accepted)

    assert post.known(accepted).state is State.SENT


def test_a_message_whose_mark_cannot_be_written_does_not_leave() -> None:
    post = office()
    accepted = post.accept(DRAFT)
    marks = 0

    def fail_the_mark(point: str) -> None:
        nonlocal marks
        if point == "before ledger.replace":
            marks += 1
            if marks == 2:
                raise LedgerUnavailable

    post.ledger.failpoint = fail_the_mark
    with pytest.raises(LedgerUnavailable):
        post.deliver(accepted)

    assert post.relay.sends == []
    assert post.known(accepted).state is State.CLAIMED


def test_a_message_whose_content_is_gone_has_failed() -> None:
    post = office()
    accepted = post.accept(DRAFT)
    post.drafts.delete(ACME, accepted.id)
    post.deliver(accepted)

    assert (post.known(accepted).state, post.known(accepted).reason) == (State.FAILED, Reason.CONTENT_MISSING)


def test_an_unavailable_content_postpones_the_message() -> None:
    post = office()
    accepted = post.accept(DRAFT)
    post.drafts.failing = True
    post.deliver(accepted)

    assert (post.known(accepted).state, post.known(accepted).attempts) == (State.DEFERRED, ())


def test_a_deferred_API_send_continues_from_the_queue() -> None:
    post = office()
    post.relay.attempts = [Attempt({DRAFT.to[0].address: GREYLISTED})]
    report = post.send(DRAFT)
    assert not isinstance(report, Record)
    (record,) = post.ledger.records
    post.advance(60)
    post.tick()
    post.deliver(record)

    assert post.known(record).state is State.SENT
    first, second = post.relay.sends
    assert first.message.as_bytes() == second.message.as_bytes()
