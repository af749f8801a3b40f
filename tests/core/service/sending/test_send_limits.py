"""Limits on sending: what counts, who is refused, and that what is refused takes nothing."""

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
from mailer.service.sending.send_email import Replayed, SendReport
from mailer.smtp.outcome import Attempt, Cause, Deferred, Failure, Phase, Rejected, Unknown, Verdict
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.post_office import PostOffice, render
from tests.support.projects import ACME, entries, settings

TO = tuple(parse_mailbox(f"{name}@example.net") for name in ("ada", "bob", "cyd"))
DRAFT = Draft(to=TO[:1], subject="Hello", text="Hi\n")
THREE = replace(DRAFT, to=TO)
OTHER = ProjectId("other")
DEFERRED = Deferred(Failure(Phase.MAIL, Cause.REPLY, make_reply(451, "4.7.0 later")))
REJECTED = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 no such user")))
UNKNOWN = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))
PAGE = "2026-01-02"


def office(*, secret: dict[str, str | None] | None = None, **environment: str) -> PostOffice:
    """A project with a relay, on a platform with these settings."""
    made = PostOffice(settings(**environment))
    made.secrets.answers[ACME] = fakes.secret(entries(**(secret or {})))
    return made


def limited(daily: str = "2", **environment: str) -> PostOffice:
    """A project whose relay has a daily limit."""
    return office(secret={"smtpDailyLimit": daily}, **environment)


def counted(made: PostOffice, slot: str, project_id: ProjectId = ACME) -> int:
    """What a counter has."""
    return made.ledger.increment(project_id, PAGE, 0, within={}, forget_at=0).counts.get(slot, 0)


def refused(made: PostOffice, draft: Draft = DRAFT, *, role: str | None = None) -> LimitReached:
    with pytest.raises(LimitReached) as caught:
        made.send(draft, role=role)
    return caught.value


def report(made: PostOffice, draft: Draft = DRAFT, *, role: str | None = None) -> SendReport:
    sent = made.send(draft, role=role)
    assert isinstance(sent, SendReport)
    return sent


def queue(made: PostOffice, draft: Draft = DRAFT, key: KeyUse | None = None, role: str | None = None) -> Accepted:
    accepted = accept_email(
        EmailRequest(draft),
        ACME,
        ports=made.send_ports,
        deadline=24.0,
        key=key,
        role=role,
        render=lambda _accepted: render(report(made)),
    )
    assert isinstance(accepted, Accepted)
    return accepted


def test_d18_recipients_are_counted_for_the_project() -> None:
    made = office(PROJECT_LIMITS="5/hour, 9/day")

    report(made, THREE)

    assert (counted(made, "project/hour-03"), counted(made, "project/day")) == (3, 3)


def test_d20_what_is_over_the_projects_limit_is_refused_with_the_end_of_the_window() -> None:
    made = office(PROJECT_LIMITS="3/hour")
    report(made, THREE)

    error = refused(made)

    # It is 03:04:05.
    assert (error.code, error.retryable, error.retry_after) == ("limit-reached", True, 55 * 60 + 55)
    assert "project" in error.detail
    assert len(made.relay.sends) == 1


def test_what_is_refused_takes_nothing_and_leaves_no_record() -> None:
    made = office(PROJECT_LIMITS="2/hour, 100/day", ROLE_LIMITS="marketing=50/day")

    refused(made, THREE, role="marketing")

    assert (counted(made, "project/day"), counted(made, "role marketing/day")) == (0, 0)
    assert made.ledger.records == ()
    assert report(made, replace(DRAFT, to=TO[:2]), role="marketing").status is State.SENT


def test_the_next_window_begins_anew() -> None:
    made = office(PROJECT_LIMITS="1/hour")
    report(made)
    made.advance(refused(made).retry_after)

    assert report(made).status is State.SENT


def test_each_project_has_the_limit_for_itself() -> None:
    made = office(PROJECT_LIMITS="1/day")
    report(made)

    assert made.send(DRAFT, OTHER)


def test_d20_a_role_has_a_limit_of_its_own() -> None:
    made = office(ROLE_LIMITS="marketing=1/day, support=2/day")
    report(made, role="marketing")

    assert "role marketing" in refused(made, role="marketing").detail
    assert report(made, role="support").status is State.SENT
    assert report(made, role="unlisted").status is State.SENT
    assert report(made).status is State.SENT


def test_a_message_with_more_recipients_than_the_limit_is_never_worth_repeating() -> None:
    assert refused(office(PROJECT_LIMITS="2/hour"), THREE).retryable is False


