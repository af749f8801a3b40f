"""The relays to which a message may be sent in one flight."""

from collections.abc import Hashable

_CAPACITY = 256


class Proven:
    """Remembers, in this process, at most 256 relays that took their last message in a way that suits one flight.

    A key is a project, a version of its secret and a relay. If there are more, the least recently used is forgotten.
    """

    def __init__(self) -> None:
        self._keys: dict[Hashable, None] = {}

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys

    def note(self, key: Hashable, *, suits_one_flight: bool) -> None:
        """Remember the relay after a transaction, or forget it."""
        self._keys.pop(key, None)
        if suits_one_flight:
            self._keys[key] = None
            if len(self._keys) > _CAPACITY:
                del self._keys[next(iter(self._keys))]
