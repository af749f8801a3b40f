"""The ports: the interfaces that the use cases need, and the bundles in which they are passed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from mailer.ledger.breaker import AttemptReport, BreakerState, Paused, SlotRequest
from mailer.ledger.epoch import Epoch
from mailer.ledger.event import Event, email_event
from mailer.ledger.health import Health
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse
from mailer.ledger.record import Record, State
from mailer.ledger.release_turn import ReleaseTurn
from mailer.ledger.server_outage import ServerOutage
from mailer.message.address import Mailbox
from mailer.message.draft import Draft, StoredDraft
from mailer.message.message import Message
from mailer.project import ProjectId
from mailer.relay.provider import ApiAccount
from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretAnswer
from mailer.settings import Settings
from mailer.smtp.outcome import Attempt, Failure, ProbePassed
from mailer.template.template import Precondition, StoredTemplate, Template, TemplateName, TemplatePage, TemplateSummary


class SecretStore(Protocol):
    """Reads the projects' secrets."""

    def current(
        self, project_id: ProjectId, *, epoch: Epoch | None, deadline: float, refresh: bool = False
    ) -> SecretAnswer:
        """Return the project's secret, possibly from a cache, but never a reading of an older epoch.

        `epoch` must be read before this call; with None the newest epoch of an earlier call counts. `refresh=True`
        never returns a cached value.
        """


