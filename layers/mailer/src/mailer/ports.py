"""What the use cases need from the outside, in their own words."""

from typing import Protocol

from mailer.message import Message
from mailer.outcome import Attempt, Failure, Walked
from mailer.project import ProjectId
from mailer.relay import Relay
from mailer.resolution import SecretAnswer


class SecretStore(Protocol):
    """The projects' secrets."""

    def current(self, project_id: ProjectId, *, deadline: float, refresh: bool = False) -> SecretAnswer:
        """Return what the store knows of the project's secret, from a cache of at most 60 s unless `refresh`."""


class RelayTransport(Protocol):
    """Hands messages to projects' relays."""

    def send(
        self, message: Message, relay: Relay, *, project_id: ProjectId, version_id: str, deadline: float
    ) -> Attempt:
        """Make one attempt; never raises for what a relay or the network does.

        A connection is shared only within the same project and secret version. `deadline` is monotonic seconds.
        """


class ServerTransport(Protocol):
    """Hands messages to the platform's own transport."""

    def send(self, message: Message, *, deadline: float) -> Attempt:
        """Make one attempt with exactly one request; never raises for what the service does."""


class RelayProbe(Protocol):
    """Walks the road of a message up to the envelope sender and sends nothing."""

    def probe(self, relay: Relay, *, envelope_sender: str, deadline: float) -> Failure | Walked:
        """Return where the walk ended and why, or how it went to the end."""


class Clock(Protocol):
    """Monotonic seconds."""

    def __call__(self) -> float:
        """Return the current reading."""
