"""Limits on sending: which recipients count, when messages are refused, and when an amount is given back."""

import json
from contextlib import suppress
from copy import replace

import pytest
from mailer.errors import ContentUnavailable, LedgerUnavailable, LimitReached, RecipientsRejected
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.service.sending.accept_emails import Accepted, EmailRequest, accept_batch, accept_email
from mailer.service.sending.repeated_request import Replayed
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Attempt, Cause, Deferred, Failure, Phase, Rejected, Unknown, Verdict
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.memory_service import MemoryService, render
from tests.support.projects import ACME, entries, settings

TO = tuple(parse_mailbox(f"{name}@example.net") for name in ("ada", "bob", "cyd"))
DRAFT = Draft(to=TO[:1], subject="Hello", text="Hi\n")
THREE = replace(DRAFT, to=TO)
OTHER = ProjectId("other")
DEFERRED = Deferred(Failure(Phase.MAIL, Cause.REPLY, make_reply(451, "4.7.0 later")))
REJECTED = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 no such user")))
UNKNOWN = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))
PAGE = "2026-01-02"


def make_service(*, secret: dict[str, str | None] | None = None, **environment: str) -> MemoryService:
    """Make a service with these settings, and a project with a relay."""
    service = MemoryService(settings(**environment))
    service.secrets.answers[ACME] = fakes.secret(entries(**(secret or {})))
    return service


def limited(daily: str = "2", **environment: str) -> MemoryService:
    """Make a service, and a project whose relay has a daily limit."""
    return make_service(secret={"smtpDailyLimit": daily}, **environment)


def counted(service: MemoryService, slot: str, project_id: ProjectId = ACME) -> int:
    """Return the value of a counter."""
    return service.ledger.increment(project_id, PAGE, 0, within={}, forget_at=0).counts.get(slot, 0)


def refused(service: MemoryService, draft: Draft = DRAFT, *, role: str | None = None) -> LimitReached:
    with pytest.raises(LimitReached) as caught:
        service.send(draft, role=role)
    return caught.value


def report(service: MemoryService, draft: Draft = DRAFT, *, role: str | None = None) -> SendReport:
    sent = service.send(draft, role=role)
    assert isinstance(sent, SendReport)
    return sent


def queue(service: MemoryService, draft: Draft = DRAFT, key: KeyUse | None = None, role: str | None = None) -> Accepted:
    accepted = accept_email(
        EmailRequest(draft),
        ACME,
        ports=service.send_ports,
        deadline=24.0,
        key=key,
        role=role,
        render=lambda _accepted: render(report(service)),
    )
    assert isinstance(accepted, Accepted)
    return accepted


def test_d18_recipients_are_counted_for_the_project() -> None:
    service = make_service(PROJECT_LIMITS="5/hour, 9/day")

    report(service, THREE)

    assert (counted(service, "project/hour-03"), counted(service, "project/day")) == (3, 3)


def test_d20_a_message_over_the_project_limit_is_refused_until_the_window_ends() -> None:
    service = make_service(PROJECT_LIMITS="3/hour")
    report(service, THREE)

    error = refused(service)

    # It is 03:04:05.
    assert (error.code, error.retryable, error.retry_after) == ("limit-reached", True, 55 * 60 + 55)
    assert "project" in error.detail
    assert len(service.relay.sends) == 1


def test_a_refused_message_is_not_counted_or_recorded() -> None:
    service = make_service(PROJECT_LIMITS="2/hour, 100/day", ROLE_LIMITS="marketing=50/day")

    refused(service, THREE, role="marketing")

    assert (counted(service, "project/day"), counted(service, "role marketing/day")) == (0, 0)
    assert service.ledger.records == ()
    assert report(service, replace(DRAFT, to=TO[:2]), role="marketing").status is State.SENT


def test_a_limit_starts_again_in_the_next_window() -> None:
    service = make_service(PROJECT_LIMITS="1/hour")
    report(service)
    service.advance(refused(service).retry_after)

    assert report(service).status is State.SENT


def test_each_project_has_its_own_limit() -> None:
    service = make_service(PROJECT_LIMITS="1/day")
    report(service)

    assert service.send(DRAFT, OTHER)


def test_d20_a_role_has_a_limit_of_its_own() -> None:
    service = make_service(ROLE_LIMITS="marketing=1/day, support=2/day")
    report(service, role="marketing")

    assert "role marketing" in refused(service, role="marketing").detail
    assert report(service, role="support").status is State.SENT
    assert report(service, role="unlisted").status is State.SENT
    assert report(service).status is State.SENT


