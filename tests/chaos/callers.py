"""The callers: API callers and the identity service. They repeat requests as real clients do."""

import functools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailer.ledger.record import OnUnknown

from tests.chaos.admins import ask_again, break_site, cancel, change_by_api, disturb, edit_secret, leave_broken
from tests.chaos.deployment import SYSTEM
from tests.chaos.facts import Answered, Kind, Submission, Told
from tests.chaos.projects import PROFILES
from tests.chaos.schedule import Worker
from tests.chaos.world import START, World

SPAN_SECONDS = 6 * 3600.0
FUNCTION_SECONDS = 29.0
BATCH = 6
_MAX_REQUESTS = 5
_FIRST_OF_BURSTS = 100_000_000
_IN_A_BURST = 40
# These answers say that the message may have been stored; docs/problems.md names them.
_TOLD = {
    "acceptance-unknown": Told.AMBIGUOUS,
    "internal-error": Told.AMBIGUOUS,
    "idempotency-key-in-flight": Told.NOTHING,
}
_ROUTE = "POST /v1/projects/{projectId}/emails"


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
    for action, number in _ACTIONS.items():
        for _ in range(number):
            world.schedule.at(START + admin.uniform(0.0, SPAN_SECONDS), functools.partial(action, world, admin))
    # The indexes lag in the second half of the run.
    world.schedule.at(START + SPAN_SECONDS / 2, functools.partial(setattr, world, "has_lag", True))
    for event in range(plan.events):
        own = random.Random(f"{world.seed}/{event}")
        at = START + SPAN_SECONDS * (event + own.random()) / plan.events
        world.schedule.at(at, functools.partial(_happen, world, event, own))


def _happen(world: World, event: int, own: random.Random) -> None:
    kind = own.random()
    if kind < 0.97:
        submit_one(world, event, own)
    elif kind < 0.985:
        cancel(world, own)
    else:
        ask_again(world, own)


def burst(world: World, own: random.Random) -> None:
    """Hand in many messages of one project at once; most of the bursts meet a relay that does not answer."""
    profile = own.choice([each for each in PROFILES if len(each.hosts) == 1])
    if own.random() < 0.7:
        break_site(world, profile.hosts[0], own.uniform(300.0, 900.0))
    first = _FIRST_OF_BURSTS + len(world.facts.submissions)
    for event in range(first, first + _IN_A_BURST):
        recipients = _recipients(event, profile.name, Kind.SYSTEM, own)
        submission = Submission(
            event, Kind.ASYNC, profile.name, recipients, OnUnknown.HOLD, key=f"key-{event}", at=world.schedule.now
        )
        world.facts.submissions[event] = submission
        _request(world, [submission], random.Random(f"{world.seed}/{event}"), requests=1)


# How often each happens in a run.
_ACTIONS: Mapping[Callable[[World, random.Random], None], int] = {
    edit_secret: 12,
    change_by_api: 8,
    disturb: 16,
    burst: 6,
}


def submit_one(world: World, event: int, own: random.Random) -> None:
    """Hand in one message, or several in a batch."""
    kind = own.choices(list(Kind), weights=[30, 35, 5, 30])[0]
    project: str | None = own.choices([each.name for each in PROFILES], [each.weight for each in PROFILES])[0]
    if kind is Kind.SYSTEM and own.random() < 0.2:
        project = None
    has_key = kind is Kind.SYSTEM or own.random() < 0.6
    numbers = [event] if kind is not Kind.BATCH else [event + place * 1_000_000 for place in range(BATCH)]
    on_unknown = OnUnknown.RETRY if kind is Kind.SYSTEM or own.random() < 0.3 else OnUnknown.HOLD
    submissions = [
        Submission(
            event=number,
            kind=kind,
            project=project,
            recipients=_recipients(number, project, kind, own),
            on_unknown=on_unknown,
            key=f"key-{event}" if has_key else None,
            at=world.schedule.now,
            batch=event if kind is Kind.BATCH else None,
        )
        for number in numbers
    ]
    for each in submissions:
        world.facts.submissions[each.event] = each
    if kind is Kind.SYSTEM:
        if own.random() < 0.5:
            submissions[0].valid_until = float(int(world.schedule.now + own.uniform(60.0, 12 * 3600.0)))
        _publish(world, submissions[0], own)
    else:
        _request(world, submissions, own, requests=1)


