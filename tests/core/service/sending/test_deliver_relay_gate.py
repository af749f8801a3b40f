"""The relay gate: at most five workers at a time, and no worker while the breaker is open."""

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
from mailer.smtp.verdict import refusal

from tests import fakes
from tests.project_fakes import no_failpoint
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))


def make_service(*, verdict: Verdict = fakes.ACCEPTED) -> MemoryService:
    return MemoryService(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


def test_AV2_a_message_held_by_an_open_breaker_counts_no_attempt() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    accepted = [service.accept(DRAFT) for _ in range(breaker.FAILURES_TO_OPEN + 3)]
    for each in accepted:
        service.deliver(each)

    assert len(service.relay.sends) == breaker.FAILURES_TO_OPEN
    last = service.known(accepted[-1])
    assert (last.state, last.reason, last.attempts) == (State.HELD, Reason.RELAY_PAUSED, ())


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.FINAL])
def test_refused_messages_do_not_open_the_breaker(phase: Phase) -> None:
    service = make_service(verdict=refusal(phase, Reply(534, "SIZE=Message too big.")))
    for _ in range(breaker.FAILURES_TO_OPEN):
        service.deliver(service.accept(DRAFT))
    service.relay.verdict = fakes.ACCEPTED
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT


BUSY = Deferred(Failure(Phase.GREETING, Cause.TOO_MANY_CONNECTIONS, Reply(421)))


def test_a_busy_relay_is_asked_again_within_seconds() -> None:
    service = make_service(verdict=BUSY)
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    waiting = service.known(accepted)

    assert waiting.state is State.DEFERRED
    assert waiting.due_at is not None
    delay = service.queue.sends[-1].delay_seconds
    assert 0 < waiting.due_at - service.seconds <= delay <= 8

    service.relay.verdict = fakes.ACCEPTED
    service.advance(delay)
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT


def test_a_busy_relay_opens_no_breaker_and_gets_fewer_slots() -> None:
    service = make_service(verdict=BUSY)
    for _ in range(2 * breaker.FAILURES_TO_OPEN):
        service.deliver(service.accept(DRAFT))
    state = service.ledger.breaker(ACME, "smtp")

    assert (state.failures, state.slots(service.seconds)) == (0, 1)
    assert {each.state for each in service.ledger.records} == {State.DEFERRED}

    service.relay.verdict = fakes.ACCEPTED
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT


def test_AV2_a_new_version_of_the_secret_is_tried_at_once() -> None:
    service = make_service(verdict=UNREACHABLE)
    for _ in range(breaker.FAILURES_TO_OPEN):
        service.deliver(service.accept(DRAFT))
    service.relay.verdict = fakes.ACCEPTED
    service.secrets.answers[ACME] = SecretPresent(fakes.secret(entries()).text, "version-2")
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert service.known(accepted).state is State.SENT


def fill_slots(service: MemoryService, slots: int = breaker.MAX_SLOTS, provider_id: str = "smtp") -> None:
    """Let other workers take slots."""
    for number in range(slots):
        request = breaker.SlotRequest("version-1", f"w{number}", service.seconds + 100)
        assert service.ledger.take_slot(ACME, provider_id, request, now=service.seconds) is None


def test_AV1_a_sixth_message_for_a_relay_waits_in_the_queue() -> None:
    service = make_service()
    fill_slots(service)
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert (service.known(accepted).state, service.relay.sends) == (State.QUEUED, [])
    assert service.queue.sends[-1].delay_seconds > 0


def test_a_second_worker_for_a_waiting_message_does_nothing() -> None:
    service = make_service()
    fill_slots(service)
    service.chance = 0.5
    accepted = service.accept(DRAFT)
    service.deliver(accepted)
    calls = len(service.queue.sends)
    service.deliver(accepted)

    assert len(service.queue.sends) == calls


def test_a_worker_without_an_attempt_does_not_change_the_breaker() -> None:
    service = make_service()
    service.ledger.set_breaker(ACME, "smtp", breaker.BreakerState(version_id="version-1", failures=4))
    accepted = service.accept(DRAFT)

    def overtake(point: str) -> None:
        if point == "after ledger.take_slot":
            service.ledger.failpoint = no_failpoint
            service.ledger.replace(service.known(accepted))

    service.ledger.failpoint = overtake
    delivered = service.deliver(accepted)

    assert delivered.result is DeliveryResult.TAKEN_BY_ANOTHER
    known = service.ledger.breaker(ACME, "smtp")
    assert (known.failures, known.leases) == (4, ())


def test_a_slot_is_freed_after_any_exception() -> None:
    service = make_service()

    class Broken(fakes.FakeRelayTransport):
        def send(self, *_: object, **__: object) -> Attempt:
            raise ZeroDivisionError

    service.relay = Broken()
    with pytest.raises(ZeroDivisionError):
        service.deliver(service.accept(DRAFT))

    assert service.ledger.breaker(ACME, "smtp").leases == ()
