"""A breaker as an item of the ledger's table.

Every message of a project's own transport takes a slot and leaves it. While the breaker is calm, each of the two is one
update without a read, and messages that are sent at the same time do not make each other's updates fail. Otherwise the
item is read, changed by the pure functions of `mailer.ledger.breaker`, and written if it is still the item that was
read.
"""

from collections.abc import Mapping
from copy import replace

import msgspec

from mailer.adapters.aws.table import WRITTEN_BY, Item, Refused, Table, Values, Write
from mailer.ledger import breaker
from mailer.ledger.breaker import AttemptReport, BreakerState, Paused, SlotLease, SlotRequest

# The prefix of a slot's attribute, whose value is the end of its lease.
_SLOT = "slot:"
_NOT_THERE, _UNCHANGED = "attribute_not_exists(pk)", f"{WRITTEN_BY} = :seen"
_CALM = f"calm_for = :version AND {WRITTEN_BY} <> :token"
_LIFETIME_SECONDS = 90 * 24 * 3600


def take_slot(table: Table, key: Mapping[str, str], request: SlotRequest, *, now: float) -> Paused | None:
    """Take a slot: see `mailer.ports.Ledger`."""
    update = Write(
        "Update",
        key,
        f"{_CALM} AND slots_used < :limit AND attribute_not_exists(#slot)",
        {":version": request.version_id, ":limit": request.limit(), ":until": request.until, **_one(1, now)},
        f"SET #slot = :until, #ttl = :ttl, {WRITTEN_BY} = :token ADD slots_used :one",
        {"#slot": f"{_SLOT}{request.token}", "#ttl": "ttl"},
    )
    try:
        table.update(update)
    except Refused as refused:
        found = refused.met[0]
    else:
        return None
    while True:
        admission = breaker.admit(_state(found), request, now=now)
        if isinstance(admission, Paused):
            return admission
        try:
            _put(table, key, admission.state, found, now=now)
        except Refused as refused:
            found = refused.met[0]
        else:
            return None


def leave_slot(
    table: Table, key: Mapping[str, str], *, version_id: str, token: str, report: AttemptReport | None, now: float
) -> bool:
    """Leave a slot: see `mailer.ports.Ledger`."""
    if report is None or report.is_calm:
        has_accepted = report is not None and report.has_accepted
        success = "succeeded_at = :now, " if has_accepted else ""
        update = Write(
            "Update",
            key,
            f"{_CALM} AND #slot > :now",
            {":version": version_id, ":now": now, **_one(-1, now)},
            f"SET {success}#ttl = :ttl, {WRITTEN_BY} = :token REMOVE #slot ADD slots_used :one",
            {"#slot": f"{_SLOT}{token}", "#ttl": "ttl"},
        )
        try:
            table.update(update)
        except Refused as refused:
            found = refused.met[0]
        else:
            return False
    else:
        found = table.get(key)
    while True:
        left = breaker.leave(_state(found), version_id=version_id, token=token, now=now, report=report)
        try:
            _put(table, key, left.state, found, now=now)
        except Refused as refused:
            found = refused.met[0]
        else:
            return left.asks_for_validation


def read_breaker(table: Table, key: Mapping[str, str]) -> BreakerState:
    """Return the state of a breaker."""
    return _state(table.get(key))


def _one(count: int, now: float) -> Values:
    return {":one": count, ":ttl": int(now) + _LIFETIME_SECONDS}


def _state(item: Item | None) -> BreakerState:
    if item is None:
        return BreakerState()
    state = msgspec.json.decode(item["record"], type=BreakerState)
    leases = tuple(
        SlotLease(name.removeprefix(_SLOT), float(until))
        for name, until in sorted(item.items())
        if name.startswith(_SLOT)
    )
    succeeded_at = item.get("succeeded_at")
    return replace(state, leases=leases, last_success_at=None if succeeded_at is None else float(succeeded_at))


def _put(table: Table, key: Mapping[str, str], state: BreakerState, found: Item | None, *, now: float) -> None:
    item: Values = {
        **key,
        "record": msgspec.json.encode(replace(state, leases=())).decode(),
        "calm_for": state.version_id if state.is_calm else None,
        "slots_used": len(state.leases),
        "succeeded_at": state.last_success_at,
        "ttl": int(now) + _LIFETIME_SECONDS,
        **{f"{_SLOT}{lease.token}": lease.until for lease in state.leases},
    }
    if found is None:
        table.write(Write("Put", item, _NOT_THERE))
    else:
        table.write(Write("Put", item, _UNCHANGED, {":seen": found[WRITTEN_BY]}))
