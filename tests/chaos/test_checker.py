"""The checker detects every violation: each test is about one wrong message among facts made by hand."""

from copy import replace
from datetime import UTC, datetime

from mailer.ledger.record import AttemptRecord, AttemptResult, OnUnknown, RecipientRecord, Record, State
from mailer.message.address import parse_address
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase, Rejected, Verdict
from mailer.smtp.reply import make_reply

from tests.chaos.checker import violations
from tests.chaos.facts import Answered, Copy, Facts, Kind, Notice, Request, Submission, Told
from tests.chaos.limits import leaks
from tests.chaos.liveness import lifeless
from tests.chaos.schedule import Schedule
from tests.chaos.transports import Network, Site

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
ADA = "event-1-0@plain.example.net"
ACCEPTED = Accepted(make_reply(250, "Ok"))
DEFERRED = Deferred(Failure(Phase.RCPT, Cause.REPLY, make_reply(450, "Later")))
COPY = Copy(1, ADA, "<m1@plain.example>", b"", "mail.plain.example", "v1", START + 1.0)
ANSWER = Answered(Told.ACCEPTED, START, START + 2.0, (), named="m1", code="sent", accepted=(ADA,))


def make_record(state: State = State.SENT, verdict: Verdict | None = ACCEPTED, reason: str | None = None) -> Record:
    """Return the record of the only message."""
    return Record(
        id="m1",
        project_id=None,
        state=state,
        created_at=START,
        updated_at=START + 2.0,
        expires_at=START + 86_400.0,
        recipients=(RecipientRecord(parse_address(ADA), verdict),),
        attempts=(AttemptRecord(START, "project-smtp", result=AttemptResult.ACCEPTED),) if state is State.SENT else (),
        reason=reason,
    )


def make_facts(*answers: Answered, copies: tuple[Copy, ...] = (COPY,), kind: Kind = Kind.SYNC) -> Facts:
    """Return facts about the only message; its end was published."""
    facts = Facts()
    facts.event_of["m1"] = 1
    facts.submissions[1] = Submission(
        1, kind, "plain", (ADA,), OnUnknown.HOLD, key=None, at=START, answers=list(answers)
    )
    facts.copies[1].extend(copies)
    facts.notices["m1"] = [Notice("EmailSent", state.value, START) for state in State]
    return facts


def found(facts: Facts, *records: Record) -> str:
    """Return all complaints of the accounting."""
    return "\n".join(violations(facts, records, at_rest=True))


def missed(facts: Facts, *records: Record) -> str:
    """Return all complaints about liveness."""
    return "\n".join(lifeless(facts, records))


def test_a_message_that_was_sent_once_is_right() -> None:
    facts = make_facts(ANSWER)

    assert found(facts, make_record()) == ""
    assert missed(facts, make_record()) == ""


def test_two_copies_without_an_unknown_outcome_are_wrong() -> None:
    assert "got 2 copies" in found(make_facts(ANSWER, copies=(COPY, COPY)), make_record())


def test_copies_by_two_transports_are_wrong() -> None:
    by_server = replace(COPY, host=None, version_id=None)

    assert "copies by two transports" in found(make_facts(ANSWER, copies=(COPY, by_server)), make_record())


def test_mail_that_left_by_the_wrong_transport_is_wrong() -> None:
    facts = make_facts(ANSWER)
    facts.strayed.append("the server got it")

    assert "the server got it" in found(facts, make_record())


def test_a_bug_is_wrong() -> None:
    facts = make_facts(ANSWER)
    facts.bugs.append("internal error: TypeError")

    assert "TypeError" in found(facts, make_record())


def test_an_id_that_the_ledger_does_not_know_is_wrong() -> None:
    assert "which the ledger does not know" in found(make_facts(ANSWER, copies=()))


def test_a_copy_of_a_message_that_the_ledger_does_not_know_is_wrong() -> None:
    assert "there is a copy of what the ledger does not know" in found(make_facts(copies=(COPY,)))


def test_a_caller_who_is_told_of_a_copy_that_does_not_exist_is_wrong() -> None:
    assert "and no transport took it" in found(make_facts(ANSWER, copies=()), make_record())


def test_a_refusal_although_there_is_a_copy_is_wrong() -> None:
    refused = Answered(Told.REFUSED, START, START + 2.0, ("m1",), code="relay-unreachable")

    assert "relay-unreachable, but there is a copy" in found(make_facts(refused), make_record())


