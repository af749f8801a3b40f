"""The relay gate in front of a project's relay: five workers at a time, and none while the breaker is open."""

import pytest
from mailer.ledger import breaker
from mailer.ledger.lifecycle import Reason
from mailer.ledger.record import State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.secret.resolution import SecretPresent
from mailer.service.sending.deliver_email import DeliveryResult
from mailer.smtp.outcome import Attempt, Cause, Deferred, Failure, Phase, RelayError, RelayFault, Verdict
from mailer.smtp.reply import Reply

from tests import fakes
from tests.ledger_fakes import no_failpoint
from tests.support.post_office import PostOffice
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))


def office(*, verdict: Verdict = fakes.ACCEPTED) -> PostOffice:
    return PostOffice(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


def test_AV2_waiting_behind_an_open_breaker_counts_no_attempt() -> None:
    post = office(verdict=AUTH_REJECTED)
    accepted = [post.accept(DRAFT) for _ in range(breaker.FAILURES_TO_OPEN + 3)]
    for each in accepted:
        post.deliver(each)

    assert len(post.relay.sends) == breaker.FAILURES_TO_OPEN
    last = post.known(accepted[-1])
    assert (last.state, last.reason, last.attempts) == (State.HELD, Reason.RELAY_PAUSED, ())


def test_AV2_a_new_version_of_the_secret_is_tried_at_once() -> None:
    post = office(verdict=UNREACHABLE)
    for _ in range(breaker.FAILURES_TO_OPEN):
        post.deliver(post.accept(DRAFT))
    post.relay.verdict = fakes.ACCEPTED
    post.secrets.answers[ACME] = SecretPresent(fakes.secret(entries()).text, "version-2")
    accepted = post.accept(DRAFT)
    post.deliver(accepted)

    assert post.known(accepted).state is State.SENT


def test_AV1_a_sixth_message_for_a_relay_waits_in_the_queue() -> None:
    post = office()
    busy = breaker.BreakerState(version_id="version-1")
    for number in range(breaker.MAX_WORKERS):
        entered = breaker.admit(
            busy, version_id="version-1", token=f"w{number}", now=post.seconds, until=post.seconds + 100
        )
        assert isinstance(entered, breaker.Admitted)
        busy = entered.state
    post.ledger.save_breaker(ACME, "smtp", busy)
    accepted = post.accept(DRAFT)
    post.deliver(accepted)

    assert (post.known(accepted).state, post.relay.sends) == (State.QUEUED, [])
    assert post.queue.sends[-1].delay_seconds > 0


def test_a_second_worker_for_a_waiting_message_does_nothing() -> None:
    post = office()
    busy = tuple(breaker.WorkerLease(f"w{number}", post.seconds + 100) for number in range(breaker.MAX_WORKERS))
    post.ledger.save_breaker(ACME, "smtp", breaker.BreakerState(version_id="version-1", leases=busy))
    post.chance = 0.5
    accepted = post.accept(DRAFT)
    post.deliver(accepted)
    calls = len(post.queue.sends)
    post.deliver(accepted)

    assert len(post.queue.sends) == calls


def test_a_worker_without_an_attempt_does_not_count_for_the_breaker() -> None:
    post = office()
    post.ledger.save_breaker(ACME, "smtp", breaker.BreakerState(version_id="version-1", failures=4))
    accepted = post.accept(DRAFT)

    def overtake(point: str) -> None:
        if point == "after ledger.save_breaker":
            post.ledger.failpoint = no_failpoint
            post.ledger.replace(post.known(accepted))

    post.ledger.failpoint = overtake
    delivered = post.deliver(accepted)

    assert delivered.result is DeliveryResult.TAKEN_BY_ANOTHER
    known = post.ledger.breaker(ACME, "smtp")
    assert (known.failures, known.leases) == (4, ())


def test_a_worker_slot_is_freed_after_any_exception() -> None:
    post = office()

    class Broken(fakes.FakeRelayTransport):
        def send(self, *_: object, **__: object) -> Attempt:
            raise ZeroDivisionError

    post.relay = Broken()
    with pytest.raises(ZeroDivisionError):
        post.deliver(post.accept(DRAFT))

    assert post.ledger.breaker(ACME, "smtp").leases == ()
