"""Elapsed time that is right after a frozen environment and after a corrected wall clock.

Lambda freezes an environment between invocations, and the monotonic clock may stop meanwhile. A wall clock may be set
back. Therefore both clocks are read, and the larger difference counts: it is too small only if both are wrong.
"""

import time
from collections.abc import Callable

import msgspec


class Moment(msgspec.Struct, frozen=True):
    """One reading of both clocks, in seconds."""

    monotonic: float
    wall: float


class Clocks(msgspec.Struct, frozen=True):
    """A monotonic clock and a wall clock, read together."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time

    def now(self) -> Moment:
        """Return the current moment."""
        return Moment(self.monotonic(), self.wall())

    def seconds_since(self, moment: Moment) -> float:
        """Return the seconds since the moment: the larger difference of the two clocks."""
        return max(self.monotonic() - moment.monotonic, self.wall() - moment.wall)
