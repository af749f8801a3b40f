"""Limits: nothing gets past them, and what was not sent is not counted."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from mailer.ledger.record import Record, State
from mailer.smtp.outcome import Accepted, Unknown

from tests.chaos.facts import Facts, Kind, Request
from tests.chaos.projects import DAILY_LIMIT
from tests.chaos.transports import Network

MAX_CONCURRENT = 5
_FAILURES = 5
_SHORTEST_PAUSE = 60.0
# Workers that were killed or met an unavailable ledger do not report to the breaker.
_TOLERATED = 8
# Around the end of an hour a message may count for either hour.
_EDGE_SECONDS = 60.0
_LIMITED_HOST = "mail.limited.example"

type Counts = Mapping[tuple[str, str], Mapping[str, str]]


def leaks(facts: Facts, network: Network, records: tuple[Record, ...], counts: Counts) -> Iterator[str]:
    """Return every limit that let too much through, or that counts what was not sent."""
    for host, site in network.sites.items():
        if site.most_active > MAX_CONCURRENT:
            yield f"{host} got {site.most_active} requests at once"
    by_host: defaultdict[tuple[str, str], list[Request]] = defaultdict(list)
    for request in facts.requests:
        by_host[request.host, request.version_id].append(request)
    for (host, _), requests in by_host.items():
        early = _requests_in_pauses(requests)
        if early > _TOLERATED:
            yield f"{host} got {early} requests while its breaker had to be open"
    if facts.diverts_to is None:
        yield from _daily(facts, counts)
    yield from _hourly(facts, records, counts)


def _requests_in_pauses(requests: list[Request]) -> int:
    """Count the requests that began in the first pause after five failed requests in a row."""
    early = failures = 0
    paused_until = 0.0
    changes = [(each.end, 1, each) for each in requests] + [(each.at, 0, each) for each in requests]
    for at, is_end, request in sorted(changes, key=lambda change: change[:2]):
        if not is_end:
            early += at < paused_until
            continue
        failures = failures + 1 if request.is_fault else 0
        if failures >= _FAILURES:
            # The worker needs some time to report.
            paused_until = at + _SHORTEST_PAUSE - 2.0 if at > paused_until else paused_until
    return early


def _daily(facts: Facts, counts: Counts) -> Iterator[str]:
    days: defaultdict[str, int] = defaultdict(int)
    unsure: defaultdict[str, int] = defaultdict(int)
    api: defaultdict[str, int] = defaultdict(int)
    for event, copies in facts.copies.items():
        submission = facts.submissions.get(event)
        for copy in copies:
            if copy.host == _LIMITED_HOST and submission is not None:
                days[_day(copy.at)] += 1
                api[_day(copy.at)] += submission.kind is not Kind.SYSTEM
    for event, submission in facts.submissions.items():
        if submission.project == "limited" and (event in facts.disturbed or event in facts.lost_replies):
            unsure[_day(submission.at)] += len(submission.recipients)
    for day, number in api.items():
        if number > DAILY_LIMIT:
            yield f"{_LIMITED_HOST} took {number} copies on {day}, and its limit is {DAILY_LIMIT}"
    for (partition, page), item in counts.items():
        counted = int(item.get("n:relay smtp/day", 0))
        day = page.partition("#")[2]
        if partition == "project#limited" and counted > days[day] + unsure[day]:
            yield f"{_LIMITED_HOST} took {days[day]} copies on {day}, and {counted} are counted"
        if partition == "project#limited" and days[day] > counted + unsure[day]:
            yield f"{_LIMITED_HOST} took {days[day]} copies on {day}, and only {counted} are counted"


def _hourly(facts: Facts, records: tuple[Record, ...], counts: Counts) -> Iterator[str]:
    sure: defaultdict[tuple[str, str], int] = defaultdict(int)
    unsure: defaultdict[tuple[str, str], int] = defaultdict(int)
    for record in records:
        submission = facts.submissions[facts.event_of[record.id]]
        if submission.project is None:
            continue
        slots, known = _slots(record.created_at), len(submission.recipients)
        if submission.event in facts.disturbed or len(slots) > 1:
            left = 0
        elif submission.kind is Kind.SYNC:
            # A caller who waits gets the quota of the other recipients back, unless the queue
            # continues with them, or the stage suppresses the message.
            left = sum(isinstance(each.verdict, Accepted | Unknown) for each in record.recipients)
            is_settled = not record.has_content and record.state is not State.SUPPRESSED
            known = left if is_settled else known
        else:
            left = known
        for slot in slots:
            sure[submission.project, slot] += left
            unsure[submission.project, slot] += known - left
    for submission in facts.submissions.values():
        if submission.event in facts.disturbed and submission.project is not None:
            for answer in submission.answers:
                for slot in _slots(answer.began):
                    unsure[submission.project, slot] += len(submission.recipients)
    for (partition, page), item in counts.items():
        project = partition.removeprefix("project#")
        for name, text in item.items():
            if not name.startswith("n:project/hour-"):
                continue
            slot = f"{page.partition('#')[2]}/{name.rpartition('-')[2]}"
            low, high = sure[project, slot], sure[project, slot] + unsure[project, slot]
            if not low <= int(text) <= high:
                yield f"{project} has {text} recipients counted in {slot}, and {low} to {high} were accepted"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _slots(at: float) -> tuple[str, ...]:
    slots = {f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d/%H}" for each in (at - _EDGE_SECONDS, at + _EDGE_SECONDS)}
    return tuple(sorted(slots))
