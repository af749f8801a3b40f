"""The relays to which a message may be sent in one flight."""

from collections.abc import Hashable

from mailer.smtp.reply_order import Wording

_CAPACITY = 256


class Proven:
    """Remembers, in this process, at most 256 relays that took their last message in a way that suits one flight.

    A key is a project, a version of its secret and a relay. Only hashes of keys are kept, because a relay has a
    password. If there are more keys, the least recently used is forgotten.
    """

    def __init__(self) -> None:
        self._wordings: dict[int, Wording] = {}

    def wording(self, key: Hashable) -> Wording | None:
        """Return how the relay words its replies; None if it is not proven."""
        return self._wordings.get(hash(key))

    def note(self, key: Hashable, wording: Wording | None) -> None:
        """Remember the relay after a transaction, or forget it."""
        self._wordings.pop(hash(key), None)
        if wording is not None:
            self._wordings[hash(key)] = wording
            if len(self._wordings) > _CAPACITY:
                del self._wordings[next(iter(self._wordings))]