def test_a_message_larger_than_the_limit_is_not_retryable() -> None:
    assert refused(make_service(PROJECT_LIMITS="2/hour"), THREE).retryable is False


def test_the_answer_has_the_status_of_the_tightest_limit() -> None:
    service = make_service(PROJECT_LIMITS="10/hour, 11/day")

    quota = report(service, THREE).quota

    assert quota is not None
    assert (quota.counter.limit.maximum, quota.remaining, quota.resets_in) == (10, 7, 55 * 60 + 55)


def test_nothing_is_counted_without_limits() -> None:
    service = make_service()

    assert report(service).quota is None
    assert counted(service, "project/day") == 0


def test_a_repeated_key_is_not_counted_again() -> None:
    service, key = make_service(PROJECT_LIMITS="10/day"), KeyUse("digest", "fingerprint", 2e9)
    service.send(DRAFT, key=key)

    assert isinstance(service.send(DRAFT, key=key), Replayed)
    assert counted(service, "project/day") == 1


def test_an_unavailable_ledger_sends_nothing() -> None:
    service = make_service(PROJECT_LIMITS="10/day")
    service.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        service.send(DRAFT)
    assert service.relay.sends == []


def test_a_queued_message_is_counted_when_it_is_accepted() -> None:
    service = make_service(PROJECT_LIMITS="1/day")

    queue(service)

    with pytest.raises(LimitReached):
        queue(service)
    service.deliver(service.ledger.records[0])
    assert counted(service, "project/day") == 1


def test_a_batch_is_counted_as_a_whole_or_not_at_all() -> None:
    service = make_service(PROJECT_LIMITS="3/day")
    batch = [EmailRequest(DRAFT)] * 4

    with pytest.raises(LimitReached):
        accept_batch(batch, ACME, ports=service.send_ports, deadline=24.0, has_time=lambda: True)
    assert (service.ledger.records, counted(service, "project/day")) == ((), 0)
    accept_batch(batch[:3], ACME, ports=service.send_ports, deadline=24.0, has_time=lambda: True)
    assert counted(service, "project/day") == 3


def test_unaccepted_messages_of_a_batch_are_not_counted() -> None:
    service, times = make_service(PROJECT_LIMITS="9/day"), iter((True, False))

    items = accept_batch(
        [EmailRequest(THREE)] * 3, ACME, ports=service.send_ports, deadline=24.0, has_time=lambda: next(times)
    )

    assert [item.code for item in items] == [None, ContentUnavailable.code, ContentUnavailable.code]
    assert counted(service, "project/day") == 3


def test_d18_a_message_over_the_relays_daily_limit_is_refused() -> None:
    service = limited("2")
    report(service)
    report(service)

    error = refused(service)

    assert "relay smtp" in error.detail
    assert error.retry_after == 86_400 - (3 * 3600 + 4 * 60 + 5)
    assert len(service.relay.sends) == 2


def test_d18_a_preset_has_its_own_daily_limit() -> None:
    secret = {"smtpHost": None, "smtpPort": None, "smtpService": "gmail"}
    service = make_service(secret=secret)
    report(service)

    relay = service.relay.sends[0].relay
    assert relay.daily_limit == 500
    assert counted(service, "relay smtp/day") == 1


@pytest.mark.parametrize(("own", "limit"), [("100", 100), ("2000", 2000)])
def test_d18_a_project_may_lower_or_raise_a_presets_limit(own: str, limit: int) -> None:
    service = make_service(secret={"smtpHost": None, "smtpPort": None, "smtpService": "gmail", "smtpDailyLimit": own})
    report(service)

    assert service.relay.sends[0].relay.daily_limit == limit


def test_a_message_over_the_relays_limit_does_not_count_for_the_project() -> None:
    service = limited("1", PROJECT_LIMITS="10/day")
    report(service)

    refused(service)

    assert counted(service, "project/day") == 1


def test_a_relays_limit_does_not_count_messages_of_the_server() -> None:
    service = limited("1", ALLOW_PROJECT_SMTP="false")

    report(service)
    report(service)

    assert (len(service.server.requests), counted(service, "relay smtp/day")) == (2, 0)


@pytest.mark.parametrize(("verdict", "left"), [(DEFERRED, 0), (REJECTED, 0), (UNKNOWN, 1), (fakes.ACCEPTED, 1)])
def test_recipients_that_provably_got_no_message_are_not_counted(verdict: Verdict, left: int) -> None:
    service = limited("2")
    service.relay.verdict = verdict
    with suppress(RecipientsRejected):
        service.send(DRAFT)

    assert counted(service, "relay smtp/day") == left


