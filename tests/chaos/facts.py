"""What really happened, noted by the world and never by the code under test."""

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.ledger.record import OnUnknown
from mailer.message.draft import Draft
from mailer.project import ProjectId


class Kind(StrEnum):
    """How a message is handed in."""

    SYNC = "sync"
    ASYNC = "async"
    SYSTEM = "system"


@dataclass(frozen=True)
class Copy:
    """One message that a transport really took for one recipient; `host` is None for the platform's own."""

    event: int
    recipient: str
    message_id: str
    digest: bytes
    host: str | None
    version_id: str | None
    at: float


class Told(StrEnum):
    """What a caller learned from one request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    NOTHING = "nothing"


@dataclass
class Submission:
    """A message that somebody handed in, once or several times under one key, and all that came of it.

    `ids` are those that were drawn for it; `told` and `named` what its caller learned, request by request.
    `repeats_granted` counts how often somebody asked for another try of what may have been accepted, `cancellations`
    how often somebody asked for its end.
    """

    event: int
    kind: Kind
    project_id: ProjectId | None
    draft: Draft
    on_unknown: OnUnknown
    key: str | None
    valid_until: float | None
    ids: list[str] = field(default_factory=list)
    told: list[tuple[Told, str]] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    repeats_granted: int = 0
    cancellations: int = 0


@dataclass
class Facts:
    """Everything that the checker compares with the ledger.

    `disturbed` are the events with a worker that was killed, or that the ledger left without an answer.
    """

    submissions: dict[int, Submission] = field(default_factory=dict)
    copies: defaultdict[int, list[Copy]] = field(default_factory=lambda: defaultdict(list))
    event_of: dict[str, int] = field(default_factory=dict)
    disturbed: set[int | None] = field(default_factory=set)
    strayed: list[str] = field(default_factory=list)
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
