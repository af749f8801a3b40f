"""Recognise a repeated request by its idempotency key, and find what the first request has led to.

A key leads to a new message only if no recipient of its first message has a copy, or may have one. Otherwise the
queue serves the other recipients with the stored content; the content of the repeated request is never used.
"""

from copy import replace

import msgspec

from mailer.errors import KeyInFlight, KeyReused
from mailer.ledger.idempotency import KeyState, KeyUse, StoredAnswer
from mailer.ledger.lifecycle import Assessment, Reason, assess, conclude, settle_lost
from mailer.ledger.record import Record, State
from mailer.ports import SendPorts, WriteConflict
from mailer.project import ProjectId
from mailer.service.sending.write_record import write_record


class Replayed(msgspec.Struct, frozen=True):
    """The answer that the same request got before."""

    answer: StoredAnswer


class Resumed(msgspec.Struct, frozen=True):
    """The message of an earlier request with the same key; no answer was stored for that request."""

    record: Record


type Earlier = Replayed | Resumed


def look_up_key(key: KeyUse | None, project_id: ProjectId, ports: SendPorts) -> KeyUse | Earlier | None:
    """Return the result of an earlier request with this key; if this request must be served, return the key.

    If the earlier message failed, the key may be used again: the returned key names that message in `supersedes`.
    Raises `KeyInFlight` and `KeyReused`.
    """
    known = find_key(key, project_id, ports) if key is not None else None
    if key is None or known is None:
        return key
    found = _recognise(known, key, project_id, ports)
    return replace(key, supersedes=found) if isinstance(found, str) else found


def find_key(key: KeyUse, project_id: ProjectId, ports: SendPorts) -> KeyState | None:
    """Return the state of the key; None if the key is unknown or expired."""
    return ports.ledger.find_key(project_id, key.digest, now=ports.timestamp())


def earlier_request(known: KeyState, key: KeyUse, project_id: ProjectId, ports: SendPorts) -> Replayed | Resumed:
    """Return the result of the request that used the key first; raises `KeyInFlight` and `KeyReused`."""
    found = _recognise(known, key, project_id, ports)
    if isinstance(found, str):
        raise KeyInFlight
    return found


def _recognise(state: KeyState, key: KeyUse, project_id: ProjectId, ports: SendPorts) -> Earlier | str:
    """Return the answer or the message of a known key; if no recipient has a copy of it, the message's id."""
    if state.is_of_another_request(key):
        raise KeyReused
    if state.answer is not None:
        return Replayed(state.answer)
    record = ports.ledger.find(project_id, state.id)
    if record is None:
        return state.id
    if record.is_forgotten:
        # The request names the erased address, so it is neither continued nor served again.
        return Resumed(record)
    now = ports.timestamp()
    match assess(record, now=now):
        case Assessment.WAIT if record.state in {State.CLAIMED, State.SENDING}:
            raise KeyInFlight
        case Assessment.ABANDONED:
            record = _replaced(conclude(record, State.FAILED, Reason.ABANDONED, now=now), ports)
        case Assessment.LOST:
            record = _replaced(settle_lost(record, now=now, chance=ports.chance()), ports)
        case _:
            pass
    if record.state is State.FAILED:
        return record.id
    return Resumed(record)


def _replaced(record: Record, ports: SendPorts) -> Record:
    try:
        written = write_record(record, ports)
    except WriteConflict:
        raise KeyInFlight from None
    ports.publish_state(written)
    return written
