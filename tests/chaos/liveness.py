"""Liveness: what could be sent was sent soon, and each end was published. Each failure needs a fault that was drawn."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from mailer.ledger.record import Record, State
from mailer.smtp.outcome import Accepted, Rejected, Unknown

from tests.chaos.facts import Answered, Facts, Kind, Obstacle, Submission, Told

# The longest wait after an obstacle: by the number of attempts that a transport did not take, then for any other.
_WAITS = (1500.0, 1500.0, 1500.0, 3000.0, 9600.0)
_PROMPT_SECONDS = 600.0
_SHORT_LIFE_SECONDS = 240.0
_CLAIMS = 5
# Times of records are rounded.
_ROUNDING_SECONDS = 0.01
# An obstacle of the project may count for a request that came shortly after it. A breaker may pause much longer.
_AFTERMATH_SECONDS = 200.0
_PAUSE_SECONDS = 1200.0
# A run with fewer messages that nothing hindered proves too little.
LEAST_FLOOR = 0.2
_NEED_A_REFUSAL = frozenset({"recipients-rejected", "message-rejected"})
_NEED_AN_OBSTACLE = frozenset(
    {
        "project-smtp-invalid",
        "secrets-unavailable",
        "ledger-unavailable",
        "acceptance-unknown",
        "content-unavailable",
        "relay-auth-rejected",
        "relay-tls-failed",
        "relay-unreachable",
        "relay-deferred",
        "server-transport-failed",
    }
)
_IN_FLIGHT = "idempotency-key-in-flight"
LIMITED = "limit-reached"


def floor(facts: Facts) -> int:
    """Return how many messages nothing hindered: so many must have been sent."""
    return sum(_is_clean(each, facts) for each in facts.submissions.values())


def lifeless(facts: Facts, records: tuple[Record, ...], *, suppresses: bool = False) -> Iterator[str]:
    """Return every message that was not sent, not sent soon, refused or ended without a cause, or not published."""
    by_event: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        by_event[facts.event_of.get(record.id, -1)].append(record)
    for event, submission in facts.submissions.items():
        for place, answer in enumerate(submission.answers):
            reason = _unfounded(answer, submission, facts)
            # With a key, the first answer is repeated.
            if reason is not None and answer.code not in [each.code for each in submission.answers[:place]]:
                yield f"event {event}: {reason}"
        if not suppresses and _is_clean(submission, facts):
            yield from (f"event {event}: {each}" for each in _of_clean(submission, facts))
        for record in by_event[event]:
            yield from (f"event {event}: {each}" for each in _of_end(record, submission, facts, suppresses=suppresses))
    total, clean = len(facts.submissions), floor(facts)
    if clean < LEAST_FLOOR * total:
        yield f"nothing hindered only {clean} of {total} messages: the run proves too little"


def _is_clean(submission: Submission, facts: Facts) -> bool:
    """Tell whether nothing hindered a message from its submission until it must have been sent."""
    if submission.cancellations or submission.valid_until is not None:
        return False
    if facts.refusals[submission.event] or any(answer.code == LIMITED for answer in submission.answers):
        return False
    latest = submission.at + _PROMPT_SECONDS
    return all(each.at > latest or _effect_ends(each) < submission.at for each in facts.hindrances(submission))


def _effect_ends(obstacle: Obstacle) -> float:
    return obstacle.end + (_PAUSE_SECONDS if ".example " in obstacle.kind else _AFTERMATH_SECONDS)


def _of_clean(submission: Submission, facts: Facts) -> Iterator[str]:
    first: dict[str, float] = {}
    for copy in facts.copies[submission.event]:
        first.setdefault(copy.recipient, copy.at)
    for recipient in facts.receivers(submission):
        if recipient not in first:
            yield f"nothing hindered it, and {recipient} has no copy"
        elif first.get(recipient, 0.0) > submission.at + _PROMPT_SECONDS:
            yield f"nothing hindered it, and {recipient} waited {first[recipient] - submission.at:.0f} s"


def _unfounded(answer: Answered, submission: Submission, facts: Facts) -> str | None:
    """Return the complaint if nothing that happened explains a refusal."""
    code = answer.code
    if answer.told is Told.ACCEPTED or code is None:
        return None
    if code in _NEED_A_REFUSAL:
        is_founded = bool(facts.refusals[submission.event])
    elif code in _NEED_AN_OBSTACLE:
        hindrances = facts.hindrances(submission)
        is_founded = any(each.at <= answer.at and _effect_ends(each) >= answer.began for each in hindrances)
    elif code == _IN_FLIGHT:
        is_founded = len(submission.answers) > 1
    else:
        is_founded = code == LIMITED
    return None if is_founded else f"its caller was told {code}, and nothing happened that explains it"


def _of_end(record: Record, submission: Submission, facts: Facts, *, suppresses: bool) -> Iterator[str]:
    if not record.is_final:
        return
    hindrances = [each for each in facts.hindrances(submission) if each.at <= record.updated_at + _ROUNDING_SECONDS]
    complaint = _unexplained(record, submission, hindrances, facts, suppresses=suppresses)
    if complaint is not None:
        yield f"{record.id} is {record.state} ({record.reason}), {complaint}"
    for recipient in record.recipients:
        complaint = _misjudged(str(recipient.address), recipient.verdict, record, submission, facts)
        if complaint is not None:
            yield f"{record.id}: {complaint}"
    if submission.event not in facts.disturbed:
        told = {notice.status for notice in facts.notices[record.id]}
        if record.state.value not in told:
            yield f"{record.id} ended {record.state}, and no event says so, only {sorted(told)}"


def _unexplained(
    record: Record, submission: Submission, hindrances: Sequence[Obstacle], facts: Facts, *, suppresses: bool
) -> str | None:
    """Return the complaint if nothing that happened explains the end of a message."""
    match record.state:
        case State.EXPIRED:
            return _early(record, hindrances)
        case State.FAILED if record.has_content and submission.kind is not Kind.SYNC:
            kills = sum(each.kind == "worker killed" for each in hindrances)
            return None if kills >= _CLAIMS else "and its workers were not lost"
        case State.FAILED:
            return None if hindrances else "and nothing hindered it"
        case State.UNKNOWN:
            is_founded = submission.event in facts.lost_replies or submission.event in facts.disturbed
            return None if is_founded else "and no reply was lost"
        case State.CANCELLED:
            return None if submission.cancellations else "and nothing asked for it"
        case State.SUPPRESSED:
            return None if suppresses else "and the stage does not suppress"
        case _:
            return None


def _early(record: Record, hindrances: Sequence[Obstacle]) -> str | None:
    """Return the complaint if the transport was available for longer than the message may have waited."""
    tries = sum(each.kind.startswith("relay") for each in hindrances)
    ends = [min(each.end, record.expires_at) for each in hindrances if each.at <= record.expires_at]
    if not ends:
        is_short = record.expires_at - record.created_at <= _SHORT_LIFE_SECONDS
        return None if is_short else "and nothing hindered it"
    idle = record.expires_at - max(ends)
    allowed = _WAITS[min(tries, len(_WAITS) - 1)]
    return None if idle <= allowed else f"and its transport was available for {idle:.0f} s"


def _misjudged(address: str, verdict: object, record: Record, submission: Submission, facts: Facts) -> str | None:
    """Return the complaint if nothing that happened explains a final verdict."""
    match verdict:
        case Accepted():
            return None
        case Rejected():
            is_founded = (facts.diverts_to or address) in facts.refusals[submission.event]
            return None if is_founded else f"{address} is rejected, and no transport refused it"
        case Unknown():
            is_founded = submission.event in facts.lost_replies or submission.event in facts.disturbed
            return None if is_founded else f"{address} is unknown, and no reply was lost"
        case _:
            is_given_up = record.state in {State.PARTIALLY_SENT, State.UNKNOWN} and record.reason is None
            # Without its content a message cannot be tried again.
            is_given_up = is_given_up and submission.event not in facts.disturbed
            return f"{address} is given up without a reason" if is_given_up else None
