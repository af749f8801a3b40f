"""Every metric of the namespace `ProjectSmtp`: its name, what it counts, and whether `Transport` is a dimension.

`docs/operations.md` shows this table, and a test compares them.
"""

from enum import StrEnum
from typing import Protocol

import msgspec


class Metric(StrEnum):
    """The names of the metrics."""

    MESSAGES_ACCEPTED = "MessagesAccepted"
    MESSAGES_REJECTED = "MessagesRejected"
    MESSAGES_DEFERRED = "MessagesDeferred"
    MESSAGES_UNKNOWN = "MessagesUnknown"
    MESSAGES_QUEUED = "MessagesQueued"
    MESSAGES_HELD = "MessagesHeld"
    MESSAGES_EXPIRED = "MessagesExpired"
    MESSAGES_FAILED = "MessagesFailed"
    MESSAGES_CANCELLED = "MessagesCancelled"
    MESSAGES_SUPPRESSED = "MessagesSuppressed"
    MESSAGES_RELEASED = "MessagesReleased"
    FAILOVERS = "Failovers"
    SERVER_THROTTLED = "ServerThrottled"
    REFUSED_BY_CONFIGURATION = "RefusedByConfiguration"
    REFUSED_BY_LIMIT = "RefusedByLimit"
    LEDGER_UNAVAILABLE = "LedgerUnavailable"
    CONTENT_UNAVAILABLE = "ContentUnavailable"
    SYSTEM_EMAILS_QUEUED = "SystemEmailsQueued"
    SYSTEM_EMAILS_REPEATED = "SystemEmailsRepeated"
    SYSTEM_EMAILS_EXPIRED = "SystemEmailsExpired"
    SYSTEM_EMAILS_POISON = "SystemEmailsPoison"
    PROJECTS_VALIDATED = "ProjectsValidated"
    PROJECTS_INVALID = "ProjectsInvalid"
    PROJECTS_UNAVAILABLE = "ProjectsUnavailable"
    SECRET_CHANGES_IGNORED = "SecretChangesIgnored"  # noqa: S105 -- a metric's name
    SECRET_CHANGES_POISON = "SecretChangesPoison"  # noqa: S105 -- as above
    EVENTS_LOST = "EventsLost"


class Dimension(StrEnum):
    """How a metric is divided; every metric has the dimension `service`, too."""

    NONE = "-"
    TRANSPORT = "Transport"
    BOTH = "Transport in the API and for deliveries"


class MetricInfo(msgspec.Struct, frozen=True):
    """What a metric counts."""

    meaning: str
    dimension: Dimension = Dimension.TRANSPORT


METRICS = {
    Metric.MESSAGES_ACCEPTED: MetricInfo("recipients accepted by an attempt"),
    Metric.MESSAGES_REJECTED: MetricInfo("recipients rejected, or stopped by an error of the relay"),
    Metric.MESSAGES_DEFERRED: MetricInfo("recipients deferred by an attempt"),
    Metric.MESSAGES_UNKNOWN: MetricInfo("recipients whose outcome is unknown"),
    Metric.MESSAGES_QUEUED: MetricInfo("messages accepted for later, or retried by hand"),
    Metric.MESSAGES_HELD: MetricInfo("messages that wait for an admin"),
    Metric.MESSAGES_EXPIRED: MetricInfo("messages that waited too long"),
    Metric.MESSAGES_FAILED: MetricInfo("messages that ended without a reply of a transport"),
    Metric.MESSAGES_CANCELLED: MetricInfo("messages cancelled by hand"),
    Metric.MESSAGES_SUPPRESSED: MetricInfo("messages that the stage keeps from leaving"),
    Metric.MESSAGES_RELEASED: MetricInfo("held messages put back into the queue", Dimension.NONE),
    Metric.FAILOVERS: MetricInfo("providers that failed and were followed by the next one of the chain"),
    Metric.SERVER_THROTTLED: MetricInfo("attempts that SES throttled"),
    Metric.REFUSED_BY_CONFIGURATION: MetricInfo("requests that met an invalid or unreadable configuration"),
    Metric.REFUSED_BY_LIMIT: MetricInfo("requests over a limit"),
    Metric.LEDGER_UNAVAILABLE: MetricInfo("requests and queue messages that the ledger did not answer", Dimension.BOTH),
    Metric.CONTENT_UNAVAILABLE: MetricInfo("lifecycle events that the content store did not answer", Dimension.NONE),
    Metric.SYSTEM_EMAILS_QUEUED: MetricInfo("lifecycle events that became a system e-mail", Dimension.NONE),
    Metric.SYSTEM_EMAILS_REPEATED: MetricInfo("lifecycle events that came again", Dimension.NONE),
    Metric.SYSTEM_EMAILS_EXPIRED: MetricInfo("lifecycle events that came too late", Dimension.NONE),
    Metric.SYSTEM_EMAILS_POISON: MetricInfo("lifecycle events that are malformed", Dimension.NONE),
    Metric.PROJECTS_VALIDATED: MetricInfo("validations of a stored secret", Dimension.NONE),
    Metric.PROJECTS_INVALID: MetricInfo("validations that found the secret invalid", Dimension.NONE),
    Metric.PROJECTS_UNAVAILABLE: MetricInfo("validations that could not read the secret", Dimension.NONE),
    Metric.SECRET_CHANGES_IGNORED: MetricInfo("changes of secrets that belong to no project", Dimension.NONE),
    Metric.SECRET_CHANGES_POISON: MetricInfo("changes of secrets that are malformed", Dimension.NONE),
    Metric.EVENTS_LOST: MetricInfo("calls that did not put all events on the bus (from the log)", Dimension.NONE),
}


class CountMetric(Protocol):
    """Counts a metric."""

    def __call__(self, metric: Metric, value: int, transport: str | None, /) -> None:
        """Add the value; without a transport the metric has no such dimension."""