def test_only_recipients_that_got_the_message_are_counted() -> None:
    service = limited("9")
    addresses = [mailbox.address for mailbox in TO]
    service.relay.attempts = [Attempt(dict(zip(addresses, (fakes.ACCEPTED, REJECTED, DEFERRED), strict=True)))]

    report(service, THREE)

    assert counted(service, "relay smtp/day") == 1


def test_an_override_has_no_daily_limit() -> None:
    service = limited("1", PROJECT_LIMITS="5/day")
    report(service)
    own = replace(service.relay.sends[0].relay, host="mail.other.example", daily_limit=None)
    assert isinstance(own, Relay)

    service.send(replace(DRAFT, sender=parse_mailbox("me@other.example")), override=own)

    assert (counted(service, "relay smtp/day"), counted(service, "project/day")) == (1, 2)


def test_a_message_larger_than_the_daily_limit_is_not_queued() -> None:
    service = limited("2")

    with pytest.raises(LimitReached) as caught:
        queue(service, THREE)
    assert caught.value.retryable is False


def test_a_queued_message_waits_for_the_next_day_and_then_leaves() -> None:
    service = limited("1")
    report(service)
    waiting = service.accept(DRAFT)

    service.deliver(waiting)

    known = service.known(waiting)
    assert (known.state, known.reason) == (State.DEFERRED, "daily-limit-reached")
    assert known.due_at == service.seconds + 86_400 - (3 * 3600 + 4 * 60 + 5)
    assert len(service.relay.sends) == 1
    service.seconds = known.due_at
    service.deliver(waiting)
    assert service.known(waiting).state is State.SENT


def test_a_wait_for_the_daily_limit_publishes_one_event() -> None:
    service = limited("1")
    report(service)
    waiting = service.accept(DRAFT)
    service.deliver(waiting)
    due_at = service.known(waiting).due_at
    assert due_at is not None
    service.advance(due_at - service.seconds)
    report(service)
    service.deliver(waiting)

    assert service.events.names.count("EmailDeferred") == 1


def test_a_system_email_over_the_daily_limit_is_counted_and_sent() -> None:
    service = limited("1")
    report(service)
    reset = service.accept(DRAFT, origin="PasswordResetRequested")

    service.deliver(reset)

    assert service.known(reset).state is State.SENT
    assert counted(service, "relay smtp/day") == 2


def test_a_deferred_queued_message_is_not_counted() -> None:
    service = limited("2")
    accepted = service.accept(DRAFT)
    service.relay.verdict = DEFERRED

    service.deliver(accepted)

    assert (service.known(accepted).state, counted(service, "relay smtp/day")) == (State.DEFERRED, 0)


SENDGRID = [
    {"id": "api", "provider": "sendgrid", "name": "API", "enabled": True, "priority": 1, "config": {"apiKey": "SG.key"}}
]


def backed_up() -> MemoryService:
    """Make a project with two providers: a relay with a limit of one recipient a day, then SendGrid."""
    return make_service(secret={"smtpDailyLimit": "1", "emailProviders": json.dumps(SENDGRID)})


def test_a_provider_at_its_daily_limit_is_skipped() -> None:
    service = backed_up()

    first, second = report(service), report(service)

    assert (len(service.relay.sends), len(service.api.sends)) == (1, 1)
    assert [each.record.attempts[-1].provider for each in (first, second)] == ["smtp", "api"]


def test_a_queued_message_skips_a_provider_at_its_daily_limit() -> None:
    service = backed_up()
    report(service)
    accepted = service.accept(DRAFT)

    service.deliver(accepted)

    assert (service.known(accepted).state, len(service.api.sends)) == (State.SENT, 1)


def test_a_failover_does_not_count_for_the_first_relay() -> None:
    service = backed_up()
    service.relay.attempts = [Attempt.uniform((TO[0].address,), DEFERRED)]

    report(service)

    assert (len(service.api.sends), counted(service, "relay smtp/day")) == (1, 0)


def test_a_failover_counts_for_the_next_provider() -> None:
    service = backed_up()
    preferring = replace(DRAFT, preferred_provider="api")
    service.api.verdict = DEFERRED

    report(service, preferring)

    assert (len(service.relay.sends), counted(service, "relay smtp/day")) == (1, 1)


def test_a_failover_skips_a_provider_at_its_daily_limit() -> None:
    service = backed_up()
    report(service)
    service.api.verdict = DEFERRED

    left = report(service, replace(DRAFT, preferred_provider="api"))

    assert (left.status, len(service.relay.sends)) == (State.DEFERRED, 1)
