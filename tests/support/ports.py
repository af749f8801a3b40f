"""The ports of the use cases, on fakes. A test passes the ports that it inspects."""

from collections.abc import Callable
from datetime import datetime

from mailer.ports import (
    AcceptPorts,
    ApiProbe,
    ConfigurationPorts,
    DeliveryQueue,
    DraftStore,
    EventPublisher,
    Ledger,
    LedgerPorts,
    RelayProbe,
    SecretStore,
    SecretWriter,
    ValidationQueue,
)
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
from tests.support.projects import NOW, counting_ids, settings


def ledger_ports(
    *,
    ledger: Ledger | None = None,
    queue: DeliveryQueue | None = None,
    events: EventPublisher | None = None,
    now: Callable[[], datetime] = lambda: NOW,
) -> LedgerPorts:
    """Return the ports for changing recorded messages."""
    return LedgerPorts(
        ledger=ledger or MemoryLedger(),
        queue=queue or MemoryDeliveryQueue(),
        events=events or RecordingPublisher(),
        now=now,
    )


def accept_ports(
    *,
    chosen: Settings | None = None,
    ledger: Ledger | None = None,
    drafts: DraftStore | None = None,
    queue: DeliveryQueue | None = None,
    events: EventPublisher | None = None,
    now: Callable[[], datetime] = lambda: NOW,
    new_id: Callable[[], str] | None = None,
) -> AcceptPorts:
    """Return the ports for accepting messages for later."""
    return AcceptPorts(
        settings=chosen or settings(),
        ledger=ledger or MemoryLedger(),
        drafts=drafts or MemoryDraftStore(),
        queue=queue or MemoryDeliveryQueue(),
        events=events or RecordingPublisher(),
        now=now,
        new_id=new_id or counting_ids(),
    )


def configuration_ports(
    *,
    chosen: Settings | None = None,
    secrets: SecretStore | None = None,
    writer: SecretWriter | None = None,
    probe: RelayProbe | None = None,
    api: ApiProbe | None = None,
    ledger: Ledger | None = None,
    queue: DeliveryQueue | None = None,
    events: EventPublisher | None = None,
    validations: ValidationQueue | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    now: Callable[[], datetime] = lambda: NOW,
) -> ConfigurationPorts:
    """Return the ports for validating and changing secrets."""
    return ConfigurationPorts(
        settings=chosen or settings(),
        secrets=secrets or fakes.FakeSecretStore(),
        writer=writer or MemorySecretWriter(),
        probe=probe or fakes.FakeProbe(),
        api=api or fakes.FakeApiTransport(),
        ledger=ledger or MemoryLedger(),
        queue=queue or MemoryDeliveryQueue(),
        events=events or RecordingPublisher(),
        validations=validations or MemoryValidationQueue(),
        clock=clock,
        now=now,
    )
