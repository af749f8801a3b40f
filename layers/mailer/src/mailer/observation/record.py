"""The observation of a use case: one log line and its metrics. The Lambda function supplies the logger and metrics."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from copy import replace
from typing import Protocol

import msgspec
from msgspec import field

from mailer.observation.metrics import CountMetric, Metric

# The value of the dimension `Transport` if no transport was chosen.
NO_TRANSPORT = "none"


class Observation(msgspec.Struct, frozen=True):
    """One log line and its metrics; `message` is a constant.

    Without a `transport` the metrics do not have the dimension `Transport`.
    """

    message: str
    fields: Mapping[str, object]
    transport: str | None = None
    counts: Mapping[Metric, int] = field(default_factory=dict)

    def asked_by(self, subject: str, project_id: str) -> "Observation":
        """Return the observation with its caller, for the audit."""
        return replace(self, fields={"project_id": project_id, "subject": subject, **self.fields})


class Log(Protocol):
    """A structured logger."""

    def info(self, msg: str, *, extra: Mapping[str, object]) -> None:
        """Write a line."""

    def warning(self, msg: str, *, extra: Mapping[str, object]) -> None:
        """Write a line about an unusual event."""

    def error(self, msg: str, *, extra: Mapping[str, object]) -> None:
        """Write a line that may raise an alarm."""


class SingleMetric(Protocol):
    """Powertools' `single_metric`: writes one metric in the embedded metric format."""

    def __call__(self, *, name: str, value: int, default_dimensions: dict[str, str]) -> AbstractContextManager[object]:
        """Return a context manager; the metric is written when it exits."""


def counter(single_metric: SingleMetric) -> CountMetric:
    """Return a `CountMetric` that writes one metric on each call."""

    def count(metric: Metric, value: int, transport: str | None) -> None:
        dimensions = {"Transport": transport} if transport is not None else {}
        with single_metric(name=metric.value, value=value, default_dimensions=dimensions):
            pass

    return count


def record_observation(observation: Observation, *, log: Log, count: CountMetric) -> None:
    """Write the log line and the metrics."""
    log.info(observation.message, extra=dict(observation.fields))
    for metric, value in observation.counts.items():
        count(metric, value, observation.transport)


def record_bug(error: Exception, *, log: Log, fields: Mapping[str, object] | None = None) -> None:
    """Write the type and the frames of an exception, but not its text, which may contain an e-mail or a secret."""
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    described = {"error_type": type(error).__name__, "frames": frames[-20:]}
    log.error("internal error", extra={**(fields or {}), **described})
