"""Elapsed time that neither a frozen environment nor a corrected wall clock can shorten.

A Lambda environment is frozen between invocations, and its monotonic clock may stand still meanwhile; a wall clock may
be set back. The larger of the two ages is too small only if both go wrong at once.
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
        """Return the present moment."""
        return Moment(self.monotonic(), self.wall())

    def seconds_since(self, moment: Moment) -> float:
        """Return the seconds since the moment, by the clock that shows more."""
        return max(self.monotonic() - moment.monotonic, self.wall() - moment.wall)
