"""Who uses the system: callers of the API, the identity service, admins, and those who cancel and ask again."""

import functools
import random
from collections.abc import Callable
from copy import replace
from dataclasses import dataclass

from mailer.address import Mailbox, parse_address
from mailer.draft import Draft
from mailer.errors import KeyInFlight, LedgerUnavailable, MailerError
from mailer.idempotency import KEY_LIFETIME_SECONDS, KeyState, KeyUse, StoredAnswer, digest
from mailer.lifecycle import conclude, resurrect
from mailer.outcome import Unknown
from mailer.ports import Delivery, Superseded
from mailer.project import ProjectId
from mailer.record import OnUnknown, Record, State
from mailer.service.queue_email import queue_email
from mailer.service.send_email import Replayed, Resumed, SendReport, demand_sendable, send_email

from tests.chaos.facts import Kind, Submission, Told
from tests.chaos.schedule import Worker
from tests.chaos.world import PROJECTS, START, WITHOUT_RELAY, World

SPAN_SECONDS = 6 * 3600.0
API_SECONDS = 30.0
API_BUDGET = 24.0
_MAX_REQUESTS = 5
_CANCELLABLE = frozenset({State.QUEUED, State.DEFERRED, State.HELD})
_REPEATABLE = frozenset({State.FAILED, State.UNKNOWN, State.EXPIRED, State.CANCELLED})


@dataclass(frozen=True)
class Plan:
    """How many events, over `SPAN_SECONDS` each at its own time."""

    events: int


def schedule_events(world: World, plan: Plan) -> None:
    """Let every event happen at its time; each draws all that it is from its own randomness."""
    for event in range(plan.events):
        own = random.Random(f"{world.seed}/{event}")
        at = START + SPAN_SECONDS * (event + own.random()) / plan.events
        world.schedule.at(at, functools.partial(_happen, world, event, own))


def _happen(world: World, event: int, own: random.Random) -> None:
    kind = own.random()
    if kind < 0.93:
        submission = _submission(event, own)
        world.facts.submissions[event] = submission
        _submit(world, submission, own, requests=1)
    elif kind < 0.95:
        _edit(world, own)
    elif kind < 0.965:
        _with_some_record(world, own, _cancel)
    elif kind < 0.98:
        _with_some_record(world, own, _repeat)
    else:
        _disturb(world, own)


def _submission(event: int, own: random.Random) -> Submission:
    kind = own.choices(list(Kind), weights=[3, 4, 3])[0]
    project_id: ProjectId | None = own.choice(PROJECTS)
    if kind is Kind.SYSTEM and own.random() < 0.2:
        project_id = None
    domain = f"{project_id or 'server'}.example.net"
    count = 1 if kind is Kind.SYSTEM else own.choice([1, 1, 2, 5])
    to = tuple(Mailbox(parse_address(f"e{event}.{number}@{domain}")) for number in range(count))
    html = "<p>Hello</p>" if own.random() < 0.5 else None
    draft = Draft(to=to, subject=f"Event {event}", text="Hello\n", html=html)
    is_system = kind is Kind.SYSTEM
    return Submission(
        event=event,
        kind=kind,
        project_id=project_id,
        draft=draft,
        on_unknown=OnUnknown.RETRY if is_system or own.random() < 0.3 else OnUnknown.HOLD,
        key=f"key-{event}" if is_system or own.random() < 0.6 else None,
        valid_until=None,
    )


def _submit(world: World, submission: Submission, own: random.Random, *, requests: int) -> None:
    """Make one request and see to what its answer leads to: a caller with a key asks again where it is unsure."""
    if submission.kind is Kind.SYSTEM and requests == 1 and own.random() < 0.5:
        submission.valid_until = world.schedule.now + own.uniform(600.0, 12 * 3600.0)
    identity = f"{int(world.schedule.now * 1000):012x}{own.getrandbits(80):020x}"
    submission.ids.append(identity)
    world.facts.event_of[identity] = submission.event
    worker = Worker(f"request {submission.event}", own, world.schedule.now + API_SECONDS, event=submission.event)
    told: list[tuple[Told, str]] = []

    def work() -> None:
        told.append(_request(world, submission, identity))

    world.schedule.work(worker, work)
    answer = told[0] if told else (Told.NOTHING, identity)
    submission.told.append(answer)
    if answer[0] is Told.ACCEPTED:
        submission.named.add(answer[1])
    is_unsure = answer[0] is not Told.ACCEPTED
    # The queue of events brings back what was not accepted; a caller gives up in the end.
    is_stubborn = submission.kind is Kind.SYSTEM and is_unsure
    if submission.key is not None and (is_stubborn or (requests < _MAX_REQUESTS and (is_unsure or own.random() < 0.1))):
        delay = own.uniform(60.0, 1200.0) if is_stubborn else own.uniform(0.1, 120.0)
        world.schedule.after(delay, lambda: _submit(world, submission, own, requests=requests + 1))


