"""The outbound events, put on the project's EventBridge bus."""

import logging
from collections.abc import Callable, Sequence
from itertools import batched
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws_session import Unanswered, answer
from mailer.ledger.event import SOURCE, Notice

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

_BATCH = 10
_LOGGER = logging.getLogger(__name__)


class EventBusNoticeBoard:
    """Implements `NoticeBoard`: what the bus does not take is logged, for the ledger knows it anyway."""

    def __init__(self, client_factory: Callable[[], "EventBridgeClient"], *, bus_name: str) -> None:
        self._client_factory = client_factory
        self._bus_name = bus_name

    def publish(self, notices: Sequence[Notice]) -> None:
        """Put the notices on the bus; what could not be told is logged and counted, and never raises."""
        for batch in batched(notices, _BATCH, strict=False):
            self._put(batch)

    def _put(self, notices: Sequence[Notice]) -> None:
        entries: list[PutEventsRequestEntryTypeDef] = [
            {
                "EventBusName": self._bus_name,
                "Source": SOURCE,
                "DetailType": notice.name.value,
                "Detail": msgspec.json.encode(notice.detail).decode(),
            }
            for notice in notices
        ]
        client = self._client_factory()
        try:
            response = answer(lambda: client.put_events(Entries=entries))
        except Unanswered as unanswered:
            _LOGGER.warning("the bus took no notices", extra={"count": len(notices), "code": unanswered.code})
            return
        told = [entry for entry in response.get("Entries", ()) if "EventId" in entry]
        if len(told) < len(notices):
            codes = sorted({entry.get("ErrorCode", "") for entry in response.get("Entries", ())} - {""})
            missing = len(notices) - len(told)
            _LOGGER.warning("the bus did not take every notice", extra={"count": missing, "codes": codes})
