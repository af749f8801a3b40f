"""The service on in-memory ports, with a clock that tests set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailer.errors import MailerError
from mailer.ledger.idempotency import KeyUse, StoredAnswer
from mailer.ledger.record import OnUnknown, Record
from mailer.message.draft import Draft
from mailer.ports import ApiTransport, ConfigurationPorts, RelayProbe, SecretWriter, SendPorts, ValidationQueue
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr
from mailer.service.sending.accept_emails import Accepted
from mailer.service.sending.deliver_email import Delivered, deliver_email
from mailer.service.sending.queue_email import queue_email
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_email import send_email
from mailer.service.sending.send_outcome import SendReport
from mailer.service.sending.sweep import SweepResult, sweep
from mailer.settings import Settings

from tests import fakes
from tests.ledger_fakes import (
    MemoryDeliveryQueue,
    MemoryDraftStore,
    MemoryLedger,
    MemorySecretWriter,
    MemoryValidationQueue,
    RecordingPublisher,
)
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, NOW, PLATFORM_KEY, counting_ids, settings
from tests.template_fakes import MemoryTemplateStore

LEASE_SECONDS = 60.0
# How long a worker tries to write an outcome.
RECORD_SECONDS = 50.0


def render(outcome: SendReport | Accepted | MailerError) -> StoredAnswer:
    """Return an answer that is different for each outcome."""
    match outcome:
        case MailerError():
            code = outcome.code
        case SendReport():
            code = outcome.status.value
        case Accepted():
            code = "queued"
    return StoredAnswer(200, code, "text/plain")


@dataclass
class MemoryService:
    """In-memory ports, and the use cases of sending and delivering on them."""

    settings: Settings = field(default_factory=settings)
    secrets: fakes.FakeSecretStore = field(default_factory=fakes.FakeSecretStore)
    relay: fakes.FakeRelayTransport = field(default_factory=fakes.FakeRelayTransport)
    server: fakes.CountingServerTransport = field(default_factory=fakes.CountingServerTransport)
    api: fakes.FakeApiTransport = field(default_factory=fakes.FakeApiTransport)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    drafts: MemoryDraftStore = field(default_factory=MemoryDraftStore)
    templates: MemoryTemplateStore = field(default_factory=MemoryTemplateStore)
    queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)
    validations: MemoryValidationQueue = field(default_factory=MemoryValidationQueue)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)
    new_id: Callable[[], str] = field(default_factory=counting_ids)
    seconds: float = NOW.timestamp()
    chance: float = 0.0
    monotonic: Callable[[], float] | None = None  # real adapters need the real clock
    waited: float = 0.0
    patience: float = 24.0
    providers: ApiTransport | None = None  # in place of `api`
    platform_key: Callable[[], SecretStr] = lambda: PLATFORM_KEY

    @property
    def clock(self) -> Callable[[], float]:
        """Return monotonic seconds, the unit of deadlines: by default those that workers have waited."""
        return self.monotonic or (lambda: self.waited)

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def wait(self, seconds: float) -> None:
        """Let time pass, as a worker that waits does."""
        self.waited += seconds
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    @property
    def send_ports(self) -> SendPorts:
        """The ports of a synchronous send."""
        return SendPorts(
            settings=self.settings,
            secrets=self.secrets,
            relay=self.relay,
            server=self.server,
            api=self.providers or self.api,
            ledger=self.ledger,
            drafts=self.drafts,
            templates=self.templates,
            queue=self.queue,
            validations=self.validations,
            events=self.events,
            clock=self.clock,
            now=self.now,
            new_id=self.new_id,
            chance=lambda: self.chance,
            wait=self.wait,
            platform_key=self.platform_key,
        )

    def configuration_ports(
        self,
        probe: RelayProbe | None = None,
        writer: SecretWriter | None = None,
        validations: ValidationQueue | None = None,
    ) -> ConfigurationPorts:
        """Return the ports for validating and changing secrets."""
        return configuration_ports(
            chosen=self.settings,
            secrets=self.secrets,
            writer=writer or MemorySecretWriter(self.secrets),
            probe=probe,
            api=self.api,
            ledger=self.ledger,
            queue=self.queue,
            events=self.events,
            validations=validations or self.validations,
            clock=self.clock,
            now=self.now,
        )

    def send(
        self,
        draft: Draft,
        project_id: ProjectId = ACME,
        *,
        key: KeyUse | None = None,
        on_unknown: OnUnknown = OnUnknown.HOLD,
        override: Relay | None = None,
        role: str | None = None,
    ) -> SendReport | Accepted | Replayed | Resumed:
        """Send while the caller waits."""
        return send_email(
            draft,
            project_id,
            ports=self.send_ports,
            deadline=self.clock() + self.patience,
            record_by=self.clock() + RECORD_SECONDS,
            lease_seconds=LEASE_SECONDS,
            key=key,
            on_unknown=on_unknown,
            override=override,
            role=role,
            render=render,
        )

    def accept(
        self,
        draft: Draft,
        project_id: ProjectId | None = ACME,
        *,
        on_unknown: OnUnknown = OnUnknown.HOLD,
        origin: str | None = None,
        valid_until: float | None = None,
    ) -> Record:
        """Accept a message for later."""
        accepted = queue_email(
            draft,
            project_id,
            ports=self.send_ports,
            id=self.new_id(),
            on_unknown=on_unknown,
            origin=origin,
            valid_until=valid_until,
        )
        assert isinstance(accepted, Record)
        return accepted

    def deliver(self, record: Record) -> Delivered:
        """Let a worker deliver the message."""
        return deliver_email(
            record.project_id,
            record.id,
            ports=self.send_ports,
            deadline=self.clock() + 90.0,
            record_by=self.clock() + RECORD_SECONDS,
            lease_seconds=LEASE_SECONDS,
        )

    def sweep(self) -> SweepResult:
        """Run a sweep."""
        return sweep(ports=self.send_ports, has_time=lambda: True)

    def known(self, record: Record) -> Record:
        """Return the current version of the record in the ledger."""
        found = self.ledger.find(record.project_id, record.id)
        assert found is not None
        return found
