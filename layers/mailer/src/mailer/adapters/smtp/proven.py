"""The relays to which a message may be sent in one flight."""

from collections.abc import Hashable

_CAPACITY = 256


class Proven:
    """Remembers, in this process, at most 256 relays that took their last message in a way that suits one flight.

    A key is a project, a version of its secret and a relay. Only hashes of keys are kept, because a relay has a
    password. If there are more keys, the least recently used is forgotten.
    """

    def __init__(self) -> None:
        self._hashes: dict[int, None] = {}

    def __contains__(self, key: Hashable) -> bool:
        return hash(key) in self._hashes

    def note(self, key: Hashable, *, suits_one_flight: bool) -> None:
        """Remember the relay after a transaction, or forget it."""
        self._hashes.pop(hash(key), None)
        if suits_one_flight:
            self._hashes[hash(key)] = None
            if len(self._hashes) > _CAPACITY:
                del self._hashes[next(iter(self._hashes))]
