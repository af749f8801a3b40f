"""Every metric of the namespace `ProjectSmtp`: its name, what it counts, and whether `Transport` is a dimension.

`docs/operations.md` shows this table, and a test compares them.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Self


class Dimension(StrEnum):
    """The dimensions of a metric; every metric also has the dimension `service`."""

    NONE = "-"
    TRANSPORT = "Transport"
    BOTH = "Transport in the API and for deliveries"


class Metric(StrEnum):
    """The metrics."""

    meaning: str
    dimension: Dimension

    def __new__(cls, name: str, meaning: str, dimension: Dimension = Dimension.TRANSPORT) -> Self:
        """Add a metric of this name."""
        metric = str.__new__(cls, name)
        metric._value_ = name
        metric.meaning = meaning
        metric.dimension = dimension
        return metric

    MESSAGES_ACCEPTED = "MessagesAccepted", "recipients accepted by an attempt"
    MESSAGES_REJECTED = "MessagesRejected", "recipients rejected, or stopped by an error of the relay"
    MESSAGES_DEFERRED = "MessagesDeferred", "recipients deferred by an attempt"
    MESSAGES_UNKNOWN = "MessagesUnknown", "recipients whose outcome is unknown"
    MESSAGES_QUEUED = "MessagesQueued", "messages accepted for later, or retried by the API"
    MESSAGES_HELD = "MessagesHeld", "checks that left a message held"
    MESSAGES_EXPIRED = "MessagesExpired", "messages that waited too long"
    MESSAGES_FAILED = "MessagesFailed", "messages that ended without a reply of a transport"
    MESSAGES_CANCELLED = "MessagesCancelled", "messages cancelled by the API"
    MESSAGES_SUPPRESSED = "MessagesSuppressed", "messages that are not sent because the stage suppresses mail"
    MESSAGES_RELEASED = "MessagesReleased", "held messages put back into the queue", Dimension.NONE
    RECORDS_UNREADABLE = "RecordsUnreadable", "records that a release or a sweep could not handle", Dimension.NONE
    FAILOVERS = "Failovers", "providers that failed or were passed over before the next provider of the chain was tried"
    SERVER_THROTTLED = "ServerThrottled", "attempts that SES throttled"
    REFUSED_BY_CONFIGURATION = "RefusedByConfiguration", "requests that met an invalid or unreadable configuration"
    REFUSED_BY_LIMIT = "RefusedByLimit", "requests over a limit"
    REFUSED_BY_BREAKER = "RefusedByBreaker", "requests that came while the relay was paused or had no free slot"
    LEDGER_UNAVAILABLE = (
        "LedgerUnavailable",
        "requests and queue entries that failed because the ledger did not answer",
        Dimension.BOTH,
    )
    CONTENT_UNAVAILABLE = (
        "ContentUnavailable",
        "lifecycle events that failed because the content store did not answer",
        Dimension.NONE,
    )
    SECRETS_UNAVAILABLE = (
        "SecretsUnavailable",
        "lifecycle events that failed because the secret store did not answer",
        Dimension.NONE,
    )
    SYSTEM_EMAILS_QUEUED = "SystemEmailsQueued", "lifecycle events that became a system e-mail", Dimension.NONE
    SYSTEM_EMAILS_REPEATED = "SystemEmailsRepeated", "lifecycle events that came again", Dimension.NONE
    SYSTEM_EMAILS_EXPIRED = "SystemEmailsExpired", "lifecycle events that came too late", Dimension.NONE
    SYSTEM_EMAILS_POISON = "SystemEmailsPoison", "lifecycle events that are malformed", Dimension.NONE
    PROJECTS_VALIDATED = "ProjectsValidated", "validations of a stored secret", Dimension.NONE
    PROJECTS_INVALID = "ProjectsInvalid", "projects whose configuration became invalid", Dimension.NONE
    PROJECTS_UNAVAILABLE = "ProjectsUnavailable", "validations that could not read the secret", Dimension.NONE
    SECRET_CHANGES_IGNORED = "SecretChangesIgnored", "changes of secrets that belong to no project", Dimension.NONE
    SECRET_CHANGES_POISON = "SecretChangesPoison", "changes of secrets that are malformed", Dimension.NONE
    EVENTS_LOST = (
        "EventsLost",
        "failed attempts to put events on the bus; a filter counts them in the log",
        Dimension.NONE,
    )


type CountMetric = Callable[[Metric, int, str | None], None]
"""Adds a value to a metric; without a transport the metric does not have the dimension `Transport`."""