def _recipients(event: int, project: str | None, kind: Kind, own: random.Random) -> tuple[str, ...]:
    count = 1 if kind is Kind.SYSTEM else own.choice([1, 1, 2, 5])
    return tuple(f"event-{event}-{number}@{project or 'server'}.example.net" for number in range(count))


def _body(submission: Submission) -> dict[str, object]:
    body: dict[str, object] = {
        "to": list(submission.recipients),
        "subject": f"event-{submission.event}-",
        "text": "Hello\n",
        "on_unknown": submission.on_unknown.value,
    }
    if submission.event % 2:
        body["html"] = "<p>Hello</p>"
    return body


def _request(world: World, submissions: list[Submission], own: random.Random, *, requests: int) -> None:
    """Make one request, and repeat it as a client does."""
    first, began = submissions[0], world.schedule.now
    worker = Worker(f"request {first.event}", own, began + FUNCTION_SECONDS)
    worker.event = first.event if first.batch is None else None
    worker.events.update(each.event for each in submissions)
    answers: list[tuple[int, Any]] = []

    def work() -> None:
        headers = {} if first.key is None else {"idempotency-key": first.key}
        path = f"/v1/projects/{first.project}/emails"
        if first.kind is Kind.ASYNC:
            headers["prefer"] = "respond-async"
        if first.batch is None:
            parts: dict[str, Any] = {"body": _body(first)}
            route = _ROUTE
        else:
            parts = {"body": [_body(each) for each in submissions]}
            route, path = f"{_ROUTE}/batch", f"{path}/batch"
        parts.update(project=first.project, headers=headers)
        answers.append(world.deployment.request("send", "POST", path, route, **parts))

    def ended(_was_completed: bool) -> None:
        status, body = answers[0] if answers else (0, None)
        for place, each in enumerate(submissions):
            each.answers.append(_understood(world, each, status, body, place, began))
        answer = first.answers[-1]
        if requests < _MAX_REQUESTS and _repeats(submissions, answer, own):
            again = functools.partial(_request, world, submissions, own, requests=requests + 1)
            world.schedule.after(own.uniform(0.1, 120.0), again)

    world.schedule.start(worker, work, ended)


def _repeats(submissions: list[Submission], answer: Answered, own: random.Random) -> bool:
    """Tell whether a client repeats: with a key after every unclear answer, without one only if that is safe."""
    if submissions[0].key is not None:
        return answer.told is not Told.ACCEPTED or own.random() < 0.1
    return answer.told is Told.REFUSED and answer.retryable


def _understood(world: World, each: Submission, status: int, body: Any, place: int, began: float) -> Answered:
    """Return what an answer tells its caller about one message."""
    ids = tuple(id for id, event in world.facts.event_of.items() if event == each.event) if status >= 400 else ()
    answered = functools.partial(Answered, began=began, at=world.schedule.now, ids=ids)
    if status == 0:
        return answered(Told.NOTHING)
    if status >= 400:
        code = str(body["code"])
        world.facts.counts[f"refused {code}"] += 1
        return answered(_told(code, each), named=body.get("id"), code=code, retryable=bool(body["retryable"]))
    if each.batch is None:
        named = str(body["id"])
        return answered(Told.ACCEPTED, named=named, code=body["status"], accepted=tuple(body.get("accepted", ())))
    item = body["emails"][place]
    if "code" in item:
        return answered(_told(item["code"], each), code=item["code"], retryable=True)
    return answered(Told.ACCEPTED, named=item["id"], code=item["status"])


def _told(code: str, submission: Submission) -> Told:
    """Return what an error says about a message. With a key, a repeated request leads to the stored message."""
    if code == "ledger-unavailable" and submission.key is not None:
        return Told.AMBIGUOUS
    return _TOLD.get(code, Told.REFUSED)


def _publish(world: World, submission: Submission, own: random.Random) -> None:
    """Put a lifecycle event on the bus; some arrive twice."""
    detail: dict[str, object] = {
        "requestId": str(submission.key),
        "user": {"email": submission.recipients[0]},
        "link": f"https://app.platform.example/reset/event-{submission.event}-",
    }
    if submission.project is not None:
        detail["projectId"] = submission.project
    if submission.valid_until is not None:
        detail["expiresAt"] = datetime.fromtimestamp(submission.valid_until, UTC).isoformat()
    event = {"id": str(submission.event), "detail-type": "PasswordResetRequested", "source": "id", "detail": detail}
    for _ in range(2 if own.random() < 0.05 else 1):
        world.queues[SYSTEM].put(json.dumps(event), own.uniform(0.0, 30.0))
