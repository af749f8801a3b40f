"""The whole system on ports in memory: the real use cases, called as the functions call them, under faults."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mailer.errors import ContentUnavailable, LedgerUnavailable
from mailer.ledger.event import Event
from mailer.ports import ConfigurationPorts, Delivery, Ledger, RelayTransport, SendPorts
from mailer.project import ProjectId
from mailer.service.sending.deliver_email import deliver_email
from mailer.service.sending.sweep import sweep

from tests.chaos.facts import Facts
from tests.chaos.queue import Limits, SimulatedQueue
from tests.chaos.schedule import Schedule, Worker
from tests.chaos.secrets import SimulatedSecrets
from tests.chaos.transports import CountingServer, Network, SimulatedRelays
from tests.fakes import FakeApiTransport
from tests.ledger_fakes import MemoryDraftStore, MemoryLedger, MemorySecretWriter, MemoryValidationQueue
from tests.support.projects import settings
from tests.template_fakes import MemoryTemplateStore

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
PROJECTS = tuple(ProjectId(f"p{number}") for number in range(8))
# These projects never had a secret.
WITHOUT_RELAY = PROJECTS[-2:]
FUNCTION_TIMEOUT = 180.0
# The longest time of a delivery: with less time left a message returns to the queue.
LEAST_SECONDS = 30.0
ATTEMPT_SECONDS = 90.0
RESERVE_SECONDS = 5.0


@dataclass(frozen=True)
class Rates:
    """The probabilities of faults: at a failpoint, and in the queue."""

    crash: float = 0.003
    ledger: float = 0.002
    content: float = 0.002
    duplicated: float = 0.05


class EventCounter:
    """Implements `EventPublisher`: counts events."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def publish(self, events: Sequence[Event]) -> None:
        for notice in events:
            self._facts.counts[f"told {notice.name.value}"] += 1


class World:
    """The whole system; `ledger` and `relay` can be replaced with faulty ones to test the checker."""

    def __init__(self, seed: str, *, rates: Rates | None = None) -> None:
        self.seed = seed
        self.rates = rates or Rates()
        self.facts = Facts()
        self.schedule = Schedule(START, self.facts.disturbed)
        self.network = Network()
        self.secrets = SimulatedSecrets(self.schedule, self.network)
        self.memory = MemoryLedger(failpoint=self._failpoint)
        self.drafts = MemoryDraftStore(failpoint=self._failpoint)
        limits = Limits(function_timeout=FUNCTION_TIMEOUT, duplicated=self.rates.duplicated)
        self.queue = SimulatedQueue(self.schedule, self._deliver, seed=f"{seed}/queue", limits=limits)
        self.is_calm = False
        self._randoms: dict[int, random.Random] = {}
        self._chance = random.Random(f"{seed}/chance")
        self._clock = random.Random(f"{seed}/clock")
        self.ledger: Ledger = self.memory
        self.probe = SimulatedRelays(self.schedule, self.network, self.facts, self.random_of)
        self.relay: RelayTransport = self.probe
        self.server = CountingServer(
            self.schedule, self.network, self.facts, self.random_of, self.secrets.may_use_server
        )
        self.settings = settings()
        for project_id in PROJECTS:
            if project_id not in WITHOUT_RELAY:
                self.secrets.choose_relay(project_id)

    def random_of(self, event: int) -> random.Random:
        """Return the random generator of one event."""
        if event not in self._randoms:
            self._randoms[event] = random.Random(f"{self.seed}/{event}/faults")
        return self._randoms[event]

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.fromtimestamp(self.schedule.now, UTC)

    def send_ports(self, identity: str | None = None) -> SendPorts:
        """Return the ports of a use case that sends; `identity` is the id of the message that it accepts."""
        return SendPorts(
            settings=self.settings,
            secrets=self.secrets,
            templates=MemoryTemplateStore(),
            relay=self.relay,
            server=self.server,
            api=FakeApiTransport(),
            ledger=self.ledger,
            drafts=self.drafts,
            queue=self.queue,
            events=EventCounter(self.facts),
            clock=lambda: self.schedule.now,
            now=self.now,
            new_id=lambda: identity or f"{self._chance.getrandbits(128):032x}",
            chance=self._chance.random,
            wait=self.schedule.wait,
        )

    def configuration_ports(self) -> ConfigurationPorts:
        """Return the ports of a use case that validates secrets."""
        return ConfigurationPorts(
            settings=self.settings,
            secrets=self.secrets,
            writer=MemorySecretWriter(),
            probe=self.probe,
            api=FakeApiTransport(),
            ledger=self.ledger,
            queue=self.queue,
            events=EventCounter(self.facts),
            validations=MemoryValidationQueue(),
            clock=lambda: self.schedule.now,
            now=self.now,
        )

    def calm(self) -> None:
        """End all faults; secrets that admins left broken stay broken."""
        self.is_calm = True
        self.network.is_healthy = True
        self.memory.failing = self.drafts.failing = self.secrets.unavailable = False
        for site in self.network.sites.values():
            site.is_down = site.is_slow = False

    def tick(self) -> None:
        """Run the sweep once, twice or not at all, and again in a minute."""
        self.schedule.after(60.0, self.tick)
        transit = self._clock.random()
        if transit < 0.03 and not self.is_calm:
            return
        self._sweep_due()
        if transit > 0.95:
            self.schedule.after(self._clock.uniform(0.0, 5.0), self._sweep_due)

    def _sweep_due(self) -> None:
        worker = Worker("clock", self._clock, self.schedule.now + FUNCTION_TIMEOUT)

        def work() -> None:
            try:
                sweep(ports=self.send_ports(), has_time=lambda: worker.deadline - self.schedule.now > LEAST_SECONDS)
            except LedgerUnavailable:
                self.facts.counts["rounds without the ledger"] += 1

        if not self.schedule.work(worker, work):
            self.facts.counts["clocks killed"] += 1

    def _deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """What the function `deliver` does with a batch."""
        worker = self.schedule.worker
        returned: list[Delivery] = []
        for delivery in deliveries:
            left = worker.deadline - self.schedule.now
            if left < LEAST_SECONDS:
                returned.append(delivery)
                continue
            event = self.facts.event_of.get(delivery.id)
            if event is not None:
                worker.event, worker.random = event, self.random_of(event)
            try:
                delivered = deliver_email(
                    delivery.project_id,
                    delivery.id,
                    ports=self.send_ports(),
                    deadline=self.schedule.now + min(ATTEMPT_SECONDS, left - RESERVE_SECONDS),
                    record_by=self.schedule.now + left,
                    lease_seconds=left + RESERVE_SECONDS,
                )
                self.facts.counts[f"result {delivered.result.value}"] += 1
            except LedgerUnavailable:
                returned.append(delivery)
        return returned

    def _failpoint(self, point: str) -> None:
        self.schedule.live()
        worker = self.schedule.worker
        chance = worker.random.random()
        self.schedule.wait(worker.random.uniform(0.001, 0.03))
        if "ledger" in point and self.memory.failing:
            self.facts.disturbed.add(worker.event)
        if self.is_calm:
            return
        if chance < self.rates.crash:
            self.facts.counts[f"killed {point}"] += 1
            self.schedule.kill()
        chance -= self.rates.crash
        if "ledger" in point and 0 <= chance < self.rates.ledger:
            self.facts.counts[f"no answer {point}"] += 1
            self.facts.disturbed.add(worker.event)
            raise LedgerUnavailable
        if point == "before drafts.put" and 0 <= chance < self.rates.content:
            raise ContentUnavailable
