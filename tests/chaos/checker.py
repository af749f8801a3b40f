"""The accounting: compares the ledger and the answers with what happened, for each message and recipient."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from mailer.ledger.lifecycle import Reason
from mailer.ledger.record import AttemptResult, OnUnknown, Record, State
from mailer.smtp.outcome import Accepted, Cause, Unknown

from tests.chaos.facts import Answered, Copy, Facts, Kind, Submission, Told

_NOT_DELIVERED = frozenset({State.REJECTED, State.FAILED, State.EXPIRED, State.CANCELLED, State.SUPPRESSED})
# An attempt that began in time may end this long after the deadline.
_LATEST_SECONDS = 60.0


def violations(facts: Facts, records: tuple[Record, ...], *, at_rest: bool) -> list[str]:
    """Return all violations; with `at_rest` no message may be in progress any more."""
    found = [*facts.strayed, *facts.bugs]
    by_event: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        by_event[facts.event_of.get(record.id, -1)].append(record)
        found += _of_record(record, at_rest=at_rest)
    found += [f"record {record.id} is of no submission" for record in by_event[-1]]
    for event, submission in facts.submissions.items():
        found += [f"event {event}: {each}" for each in _of_event(submission, by_event[event], facts)]
    found += [f"event {event}: copies of nothing" for event in facts.copies.keys() - facts.submissions.keys()]
    return found


def account(records: tuple[Record, ...]) -> dict[str, int]:
    """Count the messages by outcome."""
    return dict(sorted(Counter(record.state.value for record in records).items()))


def extra_copies(facts: Facts) -> int:
    """Count the copies that a recipient already has."""
    return sum(
        number - 1 for copies in facts.copies.values() for number in Counter(c.recipient for c in copies).values()
    )


def _of_record(record: Record, *, at_rest: bool) -> Iterator[str]:
    if not record.is_final and record.due_at is None:
        yield f"record {record.id} is {record.state} and no sweep will ever find it"
    waits_for_quota = record.state is State.DEFERRED and record.reason == Reason.DAILY_LIMIT_REACHED
    if at_rest and not (record.is_final or record.state is State.HELD or waits_for_quota):
        yield f"record {record.id} is still {record.state}"
    if record.state is State.HELD and not record.reason:
        yield f"record {record.id} is held for no reason"
    if record.is_final and record.state in {State.FAILED, State.EXPIRED} and not (record.reason or record.attempts):
        yield f"record {record.id} is {record.state} for no reason"
    if record.state is State.SENT and record.accepted != len(record.recipients):
        yield f"record {record.id} is sent, but not to every recipient"


def _of_event(submission: Submission, records: list[Record], facts: Facts) -> Iterator[str]:
    copies = facts.copies[submission.event]
    known = {record.id: record for record in records}
    for identity in submission.named - known.keys():
        yield f"its caller was told of {identity}, which the ledger does not know"
    if len(submission.named) > 1:
        yield f"its caller was told of several messages: {sorted(submission.named)}"
    for record in records:
        if record.state is State.CANCELLED and submission.cancellations == 0:
            yield f"{record.id} is cancelled without a request"
        if record.id in submission.named and record.reason == Reason.ABANDONED:
            yield f"its caller was told of {record.id}, which is never sent"
    for answer in submission.answers:
        yield from _of_answer(answer, submission, copies)
    for copy in copies:
        if _identity(copy) not in known:
            yield "there is a copy of what the ledger does not know"
    for record in records:
        if submission.event not in facts.disturbed and _lost_its_worker(record):
            yield f"{record.id} is said to have lost its worker, and no worker was lost"
        yield from _of_copies(record, [copy for copy in copies if _identity(copy) == record.id])
    yield from _of_duplicates(submission, records, copies)


def _identity(copy: Copy) -> str:
    return copy.message_id[1:].partition("@")[0]


def _of_answer(answer: Answered, submission: Submission, copies: list[Copy]) -> Iterator[str]:
    """Compare one answer with the copies at that time."""
    before = [copy for copy in copies if copy.at <= answer.at]
    for recipient in answer.accepted:
        if all(copy.recipient != recipient for copy in before):
            yield f"its caller was told that {recipient} has a copy, and no transport took it"
    # With a key, the refusal of a batch says only that the batch must be repeated.
    is_about_all = submission.kind is not Kind.BATCH or submission.key is None
    if answer.told is Told.REFUSED and is_about_all:
        if before:
            yield f"its caller was told {answer.code}, but there is a copy"
        elif submission.retries == 0 and any(_identity(copy) in answer.ids for copy in copies):
            yield f"its caller was told {answer.code}, and later there is a copy"


def _lost_its_worker(record: Record) -> bool:
    failures = [attempt.failure for attempt in record.attempts if attempt.failure is not None]
    return record.reason == Reason.ABANDONED or any(failure.cause is Cause.WORKER_LOST for failure in failures)


def _of_copies(record: Record, copies: list[Copy]) -> Iterator[str]:
    has_unknown = any(attempt.result is AttemptResult.UNKNOWN for attempt in record.attempts)
    is_under_way = any(attempt.result is None for attempt in record.attempts)
    got = {copy.recipient for copy in copies}
    for recipient in record.recipients:
        address = str(recipient.address if record.diverted_to is None else record.diverted_to)
        if isinstance(recipient.verdict, Accepted) and address not in got:
            yield f"{record.state}: said to be accepted, but no transport took it"
        is_admitted = isinstance(recipient.verdict, Accepted | Unknown) or has_unknown or is_under_way
        if address in got and not is_admitted:
            yield f"{record.state}: a transport took it, but the ledger says {recipient.verdict}"
    if any(copy.at > record.expires_at + _LATEST_SECONDS for copy in copies):
        yield "a transport took it after it had expired"
    if copies and record.state in _NOT_DELIVERED:
        yield f"a transport took it, but it is {record.state}"
    if len({copy.message_id for copy in copies}) > 1:
        yield "its copies have several Message-IDs"
    digests: defaultdict[tuple[str | None, str | None], set[bytes]] = defaultdict(set)
    for copy in copies:
        digests[copy.host, copy.version_id].add(copy.digest)
    if any(len(each) > 1 for each in digests.values()):
        yield "its copies differ under one configuration"


def _of_duplicates(submission: Submission, records: list[Record], copies: list[Copy]) -> Iterator[str]:
    unknowns = sum(attempt.result is AttemptResult.UNKNOWN for record in records for attempt in record.attempts)
    allowed = 1 + submission.repeats_granted
    if submission.on_unknown is OnUnknown.RETRY:
        allowed += min(unknowns, 1)
    numbers = Counter(copy.recipient for copy in copies)
    for recipient, number in numbers.items():
        if number > allowed:
            yield f"{recipient} got {number} copies under {submission.on_unknown}, {unknowns} unknown"
        transports = {copy.host for copy in copies if copy.recipient == recipient}
        if len(transports) > 1 and not submission.repeats_granted:
            yield f"{recipient} got copies by two transports"
