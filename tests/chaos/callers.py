"""The callers: API callers and the identity service, and their reactions to answers."""

import functools
import random
from dataclasses import dataclass

from mailer.adapters.templates import JinjaTemplates
from mailer.errors import KeyInFlight, LedgerUnavailable, MailerError
from mailer.ledger.idempotency import KEY_LIFETIME_SECONDS, KeyState, KeyUse, StoredAnswer, digest
from mailer.ledger.record import OnUnknown, Record
from mailer.message.address import Mailbox, parse_address
from mailer.message.draft import Draft
from mailer.ports import WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.accept_emails import Accepted
from mailer.service.sending.demand_sendable import demand_sendable
from mailer.service.sending.queue_email import queue_email
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_email import send_email
from mailer.service.sending.send_outcome import SendReport
from mailer.service.system_email import make_system_email
from mailer.system_email.event import EventType, LifecycleEvent, User

from tests.chaos.admins import ask_again, cancel, disturb, edit_secret, leave_broken
from tests.chaos.facts import Kind, Submission, Told
from tests.chaos.schedule import Worker
from tests.chaos.world import PROJECTS, START, World

TEMPLATES = JinjaTemplates()
SPAN_SECONDS = 6 * 3600.0
API_SECONDS = 30.0
API_BUDGET = 24.0
_MAX_REQUESTS = 5


@dataclass(frozen=True)
class Plan:
    """The number of events, spread over `SPAN_SECONDS`."""

    events: int


def schedule_events(world: World, plan: Plan) -> None:
    """Schedule every event; each has its own random generator."""
    admin = random.Random(f"{world.seed}/admin")
    for _ in range(2):
        # Messages that are held at the end.
        at = START + SPAN_SECONDS - admin.uniform(600.0, 1800.0)
        world.schedule.at(at, functools.partial(leave_broken, world, admin))
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
        edit_secret(world, own)
    elif kind < 0.965:
        cancel(world, own)
    elif kind < 0.98:
        ask_again(world, own)
    else:
        disturb(world, own)


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
    """Make one request and react to its answer: a caller with a key repeats it after an uncertain answer."""
    if submission.kind is Kind.SYSTEM and requests == 1 and own.random() < 0.5:
        submission.valid_until = world.schedule.now + own.uniform(60.0, 12 * 3600.0)
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
    # The event queue redelivers refused events; an API caller gives up in the end.
    is_stubborn = submission.kind is Kind.SYSTEM and is_unsure
    if submission.key is not None and (is_stubborn or (requests < _MAX_REQUESTS and (is_unsure or own.random() < 0.1))):
        delay = own.uniform(60.0, 1200.0) if is_stubborn else own.uniform(0.1, 120.0)
        world.schedule.after(delay, lambda: _submit(world, submission, own, requests=requests + 1))


def _request(world: World, submission: Submission, identity: str) -> tuple[Told, str]:
    calls = {Kind.SYNC: _send, Kind.ASYNC: _queue, Kind.SYSTEM: _make_system_email}
    try:
        return calls[submission.kind](world, submission, identity)
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
        record_by=world.schedule.now + API_SECONDS - 1.5,
        lease_seconds=API_SECONDS + 5.0,
        key=_key(world, submission),
        on_unknown=submission.on_unknown,
        render=_rendered,
    )
    match report:
        case SendReport(record) | Resumed(record):
            return Told.ACCEPTED, record.id
        case Accepted(id=id):
            return Told.ACCEPTED, id
        case Replayed(answer):
            return (Told.ACCEPTED if answer.status == 200 else Told.REFUSED), answer.body or identity


def _rendered(outcome: SendReport | Accepted | MailerError) -> StoredAnswer:
    if isinstance(outcome, MailerError):
        return StoredAnswer(422, "", "text/plain")
    return StoredAnswer(200, outcome.id, "text/plain")


def _queue(world: World, submission: Submission, identity: str) -> tuple[Told, str]:
    if submission.project_id is None:
        msg = "only projects use the API"
        raise TypeError(msg)
    ports = world.send_ports(identity)
    demand_sendable(submission.draft, submission.project_id, ports=ports, deadline=world.schedule.now + API_BUDGET)
    try:
        accepted = queue_email(
            submission.draft,
            submission.project_id,
            ports=world.send_ports(),
            id=identity,
            key=_key(world, submission),
            on_unknown=submission.on_unknown,
        )
    except WriteConflict:
        # A repeated write of the same request.
        return Told.ACCEPTED, identity
    match accepted:
        case Record(id=known) | KeyState(id=known):
            return Told.ACCEPTED, known


def _make_system_email(world: World, submission: Submission, identity: str) -> tuple[Told, str]:
    event = LifecycleEvent(
        type=EventType.PASSWORD_RESET_REQUESTED,
        request_id=str(submission.key),
        user=User(submission.draft.to[0].address),
        project_id=submission.project_id,
        link="https://app.platform.example/setpassword/1/2",
        expires_at=submission.valid_until,
    )
    report = make_system_email(event, ports=world.send_ports(identity), templates=TEMPLATES)
    return Told.ACCEPTED, report.id