def test_the_answer_knows_how_the_tightest_limit_stands() -> None:
    made = office(PROJECT_LIMITS="10/hour, 11/day")

    quota = report(made, THREE).quota

    assert quota is not None
    assert (quota.counter.limit.maximum, quota.remaining, quota.resets_in) == (10, 7, 55 * 60 + 55)


def test_without_limits_nothing_is_counted() -> None:
    made = office()

    assert report(made).quota is None
    assert counted(made, "project/day") == 0


def test_a_repeated_key_is_not_counted_again() -> None:
    made, key = office(PROJECT_LIMITS="10/day"), KeyUse("digest", "fingerprint", 2e9)
    made.send(DRAFT, key=key)

    assert isinstance(made.send(DRAFT, key=key), Replayed)
    assert counted(made, "project/day") == 1


def test_a_ledger_without_an_answer_sends_nothing() -> None:
    made = office(PROJECT_LIMITS="10/day")
    made.ledger.failing = True

    with pytest.raises(LedgerUnavailable):
        made.send(DRAFT)
    assert made.relay.sends == []


def test_what_is_queued_is_counted_when_it_is_accepted() -> None:
    made = office(PROJECT_LIMITS="1/day")

    queue(made)

    with pytest.raises(LimitReached):
        queue(made)
    made.deliver(made.ledger.records[0])
    assert counted(made, "project/day") == 1


def test_a_batch_is_counted_as_a_whole_or_not_at_all() -> None:
    made = office(PROJECT_LIMITS="3/day")
    batch = [EmailRequest(DRAFT)] * 4

    with pytest.raises(LimitReached):
        accept_batch(batch, ACME, ports=made.send_ports, deadline=24.0, has_time=lambda: True)
    assert (made.ledger.records, counted(made, "project/day")) == ((), 0)
    accept_batch(batch[:3], ACME, ports=made.send_ports, deadline=24.0, has_time=lambda: True)
    assert counted(made, "project/day") == 3


def test_what_of_a_batch_is_not_accepted_is_given_back() -> None:
    made, times = office(PROJECT_LIMITS="9/day"), iter((True, False))

    items = accept_batch(
        [EmailRequest(THREE)] * 3, ACME, ports=made.send_ports, deadline=24.0, has_time=lambda: next(times)
    )

    assert [item.code for item in items] == [None, ContentUnavailable.code, ContentUnavailable.code]
    assert counted(made, "project/day") == 3


def test_d18_a_relays_daily_limit_refuses_what_is_over_it() -> None:
    made = limited("2")
    report(made)
    report(made)

    error = refused(made)

    assert "relay smtp" in error.detail
    assert error.retry_after == 86_400 - (3 * 3600 + 4 * 60 + 5)
    assert len(made.relay.sends) == 2


def test_d18_a_preset_brings_its_limit_along() -> None:
    secret = {"smtpHost": None, "smtpPort": None, "smtpService": "gmail"}
    made = office(secret=secret)
    report(made)

    relay = made.relay.sends[0].relay
    assert relay.daily_limit == 500
    assert counted(made, "relay smtp/day") == 1


@pytest.mark.parametrize(("own", "limit"), [("100", 100), ("2000", 2000)])
def test_d18_a_project_may_lower_or_raise_a_presets_limit(own: str, limit: int) -> None:
    made = office(secret={"smtpHost": None, "smtpPort": None, "smtpService": "gmail", "smtpDailyLimit": own})
    report(made)

    assert made.relay.sends[0].relay.daily_limit == limit


def test_a_relay_refused_for_its_limit_takes_nothing_of_the_operators() -> None:
    made = limited("1", PROJECT_LIMITS="10/day")
    report(made)

    refused(made)

    assert counted(made, "project/day") == 1


def test_a_relays_limit_counts_no_mail_by_the_server() -> None:
    made = limited("1", ALLOW_PROJECT_SMTP="false")

    report(made)
    report(made)

    assert (len(made.server.requests), counted(made, "relay smtp/day")) == (2, 0)


@pytest.mark.parametrize(("verdict", "left"), [(DEFERRED, 0), (REJECTED, 0), (UNKNOWN, 1), (fakes.ACCEPTED, 1)])
def test_what_the_relay_provably_did_not_take_is_given_back(verdict: Verdict, left: int) -> None:
    made = limited("2")
    made.relay.verdict = verdict
    with suppress(RecipientsRejected):
        made.send(DRAFT)

    assert counted(made, "relay smtp/day") == left