class RelayTransport(Protocol):
    """Hands messages to projects' relays."""

    def send(
        self,
        message: Message,
        relay: Relay,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """Make one attempt. A failure of the relay or the network is never raised.

        Connections are shared only within a project and a version of its secret. `deadline` is in monotonic seconds.
        `before_end` is called once, right before the first octets that complete the message are written. If it raises,
        the attempt ends, nothing was accepted, and `send` raises the same exception.
        """

    def close_idle(self) -> None:
        """Close the connections that were kept for the next message; the environment may be frozen after this call."""


class ApiMessage(msgspec.Struct, frozen=True):
    """A message for a provider that builds the octets itself: the draft and the decision.

    `message` is the composed message; its `recipients` are the recipients of this attempt.
    """

    message: Message
    draft: Draft
    sender: Mailbox
    reply_to: tuple[Mailbox, ...]


class ApiTransport(Protocol):
    """Hands messages to providers over their HTTP APIs."""

    def send(
        self,
        api_message: ApiMessage,
        account: ApiAccount,
        /,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """Make one attempt as `RelayTransport.send` does, with exactly one request."""


class ApiProbe(Protocol):
    """Asks providers' HTTP APIs whether the credentials are valid."""

    def probe(self, account: ApiAccount, *, deadline: float) -> Failure | ProbePassed:
        """Authenticate, and send nothing. Return the result or the failure."""


class ServerTransport(Protocol):
    """Hands messages to the server transport."""

    def send(self, message: Message, *, deadline: float, before_end: Callable[[], None]) -> Attempt:
        """Make one attempt as `RelayTransport.send` does, with exactly one request."""


class RelayProbe(Protocol):
    """Probes projects' relays: connect, TLS, authenticate, MAIL, RCPT; it sends nothing."""

    def probe(self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float) -> Failure | ProbePassed:
        """Return the result or the failure."""


class WriteConflict(Exception):
    """Another write came first, so nothing was written."""


class Page(msgspec.Struct, frozen=True):
    """Some records, newest first, and the cursor of the next page; None if this is the last page."""

    records: tuple[Record, ...]
    cursor: str | None = None


class CounterResult(msgspec.Struct, frozen=True):
    """The counts of a page; `is_taken` is true if the amount was added to all counters."""

    counts: Mapping[str, int]
    is_taken: bool


class Ledger(Protocol):
    """Records, keys, breakers, counters, epochs and health. Every method raises `mailer.errors.LedgerUnavailable`.

    `project_id` None is the platform itself. Reads are consistent, except `page`, `ids_in_state` and `due`, which may
    be seconds behind.
    """

    def insert(self, record: Record, *, key: KeyUse | None = None) -> KeyState | None:
        """Write a new record and its key in one step; if the key is known, return its state and write nothing.

        Raises `WriteConflict` if the id exists.
        """

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """Write and return the next revision of a record; `closing` is written in the same step.

        Raises `WriteConflict` unless the ledger holds `record.revision`.
        """

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        """Return the record; None if it does not exist."""

    def find_key(self, project_id: ProjectId | None, digest: str, *, now: float) -> KeyState | None:
        """Return the state of a key; None if the key is unknown or expired."""

    def page(self, project_id: ProjectId | None, *, state: State | None, cursor: str | None, limit: int) -> Page:
        """Return a project's records, newest first; raises `ValueError` for a malformed cursor."""

    def ids_in_state(
        self, project_id: ProjectId | None, state: State, *, after: str | None = None, limit: int = 1000
    ) -> tuple[str, ...]:
        """Return the ids of a project's messages in a state, oldest first; the list begins after the id `after`."""

    def count(self, project_id: ProjectId | None, state: State) -> int:
        """Count a project's messages in a state."""

    def due(self, *, now: float, limit: int) -> tuple[tuple[ProjectId | None, str], ...]:
        """Return the messages whose `due_at` has come, the longest overdue first."""

    def breaker(self, project_id: ProjectId, gate_id: str) -> BreakerState:
        """Return the breaker of a project's provider; a new `BreakerState` if none is stored."""

    def take_slot(self, project_id: ProjectId, gate_id: str, request: SlotRequest, *, now: float) -> Paused | None:
        """Take a slot of a provider as `breaker.admit` does; if that is not possible, return when to try again."""

    def leave_slot(
        self,
        project_id: ProjectId,
        gate_id: str,
        *,
        version_id: str,
        token: str,
        report: AttemptReport | None,
        now: float,
    ) -> bool:
        """Leave a slot as `breaker.leave` does, and return whether it asks for a validation."""

    def increment(
        self, project_id: ProjectId, page: str, amount: int, *, within: Mapping[str, int | None], forget_at: float
    ) -> CounterResult:
        """Add the amount to all named counters of a project's page, or to none if one would exceed its maximum.

        A negative amount gives quota back, whatever the maxima are; if a counter would fall below zero, it changes
        none. The page may be deleted at `forget_at`.
        """

    def epoch(self, project_id: ProjectId) -> Epoch:
        """Return the epoch of a project's secret; a new `Epoch` if none is stored."""

    def save_epoch(self, project_id: ProjectId, epoch: Epoch) -> None:
        """Write the epoch; raises `WriteConflict` unless the ledger holds the number before."""

    def release_turn(self, project_id: ProjectId) -> ReleaseTurn:
        """Return the turn of a project's release; a new `ReleaseTurn` if none is stored."""

    def save_release_turn(self, project_id: ProjectId, turn: ReleaseTurn) -> None:
        """Write the turn; raises `WriteConflict` unless the ledger holds the number before."""

    def server_outage(self) -> ServerOutage:
        """Return the projects that wait for the server transport; a new `ServerOutage` if none is stored."""

    def save_server_outage(self, outage: ServerOutage) -> None:
        """Write the outage; raises `WriteConflict` unless the ledger holds the number before."""

    def health(self, project_id: ProjectId) -> Health | None:
        """Return the project's health; None before its first validation."""

    def save_health(self, project_id: ProjectId, health: Health) -> None:
        """Write the project's health; an older one never replaces a newer one."""

    def remember_project(self, project_id: ProjectId) -> None:
        """Record that the project exists."""

    def projects_like(self, project_id: ProjectId) -> tuple[ProjectId, ...]:
        """Return the recorded projects whose ids differ from this id in upper and lower case only, or not at all."""


class DraftStore(Protocol):
    """Stores the contents of messages that are sent later, encrypted and for a limited time.

    Every method raises `mailer.errors.ContentUnavailable`.
    """

    def put(self, project_id: ProjectId | None, id: str, stored: StoredDraft) -> None:
        """Store a content. The caller writes an id again only with the same content."""

    def get(self, project_id: ProjectId | None, id: str) -> StoredDraft | None:
        """Return a content; None if it does not exist any more."""

    def delete(self, project_id: ProjectId | None, id: str) -> None:
        """Delete a content if it exists."""


class TemplateStore(Protocol):
    """Stores the projects' templates. Every method raises `mailer.errors.LedgerUnavailable`.

    A page may be seconds behind.
    """

    def get(self, project_id: ProjectId, name: TemplateName) -> StoredTemplate | None:
        """Return the current template; None if it does not exist."""

    def put(
        self, project_id: ProjectId, name: TemplateName, template: Template, *, now: float, only_if: Precondition
    ) -> TemplateSummary:
        """Write the template; raises `WriteConflict` if the precondition does not hold."""

    def delete(self, project_id: ProjectId, name: TemplateName, *, only_if: Precondition) -> None:
        """Delete the template if it exists; raises `WriteConflict` if the precondition does not hold."""

    def page(self, project_id: ProjectId, *, after: TemplateName | None, limit: int) -> TemplatePage:
        """Return a project's templates, sorted by name; the list begins after the name `after`."""


class Delivery(msgspec.Struct, frozen=True):
    """A request to a worker to deliver a message, after `delay_seconds` (0 to 900)."""

    project_id: ProjectId | None
    id: str
    delay_seconds: int = 0


class DeliveryQueue(Protocol):
    """The queue of deliveries, which is fair between projects."""

    def send(self, deliveries: Sequence[Delivery]) -> int:
        """Queue the deliveries and return how many failed; never raises.

        No message is lost by a failure: the sweep finds every record whose `due_at` has passed.
        """


class EventPublisher(Protocol):
    """Publishes events on the bus."""

    def publish(self, events: Sequence[Event]) -> None:
        """Publish the events. A failure is logged and counted, but never raised."""


class ValidationQueue(Protocol):
    """The queue of requested validations."""

    def send(
        self,
        project_ids: Sequence[ProjectId],
        *,
        within_seconds: int = 0,
        after_seconds: int = 0,
        beyond: str | None = None,
    ) -> None:
        """Request a validation of each project, after `after_seconds` and spread over `within_seconds`.

        Both together are at most 900. After the validation, held messages are released, beginning after the id `beyond`
        or, without it, with the first.
        """


class NotStored(Exception):
    """The failure queue did not store a record, so its message must stay in its own queue."""


class FailureQueue(Protocol):
    """Stores records of queue messages that cannot be processed, for the operator."""

    def send(self, record: Mapping[str, object]) -> None:
        """Store the record, whose `reason` is a code; raises `NotStored`."""


class SecretChanged(Exception):
    """The secret's current version is not the version that should be replaced."""


class SecretWriter(Protocol):
    """Changes projects' secrets. Every method raises `mailer.errors.SecretsUnavailable`."""

    def promote(self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False) -> str:
        """Make the text the secret's current version and return the version's id.

        `replaces` is the version that was read; None if there was none. With `forgets` that version is not kept as the
        previous version. Raises `SecretChanged` if another version is current, and `ProjectSmtpInvalid` if the secret
        is scheduled for deletion.
        """

    def projects(self) -> Sequence[ProjectId]:
        """Return the projects that have a secret."""


class LedgerPorts(msgspec.Struct, frozen=True, kw_only=True):
    """The ports of use cases that change recorded messages. The other bundles extend this one."""

    ledger: Ledger
    queue: DeliveryQueue
    events: EventPublisher
    now: Callable[[], datetime]

    def timestamp(self) -> float:
        """Return the current time in seconds since the epoch."""
        return self.now().timestamp()

    def publish_state(self, record: Record) -> None:
        """Publish the event of the message's state, if it has one."""
        if (event := email_event(record)) is not None:
            self.events.publish([event])


class AcceptPorts(LedgerPorts, frozen=True, kw_only=True):
    """The ports of use cases that accept messages for later. `new_id` returns unpredictable letters and digits."""

    settings: Settings
    drafts: DraftStore
    new_id: Callable[[], str]


class SendPorts(AcceptPorts, frozen=True, kw_only=True):
    """The ports of use cases that attempt messages.

    `clock` returns monotonic seconds, `chance` a random number from 0 to below 1. `wait` waits for some seconds.
    `platform_key` returns the key of fingerprints, or raises `SecretsUnavailable`.
    """

    secrets: SecretStore
    templates: TemplateStore
    validations: ValidationQueue
    relay: RelayTransport
    server: ServerTransport
    api: ApiTransport
    clock: Callable[[], float]
    chance: Callable[[], float]
    wait: Callable[[float], None]
    platform_key: Callable[[], SecretStr]


class ConfigurationPorts(LedgerPorts, frozen=True, kw_only=True):
    """The ports of use cases that validate and change projects' secrets. They can probe providers, but not send."""

    settings: Settings
    secrets: SecretStore
    writer: SecretWriter
    probe: RelayProbe
    api: ApiProbe
    validations: ValidationQueue
    clock: Callable[[], float]
