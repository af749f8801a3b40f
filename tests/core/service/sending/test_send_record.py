"""Sending while the caller waits, as the ledger sees it: written down, marked, settled; named once by a key."""

import pytest
from mailer.errors import KeyInFlight, KeyReused, LedgerUnavailable, MailerError
from mailer.ledger.event import EventName
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import AttemptResult, OnUnknown, Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.service.sending.send_email import Replayed, Resumed, SendReport
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
DEFERRED = Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450)))
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))
REFUSED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))


def office(verdict: Verdict = fakes.ACCEPTED) -> PostOffice:
    return PostOffice(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


def key(body: str = "body") -> KeyUse:
    return KeyUse("digest", body, NOW.timestamp() + 86400)


def only(post: PostOffice) -> Record:
    (record,) = post.ledger.records
    return record


def test_the_record_says_what_the_answer_says() -> None:
    post = office()
    report = post.send(DRAFT)

    assert isinstance(report, SendReport)
    record = only(post)
    assert (record.id, record.state, record.message_id) == (report.id, State.SENT, report.message_id)
    assert [(each.transport, each.version_id, each.result) for each in record.attempts] == [
        ("project-smtp", "version-1", AttemptResult.ACCEPTED)
    ]
    assert post.events.names == [EventName.EMAIL_SENT]


def test_the_record_is_claimed_before_the_attempt_and_marked_before_the_end() -> None:
    post = office()
    states: list[State] = []

    class Watching(fakes.FakeRelayTransport):
        def send(self, *args: object, **named: object) -> object:  # type: ignore[override]
            states.append(only(post).state)
            attempt = super().send(*args, **named)  # type: ignore[arg-type]
            states.append(only(post).state)
            return attempt

    post.relay = Watching()
    post.send(DRAFT)

    assert states == [State.CLAIMED, State.SENDING]


def test_AV7_without_the_ledger_nothing_is_sent() -> None:
    post = office()
    post.ledger.failing = True
    with pytest.raises(LedgerUnavailable):
        post.send(DRAFT)

    assert post.relay.sends == []


def test_an_outcome_that_cannot_be_written_is_told_all_the_same() -> None:
    post = office()

    def fail_after_the_send(point: str) -> None:
        if post.relay.sends and point.startswith("before ledger"):
            raise LedgerUnavailable

    post.ledger.failpoint = fail_after_the_send
    report = post.send(DRAFT)

    assert isinstance(report, SendReport)
    assert report.status is State.SENT
    assert only(post).state is State.SENDING


def test_a_deferred_message_is_kept_and_answered_as_deferred() -> None:
    post = office(DEFERRED)
    report = post.send(DRAFT)

    assert isinstance(report, SendReport)
    assert (report.status, only(post).has_content) == (State.DEFERRED, True)
    assert post.drafts.get(ACME, report.id) is not None


def test_a_deferred_message_that_cannot_be_kept_is_the_caller_s_to_repeat() -> None:
    post = office(DEFERRED)
    post.drafts.failing = True
    with pytest.raises(MailerError) as caught:
        post.send(DRAFT)

    assert (caught.value.code, caught.value.retryable, only(post).state) == ("relay-deferred", True, State.FAILED)


def test_a_deferral_that_cannot_be_written_down_is_no_promise() -> None:
    post = office(DEFERRED)

    def fail(point: str) -> None:
        if point == "before ledger.replace":
            raise LedgerUnavailable

    post.ledger.failpoint = fail

    with pytest.raises(LedgerUnavailable):
        post.send(DRAFT)
    assert post.events.names == []


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [((fakes.ACCEPTED, DEFERRED), State.PARTIALLY_SENT), ((LOST, DEFERRED), State.UNKNOWN), ((LOST,), State.UNKNOWN)],
)
def test_an_unrecorded_outcome_promises_no_retry(verdicts: list[Verdict], status: State) -> None:
    post = office()
    to = tuple(parse_mailbox(f"{number}@example.net") for number in range(len(verdicts)))
    addresses = [mailbox.address for mailbox in to]
    post.relay.attempts = [Attempt(dict(zip(addresses, verdicts, strict=True)))]

    def fail_after_the_send(point: str) -> None:
        if post.relay.sends and point.startswith("before ledger"):
            raise LedgerUnavailable

    post.ledger.failpoint = fail_after_the_send
    report = post.send(Draft(to=to, subject="Hello", text="Hi\n"), on_unknown=OnUnknown.RETRY)

    assert isinstance(report, SendReport)
    assert (report.status, report.record.due_at) == (status, None)