def test_only_for_those_whom_it_did_not_take() -> None:
    made = limited("9")
    addresses = [mailbox.address for mailbox in TO]
    made.relay.attempts = [Attempt(dict(zip(addresses, (fakes.ACCEPTED, REJECTED, DEFERRED), strict=True)))]

    report(made, THREE)

    assert counted(made, "relay smtp/day") == 1


def test_a_transport_of_the_messages_own_has_no_daily_limit() -> None:
    made = limited("1", PROJECT_LIMITS="5/day")
    report(made)
    own = replace(made.relay.sends[0].relay, host="mail.other.example", daily_limit=None)
    assert isinstance(own, Relay)

    made.send(replace(DRAFT, sender=parse_mailbox("me@other.example")), override=own)

    assert (counted(made, "relay smtp/day"), counted(made, "project/day")) == (1, 2)


def test_a_message_that_no_day_can_take_is_not_queued() -> None:
    made = limited("2")

    with pytest.raises(LimitReached) as caught:
        queue(made, THREE)
    assert caught.value.retryable is False


def test_a_queued_message_waits_for_the_next_day_and_then_leaves() -> None:
    made = limited("1")
    report(made)
    waiting = made.accept(DRAFT)

    made.deliver(waiting)

    known = made.known(waiting)
    assert (known.state, known.reason) == (State.DEFERRED, "daily-limit-reached")
    assert known.due_at == made.seconds + 86_400 - (3 * 3600 + 4 * 60 + 5)
    assert len(made.relay.sends) == 1
    made.seconds = known.due_at
    made.deliver(waiting)
    assert made.known(waiting).state is State.SENT


def test_that_it_waits_is_told_once() -> None:
    made = limited("1")
    report(made)
    waiting = made.accept(DRAFT)
    made.deliver(waiting)
    due_at = made.known(waiting).due_at
    assert due_at is not None
    made.advance(due_at - made.seconds)
    report(made)
    made.deliver(waiting)

    assert made.events.names.count("EmailDeferred") == 1


def test_a_system_email_is_counted_and_does_not_wait() -> None:
    made = limited("1")
    report(made)
    reset = made.accept(DRAFT, origin="PasswordResetRequested")

    made.deliver(reset)

    assert made.known(reset).state is State.SENT
    assert counted(made, "relay smtp/day") == 2


def test_what_was_taken_and_never_left_is_given_back() -> None:
    made = limited("2")
    accepted = made.accept(DRAFT)
    made.relay.verdict = DEFERRED

    made.deliver(accepted)

    assert (made.known(accepted).state, counted(made, "relay smtp/day")) == (State.DEFERRED, 0)


SENDGRID = [
    {"id": "api", "provider": "sendgrid", "name": "API", "enabled": True, "priority": 1, "config": {"apiKey": "SG.key"}}
]


def backed_up() -> PostOffice:
    """A project whose relay may take one recipient a day, with SendGrid behind it."""
    return office(secret={"smtpDailyLimit": "1", "emailProviders": json.dumps(SENDGRID)})


def test_a_provider_whose_day_is_used_up_is_passed_over() -> None:
    made = backed_up()

    first, second = report(made), report(made)

    assert (len(made.relay.sends), len(made.api.sends)) == (1, 1)
    assert [each.record.attempts[-1].provider for each in (first, second)] == ["smtp", "api"]


def test_a_queued_message_passes_it_over_too() -> None:
    made = backed_up()
    report(made)
    accepted = made.accept(DRAFT)

    made.deliver(accepted)

    assert (made.known(accepted).state, len(made.api.sends)) == (State.SENT, 1)


def test_after_a_failover_the_relay_has_its_share_back() -> None:
    made = backed_up()
    made.relay.attempts = [Attempt.uniform((TO[0].address,), DEFERRED)]

    report(made)

    assert (len(made.api.sends), counted(made, "relay smtp/day")) == (1, 0)


def test_a_failover_takes_of_the_day_of_whom_it_comes_to() -> None:
    made = backed_up()
    preferring = replace(DRAFT, preferred_provider="api")
    made.api.verdict = DEFERRED

    report(made, preferring)

    assert (len(made.relay.sends), counted(made, "relay smtp/day")) == (1, 1)


def test_a_failover_passes_over_whose_day_is_used_up() -> None:
    made = backed_up()
    report(made)
    made.api.verdict = DEFERRED

    left = report(made, replace(DRAFT, preferred_provider="api"))

    assert (left.status, len(made.relay.sends)) == (State.DEFERRED, 1)
