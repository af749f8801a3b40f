"""Actions on the system: admins edit secrets, callers cancel or retry, and parts fail."""

import functools
import random
from collections.abc import Callable

from mailer.ledger.record import Record, State

from tests.chaos.projects import PROFILES
from tests.chaos.schedule import Worker
from tests.chaos.world import World

WITH_RELAY = tuple(profile.name for profile in PROFILES if profile.hosts)
REQUEST_SECONDS = 29.0
_ENDED_OTHERWISE = frozenset({State.UNKNOWN, State.EXPIRED, State.FAILED, State.CANCELLED, State.HELD, State.DEFERRED})
_CANCELLABLE = frozenset({State.QUEUED, State.CLAIMED, State.SENDING, State.DEFERRED, State.HELD, State.UNKNOWN})
_CONFIG = "/v1/projects/{projectId}/email-config"


def edit_secret(world: World, own: random.Random) -> None:
    """Edit a project's secret; most admins correct a broken one later."""
    project = own.choice(WITH_RELAY)
    world.projects.edit(project, own)
    world.facts.counts["secret edits"] += 1
    if own.random() < 0.9:
        world.schedule.after(own.uniform(60.0, 1800.0), functools.partial(_mend, world, project))


def change_by_api(world: World, own: random.Random) -> None:
    """Change a project's secret over the API: store its entries, remove its relay, or ask for a validation."""
    project = own.choice(WITH_RELAY)
    match own.randrange(3):
        case 0:
            body = {"entries": world.projects.entries(project)}
            _ask(world, own, project, "project_config", "PUT", "", body)
        case 1:
            _ask(world, own, project, "project_config", "DELETE", "", None)
            world.schedule.after(own.uniform(60.0, 1800.0), functools.partial(_mend, world, project))
        case _:
            _ask(world, own, project, "project_config", "POST", "/validate", {})


def leave_broken(world: World, own: random.Random) -> None:
    """Break a project's secret for good."""
    project = own.choice(WITH_RELAY)
    world.projects.break_it(project, own)
    world.projects.are_left.add(project)


def cancel(world: World, own: random.Random) -> None:
    """Cancel a message that is not final."""
    record = _some_record(world, own, _CANCELLABLE, lambda record: not record.is_final)
    if record is not None:
        world.facts.submissions[world.facts.event_of[record.id]].cancellations += 1
        _act(world, own, record, "cancel")


def ask_again(world: World, own: random.Random) -> None:
    """Retry a message that is not sent."""
    record = _some_record(world, own, _ENDED_OTHERWISE, lambda record: record.has_content)
    if record is None:
        return
    submission = world.facts.submissions[world.facts.event_of[record.id]]
    submission.retries += 1
    # Recorded first: the caller may never get the answer.
    may_have_copy = any(each.possible_copy is not None for each in record.recipients)
    if may_have_copy or record.state is State.SENDING or record.accepted:
        submission.repeats_granted += 1
    _act(world, own, record, "retry")


def disturb(world: World, own: random.Random) -> None:
    """Make a part unavailable for a while."""
    seconds = own.uniform(30.0, 1500.0)
    host = own.choice(list(world.network.sites))
    now = world.schedule.now
    service = {0: "ledger", 1: "content", 2: "secrets"}.get(own.randrange(12))
    if service is not None:
        if service not in world.calls.down:
            world.calls.down.add(service)
            world.facts.trouble(None, f"{service} down", now)
            world.schedule.after(min(seconds, 300.0), functools.partial(_repair, world, service))
        return
    break_site(world, host, seconds, is_slow=own.random() < 0.3)


def break_site(world: World, host: str, seconds: float, *, is_slow: bool = False) -> None:
    """Make a relay unreachable or slow for a while."""
    site, now = world.network.sites[host], world.schedule.now
    kind = f"{host} {'slow' if is_slow else 'down'}"
    if site.is_slow or site.is_down:
        return
    site.is_slow, site.is_down = is_slow, not is_slow
    world.facts.trouble(site.owner, kind, now)
    world.facts.counts["disturbances"] += 1

    def end() -> None:
        site.is_slow = site.is_down = False
        world.facts.relieve(site.owner, kind, world.schedule.now)

    world.schedule.after(seconds, end)


def _repair(world: World, service: str) -> None:
    world.calls.down.discard(service)
    world.facts.relieve(None, f"{service} down", world.schedule.now)


def _mend(world: World, project: str) -> None:
    if project not in world.projects.are_left:
        world.projects.choose_relay(project)


def _some_record(
    world: World, own: random.Random, states: frozenset[State], wanted: Callable[[Record], bool]
) -> Record | None:
    """Choose one of a project's messages in these states."""
    records = [each for each in world.records_in(states) if each.project_id is not None and wanted(each)]
    return own.choice(records) if records else None


def _act(world: World, own: random.Random, record: Record, action: str) -> None:
    path, key = f"/emails/{record.id}/{action}", f"/v1/projects/{{projectId}}/emails/{{emailId}}/{action}"
    parameters = {"emailId": record.id}
    _run(world, own, str(record.project_id), "send", "POST", path, key, {"parameters": parameters})
    world.facts.counts[f"asked to {action}"] += 1


def _ask(world: World, own: random.Random, project: str, function: str, method: str, rest: str, body: object) -> None:
    parts = {} if body is None else {"body": body}
    _run(world, own, project, function, method, f"/email-config{rest}", f"{method} {_CONFIG}{rest}", parts)


def _run(
    world: World,
    own: random.Random,
    project: str,
    function: str,
    method: str,
    path: str,
    key: str,
    parts: dict[str, object],
) -> None:
    worker = Worker(f"admin {path}", random.Random(own.random()), world.schedule.now + REQUEST_SECONDS)

    def work() -> None:
        whole, route = f"/v1/projects/{project}{path}", key if " " in key else f"POST {key}"
        status, _ = world.deployment.request(function, method, whole, route, project=project, **parts)
        world.facts.counts[f"admin {method} {path.partition('/')[2].partition('/')[0]} {status}"] += 1

    world.schedule.start(worker, work, lambda _completed: None)