def test_a_refused_message_that_is_sent_later_is_wrong() -> None:
    refused = Answered(Told.REFUSED, START, START + 0.5, ("m1",), code="relay-unreachable")

    assert "relay-unreachable, and later there is a copy" in found(make_facts(refused), make_record())


def test_a_cancellation_without_a_request_is_wrong() -> None:
    record = make_record(State.CANCELLED, None, "cancelled")

    assert "cancelled without a request" in found(make_facts(copies=()), record)


def test_a_message_that_no_sweep_finds_is_wrong() -> None:
    assert "no sweep will ever find it" in found(make_facts(copies=()), make_record(State.QUEUED, None))


def test_a_delivered_message_that_the_ledger_calls_expired_is_wrong() -> None:
    record = make_record(State.EXPIRED, DEFERRED, "expired")

    assert "a transport took it, but it is expired" in found(make_facts(), record)


def test_a_message_that_nothing_hindered_and_that_is_not_sent_is_wrong() -> None:
    assert "nothing hindered it, and" in missed(make_facts(ANSWER, copies=()), make_record(State.UNKNOWN, None))


def test_a_message_that_waited_long_is_wrong() -> None:
    late = replace(COPY, at=START + 3600.0)

    assert "waited 3600 s" in missed(make_facts(ANSWER, copies=(late,)), make_record())


def test_a_message_that_expires_while_its_transport_is_available_is_wrong() -> None:
    record = replace(make_record(State.EXPIRED, DEFERRED, "expired"), updated_at=START + 86_400.0)
    facts = make_facts(copies=(), kind=Kind.ASYNC)
    facts.obstruct(1, "relay deferred", START + 10.0)

    assert "its transport was available for 86390 s" in missed(facts, record)


def test_a_message_that_expires_while_its_project_is_broken_is_right() -> None:
    record = replace(make_record(State.EXPIRED, None, "expired"), updated_at=START + 86_400.0)
    facts = make_facts(copies=(), kind=Kind.ASYNC)
    facts.trouble("plain", "secret broken", START - 10.0)

    assert "expired" not in missed(facts, record)


def test_an_end_that_was_not_published_is_wrong() -> None:
    facts = make_facts(ANSWER)
    facts.notices.clear()

    assert "no event says so" in missed(facts, make_record())


def test_a_refusal_that_nothing_explains_is_wrong() -> None:
    refused = Answered(Told.REFUSED, START, START + 2.0, (), code="relay-unreachable")

    assert "nothing happened that explains it" in missed(make_facts(refused, copies=()))


def test_a_rejection_that_no_transport_made_is_wrong() -> None:
    facts = make_facts(ANSWER)
    rejected = replace(make_record(), recipients=(RecipientRecord(parse_address(ADA), _rejected()),))

    assert "is rejected, and no transport refused it" in missed(facts, rejected)


def test_a_run_in_which_everything_was_hindered_is_wrong() -> None:
    facts = make_facts(ANSWER)
    facts.trouble(None, "ledger down", START - 10.0)

    assert "the run proves too little" in missed(facts, make_record())


def test_too_many_requests_at_once_are_wrong() -> None:
    assert "got 6 requests at once" in _leaks(most_active=6)
    assert _leaks(most_active=5) == ""


def test_requests_while_the_breaker_must_be_open_are_wrong() -> None:
    failing = [Request("mail.plain.example", "v1", START + n, START + n + 0.5, True, True) for n in range(40)]

    assert "while its breaker had to be open" in _leaks(failing)
    assert _leaks(failing[:10]) == ""


def test_a_count_that_differs_from_what_was_accepted_is_wrong() -> None:
    assert "2 recipients counted" in _leaks(counted=2)
    assert "0 recipients counted" in _leaks(counted=0)
    assert _leaks(counted=1) == ""


def _rejected() -> Verdict:
    return Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "No")))


def _leaks(requests: list[Request] | None = None, *, most_active: int = 1, counted: int = 1) -> str:
    facts, schedule = make_facts(ANSWER, kind=Kind.ASYNC), Schedule(START)
    # In the middle of an hour.
    record = replace(make_record(), created_at=START + 1800.0)
    facts.requests.extend(requests or [])
    network = Network(schedule, facts, lambda _event: schedule.worker.random)
    network.sites["mail.plain.example"] = Site("plain", "p0", most_active=most_active)
    counts = {("project#plain", "count#2026-01-02"): {"n:project/hour-03": str(counted)}}
    return "\n".join(leaks(facts, network, (record,), counts))
