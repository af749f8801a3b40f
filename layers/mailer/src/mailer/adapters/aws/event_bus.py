"""Publishes events on the EventBridge bus."""

import logging
from collections.abc import Callable, Sequence
from itertools import batched
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.session import Unanswered, answer
from mailer.ledger.event import SOURCE, Event

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

_BATCH = 10
_LOGGER = logging.getLogger(__name__)


class EventBusPublisher(msgspec.Struct, frozen=True):
    """Implements `EventPublisher`. A refused event is only logged, because the ledger has the same facts."""

    client_factory: Callable[[], "EventBridgeClient"]
    bus_name: str

    def publish(self, events: Sequence[Event]) -> None:
        """Put the events on the bus; failures are logged and counted, never raised."""
        for batch in batched(events, _BATCH, strict=False):
            self._put(batch)

    def _put(self, events: Sequence[Event]) -> None:
        entries: list[PutEventsRequestEntryTypeDef] = [
            {
                "EventBusName": self.bus_name,
                "Source": SOURCE,
                "DetailType": event.name.value,
                "Detail": msgspec.json.encode(event.detail).decode(),
            }
            for event in events
        ]
        client = self.client_factory()
        try:
            response = answer(lambda: client.put_events(Entries=entries))
        except Unanswered as unanswered:
            _LOGGER.warning("the bus took no events", extra={"count": len(events), "code": unanswered.code})
            return
        answers = response.get("Entries", ())
        missing = len(events) - sum("EventId" in entry for entry in answers)
        if missing > 0:
            codes = sorted({entry.get("ErrorCode", "") for entry in answers} - {""})
            _LOGGER.warning("the bus did not take every event", extra={"count": missing, "codes": codes})
