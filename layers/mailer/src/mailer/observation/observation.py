"""What a use case reports: one log line, and the metrics that go with it."""

from collections.abc import Mapping

import msgspec
from msgspec import field

from mailer.observation.metrics import Metric

# The value of the dimension `Transport` where no transport was chosen.
NO_TRANSPORT = "none"


class Observation(msgspec.Struct, frozen=True):
    """One log line and its metrics; `message` is a constant.

    Without a `transport` the metrics have no such dimension.
    """

    message: str
    fields: Mapping[str, object]
    transport: str | None = None
    counts: Mapping[Metric, int] = field(default_factory=dict)
