"""The projects whose messages are held because the server transport refuses the platform."""

from copy import replace

import msgspec

from mailer.project import ProjectId

# The messages of further projects are checked by the sweep at their own times.
_MAX_WAITING = 2000


class ServerOutage(msgspec.Struct, frozen=True):
    """The projects with held messages; None is the platform itself. `number` counts the writes.

    `is_over` is true if the server transport has taken a message since.
    """

    number: int = 0
    waiting: tuple[ProjectId | None, ...] = ()
    is_over: bool = False


def note_failure(outage: ServerOutage, project_id: ProjectId | None) -> ServerOutage:
    """Note that the server transport refused the platform, and that a message of the project is held."""
    waiting = outage.waiting
    if project_id not in waiting and len(waiting) < _MAX_WAITING:
        waiting = (*waiting, project_id)
    return _changed(outage, replace(outage, waiting=waiting, is_over=False))


def note_success(outage: ServerOutage) -> ServerOutage:
    """Note that the server transport takes messages again."""
    return _changed(outage, replace(outage, is_over=bool(outage.waiting)))


def note_released(outage: ServerOutage, project_id: ProjectId | None) -> ServerOutage:
    """Note that no message of the project is held for this reason any more."""
    waiting = tuple(each for each in outage.waiting if each != project_id)
    return _changed(outage, replace(outage, waiting=waiting, is_over=outage.is_over and bool(waiting)))


def _changed(before: ServerOutage, after: ServerOutage) -> ServerOutage:
    return before if after == before else replace(after, number=before.number + 1)
