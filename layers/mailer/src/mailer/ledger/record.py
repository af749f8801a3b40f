"""A message in the ledger: its state, each recipient's verdict, and every attempt.

A record never holds a subject, a body, a link or a code. Times are seconds since the epoch.
"""

from enum import StrEnum

import msgspec
from msgspec import field

from mailer.message.address import Address
from mailer.project import ProjectId
from mailer.smtp.outcome import Accepted, Failure, Unknown, Verdict

# A message expires after a day, or earlier if `valid_until` says so.
MAX_AGE_SECONDS = 24 * 3600.0
# The address of a recipient whose own address was erased.
FORGOTTEN = Address("forgotten", "invalid")


class State(StrEnum):
    """The state of a message. The last eight are final, but `UNKNOWN` is not final while a repetition is due."""

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


FINAL_STATES = frozenset(State) - {State.QUEUED, State.CLAIMED, State.SENDING, State.DEFERRED, State.HELD}


class OnUnknown(StrEnum):
    """What happens after an unknown outcome: nothing, or one repetition."""

    HOLD = "hold"
    RETRY = "retry"


class PossibleCopy(msgspec.Struct, frozen=True):
    """A copy that may have been accepted: by which transport, and the failure that left the outcome unknown."""

    transport: str
    endpoint: str | None
    failure: Failure

    @property
    def place(self) -> tuple[str, str | None]:
        """The transport and its endpoint: only there may the recipient be served again."""
        return self.transport, self.endpoint


class RecipientRecord(msgspec.Struct, frozen=True):
    """One recipient, and what is known of its copy.

    `latest` is the verdict of the latest delivery; None before the first one, and while a new one has no result yet.
    `possible_copy` is set by the first unknown outcome, and stays. At `repeat_at` the unknown outcome is repeated.
    """

    address: Address
    latest: Verdict | None = field(default=None, name="verdict")
    possible_copy: PossibleCopy | None = None
    repeat_at: float | None = None

    @property
    def is_forgotten(self) -> bool:
        """Whether the address was erased: the recipient is never served again."""
        return self.address == FORGOTTEN

    @property
    def verdict(self) -> Verdict | None:
        """The verdict from all attempts: only an acceptance replaces an unknown outcome."""
        if self.possible_copy is None or isinstance(self.latest, Accepted):
            return self.latest
        return Unknown(self.possible_copy.failure)


class AttemptResult(StrEnum):
    """The worst verdict of an attempt; `ACCEPTED` only if all recipients were accepted."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    RELAY_ERROR = "relay-error"
    UNKNOWN = "unknown"


class AttemptRecord(msgspec.Struct, frozen=True):
    """One attempt.

    `endpoint` is the relay's `host:port`, or for an HTTP API another value that distinguishes two providers. `provider`
    is the id in the chain, `version_id` the secret's version. `result` is None while the attempt runs. `is_failover` is
    true if the next provider was asked right after this attempt.
    """

    at: float
    transport: str
    version_id: str | None = None
    endpoint: str | None = None
    result: AttemptResult | None = None
    failure: Failure | None = None
    provider: str | None = None
    is_failover: bool = False

    @property
    def place(self) -> tuple[str, str | None]:
        """The transport and its endpoint."""
        return self.transport, self.endpoint


class PassReason(StrEnum):
    """Why a provider was not asked although its turn had come."""

    RELAY_PAUSED = "relay-paused"
    DAILY_LIMIT_REACHED = "daily-limit-reached"
    RELAY_BUSY = "relay-busy"


class PassedOver(msgspec.Struct, frozen=True):
    """A provider that was passed over: no attempt was made with it."""

    at: float
    transport: str
    provider: str
    reason: PassReason


class SenderRecord(msgspec.Struct, frozen=True):
    """The requested From, the used From, and the reason."""

    requested: str | None
    used: str
    reason: str


class Record(msgspec.Struct, frozen=True):
    """A message in the ledger.

    `project_id` is None for the platform's own mail. `origin` is the lifecycle event's detail-type, `request_id` its
    business key. The sweep finds every record whose `due_at` has come, so no message is forgotten. `revision` counts
    the writes; each write names the revision that it replaces. `valid_until` is the time after which the content is
    useless (a link expires). With `has_content` the draft is stored, and a worker can send it. `claims` counts the
    claims since the last result: each one before the current claim was by a worker that was lost. `waits` counts how
    often the transport was busy. `tags` are the caller's. `diverted_to` is the stage's address: if it is set, the
    verdicts are about the copy for this address. With `own_transport` the message was accepted or held for the
    project's own transport, so the server transport sends it only on request. `passed_over` has the latest
    providers that were not asked although their turn had come. `held_since` is the time since which a held message is
    held, `retried_at` the time of the last retry by request.
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
    passed_over: tuple[PassedOver, ...] = ()
    own_transport: bool = False
    held_since: float | None = None
    retried_at: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether the message changes only by an explicit request."""
        return self.state in FINAL_STATES and self.due_at is None

    @property
    def is_forgotten(self) -> bool:
        """Whether a recipient's address was erased: the message is never continued or replaced by another one."""
        return any(each.is_forgotten for each in self.recipients)

    @property
    def is_system(self) -> bool:
        """Whether this is a system e-mail."""
        return self.origin is not None

    @property
    def verdicts(self) -> dict[Address, Verdict]:
        """The verdict of every recipient that has one."""
        return {each.address: each.verdict for each in self.recipients if each.verdict is not None}

    @property
    def failovers(self) -> tuple[AttemptRecord | PassedOver, ...]:
        """The attempts that were followed by the next provider, and the providers that were passed over."""
        tried = (each for each in self.attempts if each.is_failover)
        return tuple(sorted((*self.passed_over, *tried), key=lambda each: each.at))

    @property
    def accepted(self) -> int:
        """How many recipients were accepted."""
        return sum(isinstance(recipient.verdict, Accepted) for recipient in self.recipients)
