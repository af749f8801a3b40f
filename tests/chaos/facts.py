"""What happened, recorded by the simulated world and never by the code under test."""

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.ledger.record import OnUnknown
from mailer.message.draft import Draft
from mailer.project import ProjectId


class Kind(StrEnum):
    """The way a message enters the system."""

    SYNC = "sync"
    ASYNC = "async"
    SYSTEM = "system"


@dataclass(frozen=True)
class Copy:
    """One message that a transport accepted for one recipient; `host` is None for the server transport."""

    event: int
    recipient: str
    message_id: str
    digest: bytes
    host: str | None
    version_id: str | None
    at: float


class Told(StrEnum):
    """A caller's knowledge after one request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    NOTHING = "nothing"


@dataclass
class Submission:
    """A message that was submitted, once or several times under one key, and its history.

    `ids` are the ids created for it; `told` and `named` are its caller's knowledge after each request.
    `repeats_granted` counts retries of possibly accepted messages, `cancellations` counts cancel requests.
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

    `disturbed` are the events whose worker was killed or got no answer from the ledger.
    """

    submissions: dict[int, Submission] = field(default_factory=dict)
    copies: defaultdict[int, list[Copy]] = field(default_factory=lambda: defaultdict(list))
    event_of: dict[str, int] = field(default_factory=dict)
    disturbed: set[int | None] = field(default_factory=set)
    strayed: list[str] = field(default_factory=list)
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
