"""What happened, recorded by the simulated world and never by the code under test."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.ledger.record import OnUnknown

# An obstacle that ended earlier than this before a submission cannot matter for it.
_LONGEST_EFFECT_SECONDS = 3600.0


class Kind(StrEnum):
    """The way a message enters the system."""

    SYNC = "sync"
    ASYNC = "async"
    BATCH = "batch"
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


@dataclass(frozen=True)
class Answered:
    """A caller's knowledge after one request: the id and code that it was told, and the copies that it was told of."""

    told: Told
    began: float
    at: float
    ids: tuple[str, ...]
    named: str | None = None
    code: str | None = None
    accepted: tuple[str, ...] = ()
    retryable: bool = False
    is_replayed: bool = False


@dataclass
class Submission:
    """A message that was submitted, once or several times, and its history.

    `answers` are its caller's knowledge after each request. `repeats_granted` counts retries of possibly accepted
    messages, `cancellations` counts cancel requests.
    """

    event: int
    kind: Kind
    project: str | None
    recipients: tuple[str, ...]
    on_unknown: OnUnknown
    key: str | None
    at: float
    valid_until: float | None = None
    batch: int | None = None
    answers: list[Answered] = field(default_factory=list)
    repeats_granted: int = 0
    cancellations: int = 0
    retries: int = 0

    @property
    def named(self) -> set[str]:
        """The ids that the caller was told as accepted."""
        return {each.named for each in self.answers if each.told is Told.ACCEPTED and each.named is not None}


@dataclass(frozen=True)
class Obstacle:
    """Something that stopped or delayed a message; for a project it lasts until `end`."""

    kind: str
    at: float
    end: float


@dataclass(frozen=True)
class Notice:
    """An event on the bus."""

    name: str
    status: str
    at: float


@dataclass(frozen=True)
class Request:
    """One request that a relay or a provider got, from `at` to `end`; `is_fault` if it was no fault of the message."""

    host: str
    version_id: str
    at: float
    end: float
    is_fault: bool
    is_worker: bool


@dataclass
class Facts:
    """Everything that the checker compares with the ledger.

    `diverts_to` is the stage's address. `created` is when each message was first stored. `disturbed` are the events
    whose worker was killed or got no answer. `refusals` are the recipients of each event that a transport refused for
    good, `lost_replies` the events whose transport's reply was lost. `troubles` are the obstacles of whole projects;
    the key None is for all projects.
    """

    diverts_to: str | None = None
    submissions: dict[int, Submission] = field(default_factory=dict)
    copies: defaultdict[int, list[Copy]] = field(default_factory=lambda: defaultdict(list))
    event_of: dict[str, int] = field(default_factory=dict)
    created: dict[str, float] = field(default_factory=dict)
    disturbed: set[int | None] = field(default_factory=set)
    strayed: list[str] = field(default_factory=list)
    counts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    obstacles: defaultdict[int, list[Obstacle]] = field(default_factory=lambda: defaultdict(list))
    troubles: defaultdict[str | None, list[Obstacle]] = field(default_factory=lambda: defaultdict(list))
    refusals: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    lost_replies: set[int] = field(default_factory=set)
    notices: defaultdict[str, list[Notice]] = field(default_factory=lambda: defaultdict(list))
    requests: list[Request] = field(default_factory=list)
    bugs: list[str] = field(default_factory=list)
    _open: dict[tuple[str | None, str], float] = field(default_factory=dict)

    def owner_of(self, event: int) -> str:
        """Return the project of an event; "server" for the platform itself."""
        submission = self.submissions.get(event)
        return (submission.project if submission is not None else None) or "server"

    def receivers(self, submission: Submission) -> tuple[str, ...]:
        """Return the addresses that get the copies of a message."""
        return submission.recipients if self.diverts_to is None else (self.diverts_to,)

    def obstruct(self, event: int, kind: str, at: float, seconds: float = 0.0) -> None:
        """Record an obstacle of one message."""
        self.obstacles[event].append(Obstacle(kind, at, at + seconds))
        if not kind.startswith("relay"):
            self.disturbed.add(event)

    def trouble(self, project: str | None, kind: str, at: float, *, until: float = math.inf) -> None:
        """Record that a part of a project, or of the whole system, is not available."""
        known = self._open.pop((project, kind), None)
        if known is not None:
            self.troubles[project].append(Obstacle(kind, known, at))
        if until == math.inf:
            self._open[project, kind] = at
        else:
            self.troubles[project].append(Obstacle(kind, at, until))

    def relieve(self, project: str | None, kind: str, at: float) -> None:
        """Record that a part is available again."""
        began = self._open.pop((project, kind), None)
        if began is not None:
            self.troubles[project].append(Obstacle(kind, began, at))

    def hindrances(self, submission: Submission) -> Iterator[Obstacle]:
        """Return everything that stopped or delayed a message."""
        yield from self.obstacles[submission.event]
        for project in {submission.project, None}:
            yield from (each for each in self.troubles[project] if each.end >= submission.at - _LONGEST_EFFECT_SECONDS)
        for (project, kind), began in self._open.items():
            if project in (submission.project, None):
                yield Obstacle(kind, began, math.inf)
