"""Write an observation: one log line, and one metric for each count."""

from collections.abc import Mapping
from typing import Protocol

from mailer.observation.observation import Observation


class Log(Protocol):
    """A structured logger."""

    def info(self, msg: str, *, extra: Mapping[str, object]) -> None:
        """Write a line."""

    def error(self, msg: str, *, extra: Mapping[str, object]) -> None:
        """Write a line that may raise an alarm."""


class Count(Protocol):
    """Adds to a metric; the transport is its dimension."""

    def __call__(self, name: str, value: int, transport: str, /) -> None:
        """Add the value."""


def record_observation(observation: Observation, *, log: Log, count: Count) -> None:
    """Write the line and the metrics."""
    log.info(observation.message, extra=dict(observation.fields))
    for name, value in observation.counts.items():
        count(name, value, observation.transport)
