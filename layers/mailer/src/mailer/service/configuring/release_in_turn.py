"""Release a project's held messages, one release at a time."""

import math
from collections.abc import Callable

from mailer.errors import LedgerUnavailable
from mailer.ledger.release_turn import ReleaseTurn, begin, end, go_on, want_again
from mailer.ports import ConfigurationPorts, WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.release_held import Condition, Released, release_held

_TRIES = 6


def release_in_turn(
    project_id: ProjectId, *, ports: ConfigurationPorts, condition: Condition, beyond: str | None
) -> Released | None:
    """Release a part of the held messages, and request the next part; None if another release runs.

    Then one more release is requested for its end, because messages may have been held again meanwhile. `beyond` is the
    id after which a release continues. Raises `LedgerUnavailable`.
    """
    taken = _write(project_id, ports, lambda turn: _take(turn, beyond, ports.timestamp()))
    if taken is None:
        return None
    if taken.is_wanted_again:
        wait = math.ceil(taken.until - ports.timestamp()) + 1
        ports.validations.send([project_id], after_seconds=max(1, wait))
        return None
    released = release_held(project_id, ports=ports, now=ports.timestamp(), condition=condition, beyond=beyond)
    _write(
        project_id,
        ports,
        lambda turn: end(turn, now=ports.timestamp(), seconds=released.seconds, beyond=released.beyond),
    )
    if released.beyond is not None:
        ports.validations.send([project_id], after_seconds=max(1, released.seconds), beyond=released.beyond)
    return released


def _take(turn: ReleaseTurn, beyond: str | None, now: float) -> ReleaseTurn | None:
    if beyond is not None:
        return go_on(turn, now=now) if turn.continues(beyond, now=now) else None
    if not turn.is_running(now=now):
        return begin(turn, now=now)
    return None if turn.is_wanted_again else want_again(turn)


def _write(
    project_id: ProjectId, ports: ConfigurationPorts, change: Callable[[ReleaseTurn], ReleaseTurn | None]
) -> ReleaseTurn | None:
    for _ in range(_TRIES):
        changed = change(ports.ledger.release_turn(project_id))
        if changed is None:
            return None
        try:
            ports.ledger.save_release_turn(project_id, changed)
        except WriteConflict:
            continue
        return changed
    raise LedgerUnavailable
