"""Serve the delivery queue and the clock's queue: deliver queued messages, and sweep for due messages."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.errors import LedgerUnavailable
from mailer.observation.delivery import observe_delivery, observe_settled, observe_sweep
from mailer.observation.metrics import CountMetric, Metric
from mailer.observation.record import NO_TRANSPORT, Log, counter, record_bug, record_observation
from mailer.ports import Delivery, NotStored, SendPorts
from mailer.project import ProjectId
from mailer.service.sending.deliver_email import deliver_email
from mailer.service.sending.release_after_outage import declare_server_works
from mailer.service.sending.sweep import sweep

# The most time that an attempt gets. With less than _LEAST_SECONDS of the function's time left, no attempt is started.
_ATTEMPT_SECONDS = 90.0
_LEAST_SECONDS = 30.0
# The time to write the outcome after the attempt.
_RESERVE_SECONDS = 5.0
# The time for the last try to write the outcome.
_LAST_TRY_SECONDS = 2.0
# The lease on a message must end after the function has certainly ended.
_LEASE_MARGIN_SECONDS = 5.0


class ComesBack(Exception):
    """The record was not processed; the queue delivers it again.

    This error has no text, because Powertools logs it at DEBUG.
    """


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record's body: a message to deliver, or the clock's tick.

    `server_works` is an operator's word in a tick: messages that wait for the server transport are released.
    """

    id: str | None = None
    project_id: ProjectId | None = None
    tick: bool = False
    server_works: bool = False


class _Worker(msgspec.Struct, frozen=True):
    """Serves each record of the queues separately."""

    ports: SendPorts
    refuse: Callable[[Mapping[str, object]], None]
    log: Log
    count: CountMetric
    clock: Callable[[], float]

    def serve(self, record: SQSRecord, lambda_context: LambdaContext) -> None:
        """Serve one record; raises only `ComesBack`, so a failure of one record does not affect the others."""
        call = _parse_call(record.body)
        id = call.id if call is not None else None
        try:
            self._serve(record, call, lambda_context)
        except ComesBack:
            raise
        except LedgerUnavailable:
            self.log.error("the ledger is unavailable", extra={"id": id})
            self.count(Metric.LEDGER_UNAVAILABLE, 1, NO_TRANSPORT)
            raise ComesBack from None
        except Exception as error:  # noqa: BLE001 -- one record's bug must not affect the others of the batch
            record_bug(error, log=self.log, fields={"id": id})
            raise ComesBack from None

    def _serve(self, record: SQSRecord, call: _Call | None, context: LambdaContext) -> None:
        seconds_left = _seconds_left(context)
        if seconds_left < _RESERVE_SECONDS:
            raise ComesBack
        if call is None:
            self._set_aside(record.message_id)
        elif seconds_left < _LEAST_SECONDS:
            self._pass_on(call)
        elif call.id is None:
            self._sweep(call, context)
        else:
            self._deliver(call.project_id, call.id, seconds_left)

    def _set_aside(self, message_id: str) -> None:
        self.log.error("malformed record", extra={"message_id": message_id})
        try:
            self.refuse({"reason": "body-malformed", "message_id": message_id})
        except NotStored:
            raise ComesBack from None

    def _pass_on(self, call: _Call) -> None:
        """Queue the call again for another worker at once; a returned record would wait for its visibility timeout."""
        if call.id is None:
            raise ComesBack
        self.log.info("too little time left for a message", extra={"project_id": call.project_id, "id": call.id})
        if self.ports.queue.send([Delivery(call.project_id, call.id)]) > 0:
            raise ComesBack

    def _deliver(self, project_id: ProjectId | None, id: str, seconds_left: float) -> None:
        now = self.clock()
        delivered = deliver_email(
            project_id,
            id,
            ports=self.ports,
            deadline=now + min(_ATTEMPT_SECONDS, seconds_left - _RESERVE_SECONDS),
            record_by=now + seconds_left - _LAST_TRY_SECONDS,
            lease_seconds=seconds_left + _LEASE_MARGIN_SECONDS,
        )
        observation = observe_delivery(delivered, project_id=project_id, id=id)
        record_observation(observation, log=self.log, count=self.count)

    def _sweep(self, call: _Call, context: LambdaContext) -> None:
        if call.server_works:
            declare_server_works(self.ports)
        result = sweep(ports=self.ports, has_time=lambda: _seconds_left(context) > _LEAST_SECONDS)
        for settled in result.settled:
            record_observation(observe_settled(settled), log=self.log, count=self.count)
        record_observation(observe_sweep(result), log=self.log, count=self.count)


def create_handler(
    *,
    ports: SendPorts,
    refuse: Callable[[Mapping[str, object]], None],
    log: Log,
    count: CountMetric,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[dict[str, Any], LambdaContext], PartialItemFailureResponse]:
    """Build the handler; `refuse` puts a malformed record into the failure queue."""
    worker = _Worker(ports, refuse, log, count, clock)

    def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        try:
            return process_partial_response(event, worker.serve, processor, context)
        finally:
            ports.relay.close_idle()

    return handler


def _parse_call(body: str) -> _Call | None:
    """Return the decoded body; None if it is malformed."""
    try:
        call = msgspec.json.decode(body, type=_Call)
    except msgspec.DecodeError:
        return None
    return call if call.tick or call.id is not None else None


def _seconds_left(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000


lambda_handler = create_handler(
    ports=wiring.send_ports(),
    refuse=wiring.failure_queue("DELIVERY_FAILURE_QUEUE_URL").send,
    log=Logger(),
    count=counter(partial(single_metric, unit=MetricUnit.Count)),
)
