"""The simulated world: the deployed service, its projects, relays and clock, under faults."""

import json
import random
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from mailer.ledger.record import Record, State
from mailer.ports import RelayTransport

from tests.chaos.aws import Aws
from tests.chaos.deployment import CHANGES, CLOCK, DELIVERIES, SYSTEM, Deployment
from tests.chaos.facts import Facts, Kind
from tests.chaos.faults import FaultyCalls, Rates
from tests.chaos.projects import Projects
from tests.chaos.queue import Mapped, SimulatedQueue, id_in
from tests.chaos.schedule import Schedule, Worker
from tests.chaos.transports import Network, SimulatedApis, SimulatedRelays, SimulatedSes
from tests.support.projects import settings
from tests.support.sam_template import table_definition

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
# The queues of the template and their functions. Fewer workers than in the template: their number is a limit, too.
QUEUES = {
    DELIVERIES: ("deliver", Mapped(DELIVERIES, 180.0, 1080.0, 5, batch=5, concurrency=12)),
    CLOCK: ("deliver", Mapped(CLOCK, 180.0, 1080.0, 2, batch=1, concurrency=2)),
    SYSTEM: ("system_email", Mapped(SYSTEM, 30.0, 180.0, 5, batch=10, concurrency=5)),
    CHANGES: ("validate_secrets", Mapped(CHANGES, 90.0, 540.0, 5, batch=1, concurrency=5)),
}
_records = msgspec.json.Decoder(Record)


class World:
    """The whole system; `with_relay` replaces its transport with a faulty one, to test the checker."""

    def __init__(
        self,
        seed: str,
        *,
        rates: Rates | None = None,
        with_relay: Callable[[RelayTransport], RelayTransport] = lambda relay: relay,
        **environment: str,
    ) -> None:
        self.seed = seed
        self.rates = rates or Rates()
        self.facts = Facts()
        self.schedule = Schedule(START, self._killed)
        self.calls = FaultyCalls(self.schedule, self.facts, self.rates)
        self.network = Network(self.schedule, self.facts, self.random_of)
        self.has_lag = False
        self._randoms: dict[int, random.Random] = {}
        self._clock = random.Random(f"{seed}/clock")
        self._chance = random.Random(f"{seed}/chance")
        # A limit that is never reached, so that what is counted can be compared with what was sent.
        chosen = settings(**{"PROJECT_LIMITS": "100000/hour", **environment})
        if chosen.stage.diverts_to is not None:
            self.facts.diverts_to = str(chosen.stage.diverts_to)
        ses = SimulatedSes(self.network, self._may_use_server)
        self.aws = Aws(
            self.schedule,
            self.facts,
            self.calls,
            table_definition(),
            ses,
            defer=self._defer,
            changed=self._secret_changed,
        )
        self.projects = Projects(self.schedule, self.network, self.facts, self.aws.secrets)
        relays = SimulatedRelays(self.network)
        self.deployment = Deployment(
            schedule=self.schedule,
            aws=self.aws,
            settings=chosen,
            relay=with_relay(relays),
            probe=relays,
            apis=SimulatedApis(self.network),
            bugs=self.facts.bugs,
            new_id=self._new_id,
        )
        self.queues = {name: self._queue(function, mapped) for name, (function, mapped) in QUEUES.items()}
        self.aws.sqs.queues.update(self.queues)
        self.projects.set_up()

    @property
    def records(self) -> tuple[Record, ...]:
        """All records of the ledger."""
        return tuple(_records.decode(item["record"]["S"]) for _, item in self.aws.dynamodb.items("email#"))

    def records_in(self, states: Collection[State]) -> tuple[Record, ...]:
        """Return the records in these states."""
        items = (item for _, item in self.aws.dynamodb.items("email#"))
        wanted = [item for item in items if item["state_key"]["S"].rpartition("#")[2] in states]
        return tuple(_records.decode(item["record"]["S"]) for item in wanted)

    def items(self, prefix: str) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """Return the ledger's items whose sort key begins so, with plain values."""
        return {
            key: {name: next(iter(value.values())) for name, value in item.items()}
            for key, item in self.aws.dynamodb.items(prefix)
        }

    def random_of(self, event: int) -> random.Random:
        """Return the random generator of one event's transports."""
        if event not in self._randoms:
            self._randoms[event] = random.Random(f"{self.seed}/{event}/faults")
        return self._randoms[event]

    def calm(self) -> None:
        """End all faults; secrets that admins left broken stay broken."""
        self.calls.is_calm = self.network.is_healthy = True
        for service in self.calls.down:
            self.facts.relieve(None, f"{service} down", self.schedule.now)
        self.calls.down.clear()
        for queue in self.queues.values():
            queue.is_calm = True
        self.projects.repair_relays()

    def tick(self) -> None:
        """Call the sweep once, twice or not at all, and again in a minute."""
        self.schedule.after(60.0, self.tick)
        transit = self._clock.random()
        if transit < 0.03 and not self.calls.is_calm:
            return
        self.queues[CLOCK].put('{"tick": true}')

    def _queue(self, function: str, mapped: Mapped) -> SimulatedQueue:
        def handler(event: dict[str, Any]) -> Mapping[str, Any]:
            return self.deployment.invoke(function, event)

        return SimulatedQueue(
            self.schedule,
            mapped,
            handler,
            seed=self.seed,
            duplicated=self.rates.duplicated,
            events=self._events_in,
        )

    def _events_in(self, body: str) -> tuple[int, ...]:
        id = id_in(body)
        event = None if id is None else self.facts.event_of.get(id)
        return () if event is None else (event,)

    def _new_id(self) -> str:
        return f"{int(self.schedule.now * 1000):012x}{self._chance.getrandbits(80):020x}"

    def _killed(self, worker: Worker) -> None:
        self.facts.counts["workers killed"] += 1
        for event in {*worker.events, *(() if worker.event is None else (worker.event,))}:
            self.facts.obstruct(event, "worker killed", self.schedule.now)

    def _defer(self, apply: Callable[[], None]) -> None:
        if self.has_lag:
            self.schedule.after(self._clock.uniform(0.0, 4.0), apply)
        else:
            apply()

    def _may_use_server(self, id: str) -> bool:
        """Tell whether a message may leave by the server: its project has no relay, and had none when it was stored."""
        submission = self.facts.submissions.get(self.facts.event_of.get(id, -1))
        if submission is None or submission.project is None:
            return submission is not None
        # Which transport a system e-mail is for is decided when it is delivered.
        is_for_relay = submission.kind is not Kind.SYSTEM and submission.retries == 0
        if is_for_relay and self.projects.had_relay(submission.project, self.facts.created[id]):
            return False
        return self.projects.may_use_server(submission.project)

    def _secret_changed(self, name: str) -> None:
        project = name.removeprefix("project-smtp/")
        self.projects.note_change(project)
        if self._clock.random() < 0.1 and not self.calls.is_calm:
            return
        change = {
            "version": "0",
            "id": "25fdcce7-5663-471e-ac65-34aee27b8645",
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.secretsmanager",
            "detail": {
                "eventSource": "secretsmanager.amazonaws.com",
                "eventName": "PutSecretValue",
                "requestParameters": {"secretId": name},
            },
        }
        self.queues[CHANGES].put(json.dumps(change), self._clock.uniform(1.0, 30.0))
