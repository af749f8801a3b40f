"""Waiting times. A deferred message is tried again after 1 min, 5 min, 30 min, then every 2 h, plus up to a fifth."""

_STEPS = (60.0, 300.0, 1800.0, 7200.0)
_SPREAD = 0.2
# A message with an unknown outcome is repeated no sooner: its first copy may need that long to arrive.
REPEAT_AFTER_SECONDS = 300.0
RECHECK_INVALID_SECONDS = 1800.0
RECHECK_UNAVAILABLE_SECONDS = 120.0
_SHORTEST_BUSY_SECONDS = 5.0
_LONGEST_BUSY_SECONDS = 600.0


def backoff_seconds(attempts: int, *, chance: float) -> float:
    """Return the seconds to wait after this number of attempts; `chance` is from 0 to 1."""
    return spread(_STEPS[min(max(attempts, 1), len(_STEPS)) - 1], chance=chance)


def spread(seconds: float, *, chance: float) -> float:
    """Add up to a fifth, so that messages that failed together do not return together."""
    return seconds * (1 + _SPREAD * chance)


def busy_seconds(waits: int, *, chance: float) -> float:
    """Return the seconds to wait for a busy transport: longer each time, and spread.

    So a backlog adapts to any rate that the transport accepts.
    """
    return min(_SHORTEST_BUSY_SECONDS * float(2 ** min(waits, 10)), _LONGEST_BUSY_SECONDS) * (0.5 + chance)
