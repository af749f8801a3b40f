"""Actions on the system: admins edit secrets, callers cancel or retry, and parts fail."""

import functools
import random
from collections.abc import Callable

from mailer.errors import LedgerUnavailable, NotPossibleNow
from mailer.ledger.record import Record, State
from mailer.project import ProjectId
from mailer.service.configuring.validate_project import SENDABLE, validate_project
from mailer.service.sending.manage_email import cancel_email, retry_email
from mailer.service.sending.release_held import release_held

from tests.chaos.schedule import Worker
from tests.chaos.world import PROJECTS, WITHOUT_RELAY, World

WITH_RELAY = PROJECTS[: -len(WITHOUT_RELAY)]
REQUEST_SECONDS = 30.0
VALIDATION_SECONDS = 60.0
_ENDED_OTHERWISE = frozenset({State.UNKNOWN, State.EXPIRED, State.FAILED, State.CANCELLED, State.HELD, State.DEFERRED})


def edit_secret(world: World, own: random.Random) -> None:
    """Edit a project's secret; most admins correct a broken one later."""
    project_id = own.choice(WITH_RELAY)
    world.secrets.edit(project_id, own)
    world.facts.counts["secret edits"] += 1
    _notice_change(world, project_id, own)
    if own.random() < 0.8:
        world.schedule.after(own.uniform(60.0, 5400.0), functools.partial(_mend, world, project_id, own))


def leave_broken(world: World, own: random.Random) -> None:
    """Break a project's secret for good."""
    project_id = own.choice(WITH_RELAY)
    world.secrets.break_it(project_id, own)
    world.secrets.are_left.add(project_id)


def cancel(world: World, own: random.Random) -> None:
    """Cancel a message that is not final."""
    record = _some_record(world, own, lambda record: not record.is_final)
    if record is None:
        return

    def act(project_id: ProjectId, id: str) -> None:
        world.facts.submissions[world.facts.event_of[id]].cancellations += 1
        cancel_email(project_id, id, ports=world.send_ports())
        world.facts.counts["cancellations"] += 1

    _act(world, own, record, act)


def ask_again(world: World, own: random.Random) -> None:
    """Retry a message that is not sent."""
    record = _some_record(world, own, lambda record: record.state in _ENDED_OTHERWISE and record.has_content)
    if record is None:
        return

    def act(project_id: ProjectId, id: str) -> None:
        submission = world.facts.submissions[world.facts.event_of[id]]
        before = world.memory.find(project_id, id)
        # Recorded first: the caller may never get the answer.
        if before is not None and (_may_have_copy(before) or before.state is State.SENDING):
            submission.repeats_granted += 1
        retry_email(project_id, id, ports=world.send_ports())
        world.facts.counts["repeats asked for"] += 1

    _act(world, own, record, act)


def _may_have_copy(record: Record) -> bool:
    return any(each.possible_copy is not None for each in record.recipients)


def disturb(world: World, own: random.Random) -> None:
    """Make a part unavailable for a while."""
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


def _mend(world: World, project_id: ProjectId, own: random.Random) -> None:
    if project_id not in world.secrets.are_left:
        world.secrets.choose_relay(project_id)
        _notice_change(world, project_id, own)


def _notice_change(world: World, project_id: ProjectId, own: random.Random) -> None:
    """Validate the change, unless its event is lost; some events arrive twice."""
    for _ in range(own.choices([0, 1, 2], weights=[10, 85, 5])[0]):
        world.schedule.after(own.uniform(1.0, 30.0), functools.partial(_validate, world, project_id, own))


def _validate(world: World, project_id: ProjectId, own: random.Random, beyond: str | None = None) -> None:
    """What the function `validate_secrets` does with a change."""
    worker = Worker(f"validate {project_id}", own, world.schedule.now + VALIDATION_SECONDS)
    ports = world.configuration_ports()

    def work() -> None:
        now = world.schedule.now
        try:
            update = validate_project(
                project_id,
                ports=ports,
                now=now,
                deadline=now + REQUEST_SECONDS,
            )
            if update.health.state not in SENDABLE:
                return
            released = release_held(project_id, ports=ports, now=world.schedule.now, beyond=beyond)
        except LedgerUnavailable:
            world.schedule.after(60.0, functools.partial(_validate, world, project_id, own, beyond))
            return
        world.facts.counts["released"] += released.count
        if released.beyond is not None:
            world.schedule.after(
                released.seconds, functools.partial(_validate, world, project_id, own, released.beyond)
            )

    world.schedule.work(worker, work)


def _some_record(world: World, own: random.Random, wanted: Callable[[Record], bool]) -> Record | None:
    """Choose one of a project's messages in these states."""
    records = [each for each in world.memory.records if each.project_id is not None and wanted(each)]
    return own.choice(records) if records else None


def _act(world: World, own: random.Random, record: Record, act: Callable[[ProjectId, str], None]) -> None:
    worker = Worker("admin", own, world.schedule.now + REQUEST_SECONDS)

    def work() -> None:
        if record.project_id is None:
            return
        try:
            act(record.project_id, record.id)
        except (LedgerUnavailable, NotPossibleNow):
            return

    world.schedule.work(worker, work)
