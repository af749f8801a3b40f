"""A provider that is passed over is in the record, the answer, the events and the metrics; a busy one is waited for."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from mailer.api.emails.history import email_view
from mailer.api.emails.responses import result_view
from mailer.errors import RelayMisconfigured, RelayPaused
from mailer.ledger.breaker import FAILURES_TO_OPEN, MAX_SLOTS, SlotRequest
from mailer.ledger.recipients import pass_over
from mailer.ledger.record import PassedOver, PassReason, Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.observation.delivery import observe_delivery
from mailer.observation.metrics import Metric
from mailer.observation.sending import observe_error, observe_report
from mailer.service.sending.accept_emails import Accepted
from mailer.service.sending.relay_gate import PATIENT_WAITS
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, RelayError, RelayFault, Verdict
from mailer.smtp.reply import Reply

from tests import fakes
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
BUSY = Deferred(Failure(Phase.GREETING, Cause.TOO_MANY_CONNECTIONS, Reply(421)))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))
SENDGRID = [
    {"id": "api", "provider": "sendgrid", "name": "API", "enabled": True, "priority": 1, "config": {"apiKey": "SG.key"}}
]


def make_service(verdict: Verdict = fakes.ACCEPTED, **secret: str) -> MemoryService:
    """Make a project with two providers: a relay, then SendGrid."""
    service = MemoryService(relay=fakes.FakeRelayTransport(verdict=verdict))
    service.secrets.answers[ACME] = fakes.secret(entries(emailProviders=json.dumps(SENDGRID), **secret))
    return service


def fill_slots(service: MemoryService, provider_id: str = "smtp") -> None:
    for number in range(MAX_SLOTS):
        request = SlotRequest("version-1", f"w{number}", service.seconds + 9999)
        assert service.ledger.take_slot(ACME, provider_id, request, now=service.seconds) is None


def open_breaker(service: MemoryService) -> None:
    for _ in range(FAILURES_TO_OPEN):
        assert isinstance(service.send(DRAFT), SendReport)


def reasons(record: Record) -> list[tuple[str | None, PassReason]]:
    return [(each.provider, each.reason) for each in record.passed_over]


def last_event(service: MemoryService) -> Any:
    return service.events.events[-1].detail


PAUSED = [{"provider": "smtp", "result": "passed-over", "cause": "relay-paused", "code": None}]


def shown(failovers: Sequence[object]) -> list[dict[str, object]]:
    return [
        {name: getattr(each, name) for name in ("provider", "result", "cause", "code")}  # as JSON shows it
        for each in failovers
    ]


def test_a_paused_provider_is_in_the_answer_the_history_the_event_and_the_metrics() -> None:
    service = make_service(AUTH_REJECTED)
    open_breaker(service)

    report = service.send(DRAFT)

    assert isinstance(report, SendReport)
    assert (report.status, report.record.attempts[-1].provider, len(report.record.attempts)) == (State.SENT, "api", 1)
    result = result_view(report)
    assert shown(getattr(result, "failovers")) == PAUSED  # noqa: B009 -- only one of the results has it
    assert shown(email_view(service.known(report.record)).failovers or ()) == PAUSED
    assert last_event(service)["failovers"] == PAUSED
    assert observe_report(report).counts[Metric.FAILOVERS] == 1
    assert len(service.relay.sends) == FAILURES_TO_OPEN


def test_a_queued_message_records_the_paused_provider() -> None:
    service = make_service(AUTH_REJECTED)
    open_breaker(service)
    accepted = service.accept(DRAFT)
    delivered = service.deliver(accepted)

    assert reasons(service.known(accepted)) == [("smtp", PassReason.RELAY_PAUSED)]
    assert last_event(service)["failovers"] == PAUSED
    assert observe_delivery(delivered, project_id=ACME, id=accepted.id).counts[Metric.FAILOVERS] == 1


def test_a_provider_without_quota_is_passed_over() -> None:
    service = make_service(smtpDailyLimit="1")
    service.send(DRAFT)
    report = service.send(DRAFT)

    assert isinstance(report, SendReport)
    assert reasons(report.record) == [("smtp", PassReason.DAILY_LIMIT_REACHED)]
    assert last_event(service)["failovers"][0]["cause"] == "daily-limit-reached"


def test_a_provider_is_passed_over_after_another_one_failed() -> None:
    service = make_service(smtpDailyLimit="1")
    service.send(DRAFT)
    service.api.verdict = UNREACHABLE
    preferring = Draft(to=DRAFT.to, subject="Hello", text="Hi\n", preferred_provider="api")
    accepted = service.accept(preferring)
    service.deliver(accepted)

    assert reasons(service.known(accepted)) == [("smtp", PassReason.DAILY_LIMIT_REACHED)]


def test_an_error_after_a_passed_provider_names_it() -> None:
    service = make_service(AUTH_REJECTED)
    open_breaker(service)
    service.api.verdict = AUTH_REJECTED
    with pytest.raises(RelayMisconfigured) as caught:
        service.send(DRAFT)

    assert [getattr(each, "reason", None) for each in caught.value.failovers] == [PassReason.RELAY_PAUSED]
    assert observe_error(caught.value).counts[Metric.FAILOVERS] == 1


def test_if_every_provider_is_paused_the_error_names_those_before_the_last() -> None:
    service = make_service(AUTH_REJECTED)
    service.api.verdict = AUTH_REJECTED
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(RelayMisconfigured):
            service.send(DRAFT)
    with pytest.raises(RelayPaused) as caught:
        service.send(DRAFT)

    assert [each.provider for each in caught.value.failovers] == ["smtp"]


def test_a_send_waits_for_a_busy_provider_although_the_next_one_is_free() -> None:
    service = make_service()
    fill_slots(service)

    assert isinstance(service.send(DRAFT), Accepted)
    (record,) = service.ledger.records
    service.deliver(record)
    assert (service.known(record).state, service.known(record).passed_over) == (State.QUEUED, ())
    assert (service.relay.sends, service.api.sends) == ([], [])


def test_a_relay_that_takes_no_more_connections_is_waited_for() -> None:
    service = make_service(BUSY)
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    assert (service.known(accepted).is_final, service.api.sends) == (False, [])
    service.relay.verdict = fakes.ACCEPTED
    service.advance(30)
    service.deliver(accepted)
    assert (service.known(accepted).state, service.api.sends) == (State.SENT, [])


def test_a_provider_that_stays_busy_is_passed_over_in_the_end() -> None:
    service = make_service()
    fill_slots(service)
    service.chance = 0.5
    accepted = service.accept(DRAFT)
    for _ in range(PATIENT_WAITS):
        service.deliver(accepted)
        assert service.api.sends == []
        due_at = service.known(accepted).due_at
        assert due_at is not None
        service.seconds = due_at - 299
    service.deliver(accepted)

    known = service.known(accepted)
    assert (known.state, reasons(known)) == (State.SENT, [("smtp", PassReason.RELAY_BUSY)])


def test_a_relay_that_never_has_a_connection_left_does_not_stop_a_message_with_another_provider() -> None:
    service = make_service(BUSY)
    accepted = service.accept(DRAFT)
    for _ in range(PATIENT_WAITS + 2):
        service.advance(3600)
        service.deliver(accepted)

    assert service.known(accepted).state is State.SENT


def test_a_busy_next_provider_is_waited_for_too() -> None:
    service = make_service(UNREACHABLE)
    fill_slots(service, "api")
    accepted = service.accept(DRAFT)
    service.deliver(accepted)

    known = service.known(accepted)
    assert (known.state, known.passed_over, len(service.relay.sends)) == (State.DEFERRED, (), 1)


def test_a_record_keeps_the_latest_passed_providers() -> None:
    record = make_service().accept(DRAFT)
    passed = tuple(PassedOver(float(at), "project-smtp", "smtp", PassReason.RELAY_PAUSED) for at in range(30))
    for each in passed:
        record = pass_over(record, (each,))

    assert record.passed_over == passed[10:]