def _request(world: World, submission: Submission, identity: str) -> tuple[Told, str]:
    call = _send if submission.kind is Kind.SYNC else _queue
    try:
        return call(world, submission, identity)
    except LedgerUnavailable:
        return Told.AMBIGUOUS, identity
    except KeyInFlight:
        return Told.NOTHING, identity
    except MailerError as error:
        world.facts.counts[f"refused {error.code}"] += 1
        return Told.REFUSED, identity


def _key(world: World, submission: Submission) -> KeyUse | None:
    if submission.key is None:
        return None
    expires_at = world.schedule.now + KEY_LIFETIME_SECONDS
    return KeyUse(digest("chaos", submission.key), digest("body", str(submission.event)), expires_at)


def _send(world: World, submission: Submission, identity: str) -> tuple[Told, str]:
    if submission.project_id is None:
        msg = "only projects use the API"
        raise TypeError(msg)
    report = send_email(
        submission.draft,
        submission.project_id,
        ports=world.send_ports(identity),
        deadline=world.schedule.now + API_BUDGET,
        lease_seconds=API_SECONDS + 5.0,
        key=_key(world, submission),
        on_unknown=submission.on_unknown,
        render=_rendered,
    )
    match report:
        case SendReport(record) | Resumed(record):
            return Told.ACCEPTED, record.id
        case Replayed(answer):
            return (Told.ACCEPTED if answer.status == 200 else Told.REFUSED), answer.body or identity


def _rendered(outcome: SendReport | MailerError) -> StoredAnswer:
    if isinstance(outcome, MailerError):
        return StoredAnswer(422, "", "text/plain")
    return StoredAnswer(200, outcome.id, "text/plain")


def _queue(world: World, submission: Submission, identity: str) -> tuple[Told, str]:
    is_system = submission.kind is Kind.SYSTEM
    if not is_system and submission.project_id is not None:
        ports = world.send_ports(identity)
        demand_sendable(submission.draft, submission.project_id, ports=ports, deadline=world.schedule.now + API_BUDGET)
    try:
        accepted = queue_email(
            submission.draft,
            submission.project_id,
            ports=world.queue_ports(),
            id=identity,
            key=_key(world, submission),
            on_unknown=submission.on_unknown,
            origin="PasswordResetRequested" if is_system else None,
            request_id=submission.key if is_system else None,
            valid_until=submission.valid_until,
        )
    except Superseded:
        # A repeated write of the same request.
        return Told.ACCEPTED, identity
    match accepted:
        case Record(id=known) | KeyState(id=known):
            return Told.ACCEPTED, known


def _edit(world: World, own: random.Random) -> None:
    project_id = own.choice(PROJECTS[: -len(WITHOUT_RELAY)])
    world.secrets.edit(project_id, own)
    world.facts.counts["secret edits"] += 1
    # Most admins notice that nothing works any more.
    if own.random() < 0.8:
        world.schedule.after(own.uniform(60.0, 5400.0), lambda: world.secrets.choose_relay(project_id))


def _with_some_record(world: World, own: random.Random, act: Callable[[World, Record], None]) -> None:
    """Let somebody act on a message that was handed in before."""
    if not world.facts.submissions:
        return
    latest = max(world.facts.submissions)
    wanted = own.randint(max(0, latest - 200), latest)
    submission = world.facts.submissions.get(wanted)
    if submission is None or not submission.named:
        return
    identity = max(submission.named)
    worker = Worker("somebody", own, world.schedule.now + API_SECONDS)

    def work() -> None:
        try:
            record = world.ledger.find(submission.project_id, identity)
            if record is not None:
                act(world, record)
        except (LedgerUnavailable, Superseded):
            return

    world.schedule.work(worker, work)


def _cancel(world: World, record: Record) -> None:
    if record.state in _CANCELLABLE:
        world.ledger.replace(conclude(record, State.CANCELLED, "asked", now=world.schedule.now))
        world.facts.counts["cancellations"] += 1


def _repeat(world: World, record: Record) -> None:
    if not (record.is_final and record.state in _REPEATABLE and record.has_content):
        return
    submission = world.facts.submissions[world.facts.event_of[record.id]]
    if record.state is State.UNKNOWN or any(isinstance(each.verdict, Unknown) for each in record.recipients):
        submission.repeats_granted += 1
    world.ledger.replace(replace(resurrect(record, now=world.schedule.now)))
    world.queue.send([Delivery(record.project_id, record.id)])
    world.facts.counts["repeats asked for"] += 1


def _disturb(world: World, own: random.Random) -> None:
    """Take something away for a while."""
    seconds = own.uniform(30.0, 1500.0)
    site = own.choice(list(world.network.sites.values()))

    def end() -> None:
        site.is_down = site.is_slow = False
        world.memory.failing = world.drafts.failing = world.secrets.unavailable = False

    match own.randrange(8):
        case 0:
            world.memory.failing = True
            seconds = min(seconds, 300.0)
        case 1:
            world.drafts.failing = True
            seconds = min(seconds, 300.0)
        case 2:
            world.secrets.unavailable = True
            seconds = min(seconds, 300.0)
        case 3 | 4:
            site.is_slow = True
        case _:
            site.is_down = True
    world.facts.counts["disturbances"] += 1
    world.schedule.after(seconds, end)