def test_a_relay_that_cannot_be_reached_is_the_caller_s_to_hear_of() -> None:
    post = office(UNREACHABLE)
    with pytest.raises(MailerError) as caught:
        post.send(DRAFT)

    assert (caught.value.code, only(post).state, only(post).reason) == (
        "relay-unreachable",
        State.FAILED,
        "relay-unreachable",
    )


def test_an_unknown_outcome_keeps_its_content_only_where_it_will_be_repeated() -> None:
    held, repeated = office(LOST), office(LOST)
    held.send(DRAFT)
    repeated.send(DRAFT, on_unknown=OnUnknown.RETRY)

    assert (only(held).is_final, only(held).has_content) == (True, False)
    assert (only(repeated).is_final, only(repeated).has_content) == (False, True)


def test_DU7_the_same_request_is_answered_again_and_sent_once() -> None:
    post = office()
    post.send(DRAFT, key=key())
    again = post.send(DRAFT, key=key())

    assert isinstance(again, Replayed)
    assert (again.answer.body, len(post.relay.sends)) == ("sent", 1)


def test_DU7_a_replay_does_not_depend_on_the_configuration_of_today() -> None:
    post = office()
    post.send(DRAFT, key=key())
    post.secrets.answers[ACME] = fakes.secret("{broken")

    assert isinstance(post.send(DRAFT, key=key()), Replayed)


def test_DU7_another_request_under_the_same_key_is_refused() -> None:
    post = office()
    post.send(DRAFT, key=key())
    with pytest.raises(KeyReused):
        post.send(DRAFT, key=key("another body"))


def test_DU7_a_request_in_flight_is_waited_for() -> None:
    post = office()
    seen: list[type[MailerError]] = []

    class Twin(fakes.FakeRelayTransport):
        def send(self, *args: object, **named: object) -> object:  # type: ignore[override]
            with pytest.raises(KeyInFlight) as caught:
                post.send(DRAFT, key=key())
            seen.append(caught.type)
            return super().send(*args, **named)  # type: ignore[arg-type]

    post.relay = Twin()
    post.send(DRAFT, key=key())

    assert seen == [KeyInFlight]
    assert len(post.relay.sends) == 1


def test_DU7_what_failed_for_good_is_replayed() -> None:
    post = office(REFUSED)
    with pytest.raises(MailerError):
        post.send(DRAFT, key=key())
    again = post.send(DRAFT, key=key())

    assert isinstance(again, Replayed)
    assert (again.answer.body, len(post.relay.sends)) == ("recipients-rejected", 1)


def test_DU7_what_may_be_repeated_frees_its_key() -> None:
    post = office(UNREACHABLE)
    with pytest.raises(MailerError):
        post.send(DRAFT, key=key())
    post.relay.verdict = fakes.ACCEPTED

    assert isinstance(post.send(DRAFT, key=key()), SendReport)


def test_DU7_a_refused_request_stores_nothing() -> None:
    post = office()
    post.secrets.answers[ACME] = fakes.secret("{broken")
    with pytest.raises(MailerError):
        post.send(DRAFT, key=key())

    assert post.ledger.records == ()
    assert post.ledger.find_key(ACME, "digest", now=NOW.timestamp()) is None


def crash(post: PostOffice, at: str, number: int) -> None:
    """Kill the worker at the n-th pass of a failpoint."""
    passed = 0

    class Killed(BaseException):
        pass

    def kill(point: str) -> None:
        nonlocal passed
        passed += point == at
        if passed == number:
            raise Killed

    post.ledger.failpoint = kill
    with pytest.raises(Killed):
        post.send(DRAFT, key=key())
    post.ledger.failpoint = lambda _point: None


def test_DU3_a_request_whose_worker_died_before_the_end_may_be_made_again_with_its_key() -> None:
    post = office()
    crash(post, "after ledger.insert", 1)
    with pytest.raises(KeyInFlight):
        post.send(DRAFT, key=key())
    post.advance(LEASE_SECONDS)

    assert isinstance(post.send(DRAFT, key=key()), SendReport)
    assert len(post.relay.sends) == 1
    assert sorted(record.state for record in post.ledger.records) == [State.FAILED, State.SENT]


def test_DU3_a_request_whose_worker_died_after_the_mark_is_unknown_and_never_made_again() -> None:
    post = office()
    crash(post, "after ledger.replace", 1)
    post.advance(LEASE_SECONDS)
    again = post.send(DRAFT, key=key())

    assert isinstance(again, Resumed)
    assert again.record.state is State.UNKNOWN
    assert post.relay.sends == []


def test_TI9_the_same_key_in_another_project_is_another_key() -> None:
    post = office()
    post.send(DRAFT, key=key())
    other = type(ACME)("other")

    assert isinstance(post.send(DRAFT, other, key=key("another body")), SendReport)
