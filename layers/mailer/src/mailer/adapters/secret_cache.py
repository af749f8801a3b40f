"""The cache of the projects' secrets, in the memory of one process.

A reading is used only under the epoch under which it was made, and only for some seconds
(`mailer.secret.cache_policy`). While the store cannot be reached, a secret that activates a relay is used for at most
5 minutes, but never a reading from before a known change, from while a change was being made, or from before the store
returned another state. Any other secret leads to the server transport, and is never used in this way.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from mailer.adapters.net.elapsed import Clocks, Moment
from mailer.ledger.epoch import Epoch
from mailer.project import ProjectId
from mailer.secret.cache_policy import is_outdated, longest_use
from mailer.secret.resolution import (
    Resolution,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    Unavailability,
    UseProjectRelay,
)

_STALE_SECONDS = 300.0
# The pauses before a store that returns an outdated state is read again.
_PAUSES = (0.1, 0.3, 0.6)
# A refusal by a policy or a KMS key is not an outage: the operator decided it. An outdated state is not one either: an
# admin may have restored it.
_OUTAGES = frozenset({Unavailability.THROTTLED, Unavailability.TIMEOUT, Unavailability.SERVICE_ERROR})
_LOGGER = logging.getLogger(__name__)


class CachedSecretStore:
    """Implements `SecretStore` on `fetch`, which reads a secret; safe to share between threads.

    `resolve` returns what an answer means. Each project has at most one fetch at a time.
    """

    def __init__(
        self,
        fetch: Callable[[ProjectId], SecretAnswer],
        *,
        resolve: Callable[[SecretAnswer], Resolution],
        clocks: Clocks = Clocks(),  # noqa: B008 -- frozen, with two functions only
        pause: Callable[[float], None] = time.sleep,
        capacity: int = 1000,
    ) -> None:
        self._fetch = fetch
        self._resolve = resolve
        self._clocks = clocks
        self._pause = pause
        self._capacity = capacity
        self._lock = threading.Lock()
        self._slots: OrderedDict[ProjectId, _Slot] = OrderedDict()

    def current(
        self, project_id: ProjectId, *, epoch: Epoch | None, deadline: float, refresh: bool = False
    ) -> SecretAnswer:
        """Return the project's secret: see `mailer.ports.SecretStore`."""
        slot = self._slot(project_id)
        if not slot.lock.acquire(timeout=max(0.0, deadline - self._clocks.monotonic())):
            return SecretUnavailable(Unavailability.TIMEOUT)
        try:
            if epoch is not None and epoch.number > slot.epoch.number:
                slot.epoch, slot.known, slot.failure = epoch, None, None
            # What is read while a change is being made may be what the change replaces.
            is_kept = not slot.epoch.is_pending(now=self._clocks.wall())
            if not refresh and (cached := self._cached(slot)) is not None:
                return cached
            if self._clocks.monotonic() >= deadline:
                return SecretUnavailable(Unavailability.TIMEOUT)
            found = self._fetch_current(project_id, slot.epoch, deadline)
            if is_kept:
                self._note(slot, found)
            return found if refresh else self._bridge(slot, project_id, found)
        finally:
            slot.lock.release()

    def _slot(self, project_id: ProjectId) -> "_Slot":
        with self._lock:
            # The first slot is the least recently used one. Used slots are fetched again each minute, so its answer is
            # the oldest.
            while self._slots and self._is_too_old(next(iter(self._slots.values()))):
                self._slots.popitem(last=False)
            slot = self._slots.setdefault(project_id, _Slot(touched_at=self._clocks.now()))
            self._slots.move_to_end(project_id)
            if len(self._slots) > self._capacity:
                self._slots.popitem(last=False)
            return slot

    def _is_too_old(self, slot: "_Slot") -> bool:
        return self._clocks.seconds_since(slot.touched_at) > _STALE_SECONDS

    def _cached(self, slot: "_Slot") -> SecretAnswer | None:
        if slot.known is not None and self._is_usable(slot.known):
            return slot.known.answer
        if slot.failure is not None and self._is_usable(slot.failure):
            return self._bridged(slot, slot.failure.answer)
        return None

    def _is_usable(self, reading: "_Reading") -> bool:
        return self._clocks.seconds_since(reading.at) < longest_use(reading.resolution)

    def _note(self, slot: "_Slot", found: SecretAnswer) -> None:
        reading = _Reading(found, self._resolve(found), self._clocks.now())
        if isinstance(found, SecretUnavailable):
            slot.failure = reading
            if found.reason is Unavailability.OUTDATED:
                slot.known = None
        else:
            slot.known, slot.failure, slot.touched_at = reading, None, reading.at

    def _bridge(self, slot: "_Slot", project_id: ProjectId, found: SecretAnswer) -> SecretAnswer:
        bridged = self._bridged(slot, found)
        if bridged is not found:
            _LOGGER.warning("a cached secret bridges an outage of the store", extra={"project_id": project_id})
        return bridged

    def _bridged(self, slot: "_Slot", found: SecretAnswer) -> SecretAnswer:
        last = slot.known
        if (
            isinstance(found, SecretUnavailable)
            and found.reason in _OUTAGES
            and last is not None
            and isinstance(last.answer, SecretPresent)
            and isinstance(last.resolution, UseProjectRelay)
            and self._clocks.seconds_since(last.at) <= _STALE_SECONDS
        ):
            return last.answer
        return found

    def _fetch_current(self, project_id: ProjectId, epoch: Epoch, deadline: float) -> SecretAnswer:
        """Fetch the secret; if the store returns a state from before a known change, fetch it again, a few times."""
        for pause in (*_PAUSES, None):
            found = self._fetch(project_id)
            if not is_outdated(found, epoch, now=self._clocks.wall()):
                return found
            if pause is None or self._clocks.monotonic() + pause >= deadline:
                break
            self._pause(pause)
        _LOGGER.warning("the secret store returns an outdated state", extra={"project_id": project_id})
        return SecretUnavailable(Unavailability.OUTDATED)


class _Reading(msgspec.Struct, frozen=True):
    """An answer of the store, its meaning, and when it came."""

    answer: SecretAnswer
    resolution: Resolution
    at: Moment


class _Slot(msgspec.Struct):
    """The newest known epoch of one project, the readings made under it, and the lock for fetches.

    `known` is the last answer, `failure` a later failure. Neither was read while a change was pending.
    """

    touched_at: Moment
    epoch: Epoch = Epoch()
    known: _Reading | None = None
    failure: _Reading | None = None
    lock: threading.Lock = msgspec.field(default_factory=threading.Lock)
