"""What the ledger knows of one message: its state, each recipient's verdict, and every attempt.

A record never holds a subject, a body, a link or a code. Times are seconds since the epoch.
"""

from enum import StrEnum

import msgspec

from mailer.message.address import Address
from mailer.project import ProjectId
from mailer.smtp.outcome import Accepted, Failure, Verdict

# A message that nobody gave a shorter life is given up after a day.
MAX_AGE_SECONDS = 24 * 3600.0


class State(StrEnum):
    """Where a message is. The last eight are final, `UNKNOWN` unless a repetition is due."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    DEFERRED = "deferred"
    HELD = "held"
    SENT = "sent"
    PARTIALLY_SENT = "partially_sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


FINAL_STATES = frozenset(
    {
        State.SENT,
        State.PARTIALLY_SENT,
        State.REJECTED,
        State.UNKNOWN,
        State.EXPIRED,
        State.CANCELLED,
        State.FAILED,
        State.SUPPRESSED,
    }
)


class OnUnknown(StrEnum):
    """What becomes of a message that may or may not have been accepted: left alone, or repeated once."""

    HOLD = "hold"
    RETRY = "retry"


class RecipientRecord(msgspec.Struct, frozen=True):
    """One recipient and the latest verdict on it; None before the first."""

    address: Address
    verdict: Verdict | None = None


class AttemptResult(StrEnum):
    """What an attempt came to as a whole: the gravest of its verdicts, `ACCEPTED` only where all were."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    RELAY_ERROR = "relay-error"
    UNKNOWN = "unknown"


class AttemptRecord(msgspec.Struct, frozen=True):
    """One attempt: when, by which transport, and where it ended.

    `endpoint` is `host:port` of the relay, or what else tells providers apart; `provider` its id in the project's
    chain; `version_id` the version of the project's secret. `result` is None while the attempt is under way.
    `is_failover` says that the next provider was asked right after it.
    """

    at: float
    transport: str
    version_id: str | None = None
    endpoint: str | None = None
    result: AttemptResult | None = None
    failure: Failure | None = None
    provider: str | None = None
    is_failover: bool = False


class SenderRecord(msgspec.Struct, frozen=True):
    """The From that was asked for, the one in use, and why, as the API shows them."""

    requested: str | None
    used: str
    reason: str


class Record(msgspec.Struct, frozen=True):
    """A message in the ledger.

    `project_id` is None for what the platform itself sends; `origin` is the detail-type of the lifecycle event that a
    system e-mail comes from, and `request_id` the event's business key. `due_at` is when the clock must look at a
    record that is not final, whatever else happens: nothing can be forgotten. `revision` counts the writes, and every
    write names the one it replaces. `valid_until` is when the content stops being of use (a link's end);
    `has_content` says that the draft is stored and can be sent without its caller. `claims` counts the workers that
    took the message and never said what became of it, `waits` how often it came when the transport was busy. `tags` are
    the caller's, for finding the message in accounts of its own.
    `diverted_to` is where the operator's stage has all messages go: the verdicts are on the copy for that address.
    """

    id: str
    project_id: ProjectId | None
    state: State
    created_at: float
    updated_at: float
    expires_at: float
    recipients: tuple[RecipientRecord, ...]
    due_at: float | None = None
    revision: int = 0
    origin: str | None = None
    request_id: str | None = None
    on_unknown: OnUnknown = OnUnknown.HOLD
    valid_until: float | None = None
    has_content: bool = False
    claims: int = 0
    waits: int = 0
    attempts: tuple[AttemptRecord, ...] = ()
    message_id: str | None = None
    transport: str | None = None
    sender: SenderRecord | None = None
    reason: str | None = None
    diverted_to: Address | None = None
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def is_final(self) -> bool:
        """Nothing will happen to the message any more unless somebody asks for it."""
        return self.state in FINAL_STATES and self.due_at is None

    @property
    def is_system(self) -> bool:
        """It is a system e-mail."""
        return self.origin is not None

    @property
    def verdicts(self) -> dict[Address, Verdict]:
        """The latest verdict on every recipient on whom there is one."""
        return {each.address: each.verdict for each in self.recipients if each.verdict is not None}

    @property
    def failovers(self) -> tuple[AttemptRecord, ...]:
        """The attempts after which the next provider was asked at once."""
        return tuple(each for each in self.attempts if each.is_failover)

    @property
    def accepted(self) -> int:
        """How many recipients get the message."""
        return sum(isinstance(recipient.verdict, Accepted) for recipient in self.recipients)
