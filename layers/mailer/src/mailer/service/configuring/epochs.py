"""Write the epoch of a project's secret, so that no function uses an older reading of it."""

import logging
from collections.abc import Callable
from functools import partial

from mailer.errors import LedgerUnavailable
from mailer.ledger.epoch import (
    Epoch,
    advance,
    begin_change,
    cancel_change,
    decide_held,
    end_change,
    note_transport,
)
from mailer.ledger.held import HeldChoice
from mailer.ports import LedgerPorts, WriteConflict
from mailer.project import ProjectId

_TRIES = 6
_LOGGER = logging.getLogger(__name__)


def advance_epoch(project_id: ProjectId, ports: LedgerPorts, *, edited_at: float | None = None) -> Epoch:
    """Make every function read the secret again, and return the new epoch; raises `LedgerUnavailable`.

    `edited_at` is the time of the edit that is the reason.
    """
    return _write(project_id, ports, partial(advance, now=ports.timestamp(), edited_at=edited_at))


def announce_change(project_id: ProjectId, ports: LedgerPorts, *, removes: bool) -> int:
    """Announce a change before it is made, and return its number; raises `LedgerUnavailable`.

    Until the change is reported, no function uses its cache for this project. If the change removes the project's
    transport (`removes`), waiting messages stay held meanwhile.
    """
    try:
        return _write(project_id, ports, partial(begin_change, now=ports.timestamp(), removes=removes)).number
    except LedgerUnavailable:
        raise LedgerUnavailable(
            "The change cannot be recorded at the moment, so nothing was stored. Try again."
        ) from None


def report_change(
    project_id: ProjectId,
    number: int,
    ports: LedgerPorts,
    *,
    version_id: str,
    replaced: str | None,
    configures: bool,
    choice: HeldChoice | None,
) -> bool:
    """Report that an announced change was made, with its choice about waiting messages; False if it is not recorded.

    Without a choice a failure does no harm: then the caches stay unused for two minutes, and keep nothing that they
    read in that time.
    """
    change = partial(
        end_change,
        number=number,
        version_id=version_id,
        replaced=replaced,
        now=ports.timestamp(),
        configures=configures,
        choice=choice,
    )
    return _try_to_write(project_id, ports, change)


def withdraw_change(project_id: ProjectId, number: int, ports: LedgerPorts) -> None:
    """Report that an announced change was not made. A failure does no harm, as in `report_change`."""
    _try_to_write(project_id, ports, partial(cancel_change, number=number, now=ports.timestamp()))


def record_choice(project_id: ProjectId, choice: HeldChoice, ports: LedgerPorts, *, is_removed: bool) -> None:
    """Record an admin's choice about waiting messages; raises `LedgerUnavailable`."""
    _write(project_id, ports, partial(decide_held, choice=choice, is_removed=is_removed, now=ports.timestamp()))


def record_transport(project_id: ProjectId, number: int, ports: LedgerPorts) -> None:
    """Record that a transport was configured in the epoch `number`; raises `LedgerUnavailable`."""
    _write(project_id, ports, partial(note_transport, number=number, now=ports.timestamp()))


def try_to_record_transport(project_id: ProjectId, number: int, ports: LedgerPorts) -> None:
    """Do what `record_transport` does; if the ledger does not answer, the next validation does it."""
    _try_to_write(project_id, ports, partial(note_transport, number=number, now=ports.timestamp()))


def _try_to_write(project_id: ProjectId, ports: LedgerPorts, change: Callable[[Epoch], Epoch]) -> bool:
    try:
        _write(project_id, ports, change)
    except LedgerUnavailable:
        _LOGGER.warning("epoch not written", extra={"project_id": project_id})
        return False
    return True


def _write(project_id: ProjectId, ports: LedgerPorts, change: Callable[[Epoch], Epoch]) -> Epoch:
    for _ in range(_TRIES):
        known = ports.ledger.epoch(project_id)
        changed = change(known)
        if changed is known:
            return known
        try:
            ports.ledger.save_epoch(project_id, changed)
        except WriteConflict:
            continue
        return changed
    raise LedgerUnavailable
