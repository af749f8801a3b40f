"""What the use cases need from the outside, in their own words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from mailer.ledger.breaker import BreakerState
from mailer.ledger.event import Event
from mailer.ledger.health import Health
from mailer.ledger.idempotency import KeyClosing, KeyState, KeyUse
from mailer.ledger.record import Record, State
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
    """The projects' secrets."""

    def current(self, project_id: ProjectId, *, deadline: float, refresh: bool = False) -> SecretAnswer:
        """Return what the store knows of the project's secret, from a cache of at most 60 s unless `refresh`."""


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
        """Make one attempt; never raises for what a relay or the network does.

        A connection is shared only within the same project and secret version. `deadline` is monotonic seconds.
        `before_end` is called right before the octets that complete the message may leave, once for each connection
        that comes so far; what it raises ends the attempt with nothing accepted, and is raised again.
        """


class ApiMessage(msgspec.Struct, frozen=True):
    """A message for a provider that does not take its octets: what was asked for, and what was decided about it.

    `message` is the same message composed; its `recipients` are the ones to serve now.
    """

    message: Message
    draft: Draft
    sender: Mailbox
    reply_to: tuple[Mailbox, ...]


class ApiTransport(Protocol):
    """Hands messages to providers over their HTTP APIs."""

    def send(
        self,
        letter: ApiMessage,
        account: ApiAccount,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """Make one attempt with exactly one request; never raises for what a provider or the network does.

        `before_end` is called before the request may leave; see `RelayTransport.send`.
        """


class ApiProbe(Protocol):
    """Asks providers' HTTP APIs whether the credentials are valid."""

    def probe(self, account: ApiAccount, *, deadline: float) -> Failure | ProbePassed:
        """Authenticate and send nothing; return the failure, or what was found."""


class ServerTransport(Protocol):
    """Hands messages to the platform's own transport."""

    def send(self, message: Message, *, deadline: float, before_end: Callable[[], None]) -> Attempt:
        """Make one attempt with exactly one request; never raises for what the service does.

        `before_end`: see `RelayTransport.send`.
        """


class RelayProbe(Protocol):
    """Walks the road of a message up to the envelope sender and sends nothing."""

    def probe(self, relay: Relay, *, envelope_sender: str, deadline: float) -> Failure | ProbePassed:
        """Return where the walk ended and why, or how it went to the end."""


class Clock(Protocol):
    """Monotonic seconds."""

    def __call__(self) -> float:
        """Return the current reading."""


class WriteConflict(Exception):
    """Somebody else has written the record meanwhile: what was about to happen to it must not."""


class Page(msgspec.Struct, frozen=True):
    """Some records, newest first, and where the next page begins; None where there is none."""

    records: tuple[Record, ...]
    cursor: str | None = None


class CounterResult(msgspec.Struct, frozen=True):
    """What a page's counters have; `is_taken` where they have been counted up, all of them."""

    counts: Mapping[str, int]
    is_taken: bool


class Ledger(Protocol):
    """What became of every message. Every method raises `mailer.errors.LedgerUnavailable` where it cannot say.

    `project_id` None is the platform itself. What a method returns was true when it was asked for, but `page`,
    `ids_in_state` and `due`, which may be seconds behind.
    """

    def insert(self, record: Record, *, key: KeyUse | None = None) -> KeyState | None:
        """Write a new record and its key in one step; return what the key stands for already, and write nothing then.

        Raises `WriteConflict` where there is a record with this id.
        """

    def replace(self, record: Record, *, closing: KeyClosing | None = None) -> Record:
        """Write the next revision of a record, and return it; `closing` is written in the same step.

        Raises `WriteConflict` unless the ledger holds `record.revision`.
        """

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        """Return the record."""

    def find_key(self, project_id: ProjectId | None, digest: str, *, now: float) -> KeyState | None:
        """Return what a key stands for, None where it has expired."""

    def page(self, project_id: ProjectId | None, *, state: State | None, cursor: str | None, limit: int) -> Page:
        """Return a project's records, newest first; raises `ValueError` for a cursor that is none."""

    def ids_in_state(
        self, project_id: ProjectId | None, state: State, *, after: str | None = None, limit: int = 1000
    ) -> tuple[str, ...]:
        """Return ids of a project's messages in a state, oldest first, beginning after an id."""

    def count(self, project_id: ProjectId | None, state: State) -> int:
        """Count a project's messages in a state."""

    def due(self, *, now: float, limit: int) -> tuple[tuple[ProjectId | None, str], ...]:
        """Return messages whose `due_at` has come, the longest overdue first."""

    def breaker(self, project_id: ProjectId, provider_id: str) -> BreakerState:
        """Return what is known of the road to a project's provider; a new `BreakerState` where nothing is."""

    def save_breaker(self, project_id: ProjectId, provider_id: str, pace: BreakerState) -> None:
        """Write the pace that follows revision `pace.revision`; raises `WriteConflict` where that is not the latest."""

    def increment(
        self, project_id: ProjectId, page: str, amount: int, *, within: Mapping[str, int | None], forget_at: float
    ) -> CounterResult:
        """Count up every named counter of a project's page at once, or none where one would exceed what it is given.

        A negative amount gives back. `forget_at` is when the page may go.
        """

    def health(self, project_id: ProjectId) -> Health | None:
        """Return what the project's last validation found."""

    def save_health(self, project_id: ProjectId, health: Health) -> None:
        """Write what a validation found; an older finding never replaces a newer one."""


class DraftStore(Protocol):
    """The contents of messages that may be sent later, encrypted, for a limited time.

    Every method raises `mailer.errors.ContentUnavailable` where the store gives no answer.
    """

    def put(self, project_id: ProjectId | None, id: str, stored: StoredDraft) -> None:
        """Keep a content; the same id is written again only with the same content."""

    def get(self, project_id: ProjectId | None, id: str) -> StoredDraft | None:
        """Return a content, None where it is gone."""

    def delete(self, project_id: ProjectId | None, id: str) -> None:
        """Forget a content; does nothing where it is gone, and never raises: it goes by itself in the end."""


class TemplateStore(Protocol):
    """The projects' templates, each project's its own.

    Every method raises `mailer.errors.LedgerUnavailable` where the store gives no answer. A page may be seconds behind.
    """

    def get(self, project_id: ProjectId, name: TemplateName) -> StoredTemplate | None:
        """Return the template as it is now."""

    def put(
        self, project_id: ProjectId, name: TemplateName, template: Template, *, now: float, only_if: Precondition
    ) -> TemplateSummary:
        """Write the template; raises `WriteConflict` where the precondition does not hold."""

    def delete(self, project_id: ProjectId, name: TemplateName, *, only_if: Precondition) -> None:
        """Delete the template if it exists; raises `WriteConflict` where the precondition does not hold."""

    def page(self, project_id: ProjectId, *, after: TemplateName | None, limit: int) -> TemplatePage:
        """Return a project's templates in the order of their names, beginning after one."""


class Delivery(msgspec.Struct, frozen=True):
    """A message that a worker is to look at, not before `delay_seconds` (0 to 900) have passed."""

    project_id: ProjectId | None
    id: str
    delay_seconds: int = 0


class DeliveryQueue(Protocol):
    """Calls workers; projects are fair to each other in it."""

    def send(self, deliveries: Sequence[Delivery]) -> int:
        """Put them into the queue and return how many could not be; never raises for what the queue does.

        Nothing is lost by that: the clock finds every record whose `due_at` has passed.
        """


class EventPublisher(Protocol):
    """Tells the outside."""

    def publish(self, events: Sequence[Event]) -> None:
        """Put the events on the bus; what could not be told is logged and counted, and never raises."""


class ValidationQueue(Protocol):
    """Asks for a project's configuration to be examined."""

    def send(
        self,
        project_ids: Sequence[ProjectId],
        *,
        within_seconds: int = 0,
        after_seconds: int = 0,
        beyond: str | None = None,
    ) -> None:
        """Ask for each, none before `after_seconds`, spread over a time of at most 900 s in all.

        What is held is released from the first on, or from the one that follows the id `beyond`.
        """


class NotStored(Exception):
    """The failure queue did not take a record: what it is about must stay where it is."""


class FailureQueue(Protocol):
    """Keeps what is known of a message that nobody can make use of, for somebody to look at."""

    def send(self, record: Mapping[str, object]) -> None:
        """Keep the record, whose `reason` is a code; raises `NotStored` where that is not certain."""


class SecretChanged(Exception):
    """The secret has another current version than the one that was to be replaced."""


class SecretWriter(Protocol):
    """Changes projects' secrets. Every method raises `mailer.errors.SecretsUnavailable` where the store refuses."""

    def promote(self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False) -> str:
        """Make the text the secret's current version and return the version's id.

        `replaces` is the version that is current now, None where there is none. With `forgets` it is not kept as the
        previous version. Raises `SecretChanged` where something else is current by now, and `ProjectSmtpInvalid` where
        the secret takes no value, being scheduled for deletion.
        """

    def projects(self) -> Sequence[ProjectId]:
        """Return every project that has a secret."""


class LedgerPorts(msgspec.Struct, frozen=True, kw_only=True):
    """What a use case needs to change recorded messages. The other bundles extend this one."""

    ledger: Ledger
    queue: DeliveryQueue
    events: EventPublisher
    now: Callable[[], datetime]


class AcceptPorts(LedgerPorts, frozen=True, kw_only=True):
    """What a use case needs to accept messages for later. `new_id` returns unpredictable letters and digits."""

    settings: Settings
    drafts: DraftStore
    new_id: Callable[[], str]


class SendPorts(AcceptPorts, frozen=True, kw_only=True):
    """What a use case needs to attempt messages. `chance` returns a number from 0 to below 1."""

    secrets: SecretStore
    templates: TemplateStore
    relay: RelayTransport
    server: ServerTransport
    api: ApiTransport
    clock: Clock
    chance: Callable[[], float]


class ConfigurationPorts(LedgerPorts, frozen=True, kw_only=True):
    """What a use case needs to validate and change projects' secrets. It can probe providers, but send nothing."""

    settings: Settings
    secrets: SecretStore
    writer: SecretWriter
    probe: RelayProbe
    api: ApiProbe
    validations: ValidationQueue
    clock: Clock
