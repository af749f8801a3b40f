"""The faults of AWS: lost requests, lost answers, repeated requests, and workers that stop at any call."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from tests.chaos.facts import Facts
from tests.chaos.schedule import Schedule


@dataclass(frozen=True)
class Rates:
    """The probability of each fault of one call."""

    crash: float = 0.0015
    lost: float = 0.0007
    answer_lost: float = 0.0007
    repeated: float = 0.002
    duplicated: float = 0.05


HARSH = Rates(crash=0.012, duplicated=0.3)


class FaultyCalls:
    """Performs the calls of workers to AWS, with faults; `down` are the services that do not answer at all."""

    def __init__(self, schedule: Schedule, facts: Facts, rates: Rates) -> None:
        self._schedule = schedule
        self._facts = facts
        self.rates = rates
        self.is_calm = False
        self.down: set[str] = set()

    def call[T](self, service: str, operation: str, perform: Callable[[], T], *, events: tuple[int, ...] = ()) -> T:
        """Perform one call; it may be about events."""
        self._schedule.live()
        worker = self._schedule.worker
        worker.events.update(events)
        if len(events) == 1:
            worker.event = events[0]
        chance = worker.random.random()
        self._schedule.wait(worker.random.uniform(0.001, 0.03))
        if service in self.down:
            self._obstruct(f"{service} down", events)
            raise EndpointConnectionError(endpoint_url=service)
        if self.is_calm:
            return perform()
        if chance < self.rates.crash:
            if chance < self.rates.crash / 2:
                perform()
            self._facts.counts[f"killed at {operation}"] += 1
            self._schedule.kill()
        chance -= self.rates.crash
        if 0 <= chance < self.rates.lost:
            self._obstruct(f"{service} lost", events)
            raise EndpointConnectionError(endpoint_url=service)
        chance -= self.rates.lost
        if 0 <= chance < self.rates.answer_lost:
            perform()
            self._obstruct(f"{service} answer lost", events)
            self._schedule.wait(worker.random.uniform(1.0, 6.0))
            raise ReadTimeoutError(endpoint_url=service)
        chance -= self.rates.answer_lost
        if 0 <= chance < self.rates.repeated:
            # The first answer is lost, and botocore repeats the request.
            self._facts.counts[f"repeated {operation}"] += 1
            self._perform_once(perform)
            self._schedule.wait(worker.random.uniform(0.1, 3.0))
        return perform()

    def _perform_once(self, perform: Callable[[], object]) -> None:
        try:
            perform()
        except Exception:  # noqa: BLE001 -- the answer is lost, whatever it is
            return

    def _obstruct(self, kind: str, events: tuple[int, ...]) -> None:
        self._facts.counts[kind] += 1
        worker = self._schedule.worker
        # A batch of an API caller is one request: what stops one of its messages is told for all of them.
        others = worker.events if worker.name.startswith("request") else ()
        for event in {*events, *others, *(() if worker.event is None else (worker.event,))}:
            self._facts.obstruct(event, kind, self._schedule.now)
