"""The turn of a project's release: only one release runs at a time.

One save of a secret causes several news of it. Without turns, each of them would release other messages at the same
time, and the messages would leave faster than the documented rate.
"""

from copy import replace

import msgspec

# One part of a release has certainly ended after this time, unless its function was lost.
RESERVED_SECONDS = 45.0
# A queue may deliver an entry a little before its delay is over.
_EARLY_SECONDS = 2.0


class ReleaseTurn(msgspec.Struct, frozen=True):
    """The release that runs until `until`; `number` counts the writes.

    `next` is the id after which the release continues. `is_wanted_again` is true if a later release was requested
    meanwhile: it begins when this one ends, with the first message.
    """

    number: int = 0
    until: float = 0.0
    next: str | None = None
    is_wanted_again: bool = False

    def is_running(self, *, now: float) -> bool:
        """Whether messages of this release are still leaving."""
        return now < self.until

    def continues(self, beyond: str, *, now: float) -> bool:
        """Whether the release goes on after this id now."""
        return self.next == beyond and not self.is_wanted_again and now >= self.until - _EARLY_SECONDS


def begin(turn: ReleaseTurn, *, now: float) -> ReleaseTurn:
    """Begin a release with the first message."""
    return ReleaseTurn(turn.number + 1, now + RESERVED_SECONDS)


def go_on(turn: ReleaseTurn, *, now: float) -> ReleaseTurn:
    """Begin the next part of the release."""
    return replace(turn, number=turn.number + 1, until=now + RESERVED_SECONDS)


def end(turn: ReleaseTurn, *, now: float, seconds: float, beyond: str | None) -> ReleaseTurn:
    """End a part whose messages leave within these seconds."""
    return replace(turn, number=turn.number + 1, until=now + seconds, next=beyond)


def want_again(turn: ReleaseTurn) -> ReleaseTurn:
    """Note that another release was requested."""
    return replace(turn, number=turn.number + 1, is_wanted_again=True)
