"""Release the messages that were held because the server transport refused the platform.

During an outage the sweep has one of them tried each minute. When the server transport takes it, the others are
released.
"""

import logging
from collections.abc import Callable
from functools import partial

from mailer.errors import LedgerUnavailable
from mailer.ledger.lifecycle import recheck
from mailer.ledger.record import Record, State
from mailer.ledger.server_outage import ServerOutage, note_failure, note_released, note_success
from mailer.ports import Delivery, LedgerPorts, WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.release_held import AT_A_TIME, Condition, release_held
from mailer.smtp.outcome import RelayFault

_REASON = RelayFault.SERVER_TRANSPORT_FAILED.value
_PROJECTS_AT_A_TIME = 50
_TRIES = 6
_LOGGER = logging.getLogger(__name__)


def note_server_result(before: Record, after: Record, ports: LedgerPorts) -> None:
    """Note what an attempt by the server transport says about it; a failure of the ledger is only logged."""
    try:
        if _is_held_for_server(after):
            _write(ports, partial(note_failure, project_id=after.project_id))
        elif before.reason == _REASON:
            _write(ports, note_success)
    except LedgerUnavailable:
        _LOGGER.warning("state of the server transport not recorded", extra={"id": after.id})


def declare_server_works(ports: LedgerPorts) -> None:
    """Let the next sweep release all messages that wait for the server transport; raises `LedgerUnavailable`."""
    _write(ports, note_success)


def release_after_outage(ports: LedgerPorts) -> int:
    """Release a part of each project's messages if the outage is over; otherwise have one message tried.

    Returns how many messages were released. Raises `LedgerUnavailable`.
    """
    outage = ports.ledger.server_outage()
    if outage.is_over:
        return sum(_release(project_id, ports) for project_id in outage.waiting[:_PROJECTS_AT_A_TIME])
    for project_id in outage.waiting[:_PROJECTS_AT_A_TIME]:
        if _try_one(project_id, ports):
            break
        _write(ports, partial(note_released, project_id=project_id))
    return 0


def _release(project_id: ProjectId | None, ports: LedgerPorts) -> int:
    """Release the first part of a project's messages that has such a message."""
    condition, beyond = Condition(only=_REASON), None
    while True:
        released = release_held(project_id, ports=ports, now=ports.timestamp(), condition=condition, beyond=beyond)
        beyond = released.beyond
        if released.count or beyond is None:
            break
    if beyond is None:
        _write(ports, partial(note_released, project_id=project_id))
    return released.count


def _try_one(project_id: ProjectId | None, ports: LedgerPorts) -> bool:
    """Call a worker for one of the project's messages; False if there is none."""
    beyond: str | None = None
    while ids := ports.ledger.ids_in_state(project_id, State.HELD, after=beyond, limit=AT_A_TIME):
        if any(_try_message(project_id, id, ports) for id in ids):
            return True
        beyond = ids[-1]
    return False


def _try_message(project_id: ProjectId | None, id: str, ports: LedgerPorts) -> bool:
    """Call a worker for the message if it waits for the server transport; raises only `LedgerUnavailable`."""
    try:
        record = ports.ledger.find(project_id, id)
        if record is None or not _is_held_for_server(record):
            return False
        ports.ledger.replace(recheck(record, now=ports.timestamp()))
    except WriteConflict:
        return False
    except LedgerUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 -- one bad record must not hide the others
        _LOGGER.error("held message not tried", extra={"id": id, "error_type": type(error).__name__})
        return False
    ports.queue.send([Delivery(project_id, id)])
    return True


def _is_held_for_server(record: Record) -> bool:
    return record.state is State.HELD and record.reason == _REASON


def _write(ports: LedgerPorts, change: Callable[[ServerOutage], ServerOutage]) -> None:
    for _ in range(_TRIES):
        known = ports.ledger.server_outage()
        changed = change(known)
        if changed is known:
            return
        try:
            ports.ledger.save_server_outage(changed)
        except WriteConflict:
            continue
        return
    raise LedgerUnavailable
