"""The relay gate of a synchronous send: it is the gate of the queue, too."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

import pytest
from mailer.errors import LedgerUnavailable, RelayMisconfigured, RelayPaused, RelayUnreachable
from mailer.ledger.breaker import FAILURES_TO_OPEN, MAX_SLOTS, SLOTS_FOR_CALLERS, SlotRequest
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.relay.relay import PasswordAuth, Relay, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretPresent
from mailer.service.sending.accept_emails import Accepted
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Attempt, Cause, Deferred, Failure, Phase, RelayError, RelayFault, Verdict
from mailer.smtp.reply import Reply

from tests import fakes
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))
KEY = KeyUse("digest", "fingerprint", 2e9)


def make_service(*, verdict: Verdict = fakes.ACCEPTED) -> MemoryService:
    return MemoryService(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


def fill_slots(service: MemoryService, slots: int = MAX_SLOTS) -> None:
    for number in range(slots):
        request = SlotRequest("version-1", f"w{number}", service.seconds + 100)
        assert service.ledger.take_slot(ACME, "smtp", request, now=service.seconds) is None


def open_breaker(service: MemoryService) -> None:
    """Fail so often that the breaker opens."""
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises((RelayMisconfigured, RelayUnreachable)):
            service.send(DRAFT)


def paused(service: MemoryService, *, key: KeyUse | None = None) -> RelayPaused:
    with pytest.raises(RelayPaused) as caught:
        service.send(DRAFT, key=key)
    return caught.value


def test_fifty_sends_to_a_relay_that_rejects_the_password_are_five_logins() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    for _ in range(50):
        with pytest.raises((RelayMisconfigured, RelayPaused)):
            service.send(DRAFT)

    assert len(service.relay.sends) == FAILURES_TO_OPEN


def test_a_send_during_the_pause_leaves_no_attempt_and_no_record() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    open_breaker(service)
    records = service.ledger.records

    error = paused(service, key=KEY)

    assert (error.code, error.retryable, error.retry_after) == ("relay-unreachable", True, 60)
    assert [problem.code for problem in error.problems] == ["relay-auth-rejected"]
    assert service.ledger.records == records
    assert service.ledger.find_key(ACME, KEY.digest, now=service.seconds) is None


def test_a_send_after_the_pause_closes_the_breaker() -> None:
    service = make_service(verdict=UNREACHABLE)
    open_breaker(service)
    service.relay.verdict = fakes.ACCEPTED
    service.advance(60)

    for _ in range(2):
        sent = service.send(DRAFT)
        assert isinstance(sent, SendReport)
        assert sent.status is State.SENT


def test_a_rejected_password_counts_from_callers_and_workers_together() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    for _ in range(3):
        service.deliver(service.accept(DRAFT))
        with pytest.raises((RelayMisconfigured, RelayPaused)):
            service.send(DRAFT)

    assert len(service.relay.sends) == FAILURES_TO_OPEN
    paused(service)


def test_a_new_version_of_the_secret_is_tried_at_once() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    open_breaker(service)
    service.relay.verdict = fakes.ACCEPTED
    service.secrets.answers[ACME] = SecretPresent(fakes.secret(entries()).text, "version-2")

    assert isinstance(service.send(DRAFT), SendReport)


def test_a_rejected_password_of_a_newer_version_counts_for_that_version() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    service.secrets.refreshed[ACME] = SecretPresent(fakes.secret(entries()).text, "version-2")
    with pytest.raises(RelayMisconfigured):
        service.send(DRAFT)

    breaker = service.ledger.breaker(ACME, "smtp")
    assert (len(service.relay.sends), breaker.version_id, breaker.failures, breaker.leases) == (2, "version-2", 1, ())


@pytest.mark.parametrize("verdict", [fakes.ACCEPTED, UNREACHABLE])
def test_a_send_leaves_its_slot(verdict: Verdict) -> None:
    service = make_service(verdict=verdict)
    for _ in range(2):
        with suppress(RelayUnreachable):
            service.send(DRAFT)

    assert service.ledger.breaker(ACME, "smtp").leases == ()


def test_a_send_leaves_its_slot_if_the_message_cannot_be_recorded() -> None:
    service = make_service()

    def fail(point: str) -> None:
        if point == "before ledger.insert":
            raise LedgerUnavailable

    service.ledger.failpoint = fail
    with pytest.raises(LedgerUnavailable):
        service.send(DRAFT)

    assert service.ledger.breaker(ACME, "smtp").leases == ()


def test_a_send_waits_in_the_queue_if_no_slot_is_free() -> None:
    service = make_service()
    fill_slots(service, SLOTS_FOR_CALLERS)

    accepted = service.send(DRAFT, key=KEY)

    assert isinstance(accepted, Accepted)
    assert (accepted.is_requested, service.relay.sends) == (False, [])
    (record,) = service.ledger.records
    assert (record.id, record.state, record.has_content) == (accepted.id, State.QUEUED, True)
    service.deliver(record)
    assert service.known(record).state is State.SENT


def test_a_slow_relay_never_gets_more_messages_at_a_time_than_it_has_slots() -> None:
    service = make_service()
    most = 0

    class Slow(fakes.FakeRelayTransport):
        """While a message is sent, the next one comes."""

        running = 0

        def send(self, *arguments: object, **options: object) -> Attempt:
            nonlocal most
            self.running += 1
            most = max(most, self.running)
            if len(service.ledger.records) < 20:
                service.send(DRAFT)
            self.running -= 1
            return super().send(*arguments, **options)  # type: ignore[arg-type]

    service.relay = Slow()
    for _ in range(20):
        service.send(DRAFT)

    assert most == SLOTS_FOR_CALLERS
    assert {record.state for record in service.ledger.records} == {State.SENT, State.QUEUED}


def override(password: str = "wrong", username: str = "me") -> Relay:
    return Relay("mail.other.example", 587, TlsMode.STARTTLS, PasswordAuth(username, SecretStr(password)))


def test_rejected_passwords_of_an_override_count_for_its_relay_and_user() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    draft = Draft(sender=parse_mailbox("me@other.example"), to=DRAFT.to, subject="Hello", text="Hi\n")
    for number in range(50):
        with pytest.raises((RelayMisconfigured, RelayPaused)):
            service.send(draft, override=override(f"password {number}"))
    assert len(service.relay.sends) == FAILURES_TO_OPEN

    service.relay.verdict = fakes.ACCEPTED
    assert isinstance(service.send(draft, override=override(username="you")), SendReport)
    assert isinstance(service.send(DRAFT), SendReport)


def test_fifty_sends_at_the_same_time_are_few_logins() -> None:
    service = make_service(verdict=AUTH_REJECTED)
    service.new_id = lambda: uuid4().hex

    def send(_: int) -> str:
        try:
            return type(service.send(DRAFT)).__name__
        except (RelayMisconfigured, RelayPaused) as error:
            return type(error).__name__

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(send, range(50)))

    # While the fifth failure is on its way, the other slots may be in use.
    assert FAILURES_TO_OPEN <= len(service.relay.sends) < FAILURES_TO_OPEN + SLOTS_FOR_CALLERS
    assert outcomes["RelayMisconfigured"] == len(service.relay.sends)
