"""When a message is tried again: 1 min, 5 min, 30 min, then every 2 h, each up to a fifth later by chance."""

_STEPS = (60.0, 300.0, 1800.0, 7200.0)
_SPREAD = 0.2
# An ambiguous message is repeated no sooner: what the relay took may have to become visible first.
REPEAT_AFTER_SECONDS = 300.0
RECHECK_INVALID_SECONDS = 1800.0
RECHECK_UNAVAILABLE_SECONDS = 120.0
_SHORTEST_TURN_SECONDS = 5.0
_LONGEST_TURN_SECONDS = 600.0


def backoff_seconds(attempts: int, *, chance: float) -> float:
    """Return how long to wait after so many attempts; `chance` is from 0 to 1."""
    return spread(_STEPS[min(max(attempts, 1), len(_STEPS)) - 1], chance=chance)


def spread(seconds: float, *, chance: float) -> float:
    """Return up to a fifth more, so that what failed together does not come back together."""
    return seconds * (1 + _SPREAD * chance)


def busy_seconds(waits: int, *, chance: float) -> float:
    """Return how long to wait for one's turn at a busy transport: longer each time, and never all at once.

    A backlog comes back no faster than the transport takes it, whatever its rate is.
    """
    return min(_SHORTEST_TURN_SECONDS * float(2 ** min(waits, 10)), _LONGEST_TURN_SECONDS) * (0.5 + chance)
