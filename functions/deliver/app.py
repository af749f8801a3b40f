"""The delivery queue and the clock: deliver messages that were accepted for later, and look after what is due."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.exchange import describe_bug
from mailer.errors import LedgerUnavailable
from mailer.observation.delivery import observe_delivery, observe_settled, observe_sweep
from mailer.observation.metrics import CountMetric, Metric
from mailer.observation.observation import NO_TRANSPORT, Observation
from mailer.ports import Delivery, NotStored, SendPorts
from mailer.project import ProjectId
from mailer.service.sending.deliver_email import deliver_email
from mailer.service.sending.sweep import sweep

# The longest that one attempt may take, and what must be left of the function's time to begin one.
_ATTEMPT_SECONDS = 90.0
_LEAST_SECONDS = 30.0
# For writing down what became of the message.
_RESERVE_SECONDS = 5.0
# After the function's time is over nobody can still be at work on its message.
_LEASE_MARGIN_SECONDS = 5.0


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in the queues: a message to look at, or the clock's tick."""

    id: str | None = None
    project_id: ProjectId | None = None
    tick: bool = False


def create_handler(
    *,
    ports: SendPorts,
    refuse: Callable[[Mapping[str, object]], None],
    log: Logger,
    count: CountMetric,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Build the handler; `refuse` puts a malformed record into the failure queue."""

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        failures = [record["messageId"] for record in event["Records"] if not _is_served(record, context)]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failures]}

    def _is_served(record: Mapping[str, Any], context: LambdaContext) -> bool:
        """Serve one record; one that is not comes back, and no other is touched by it."""
        if _remaining(context) < _RESERVE_SECONDS:
            return False
        try:
            call = msgspec.json.decode(record["body"], type=_Call)
        except msgspec.DecodeError:
            return _is_refused(record["messageId"])
        if call.id is None and not call.tick:
            return _is_refused(record["messageId"])
        if _remaining(context) < _LEAST_SECONDS:
            return _is_passed_on(call)
        try:
            _serve(call, context)
        except LedgerUnavailable:
            log.error("the ledger gives no answer", extra={"id": call.id})
            count(Metric.LEDGER_UNAVAILABLE, 1, NO_TRANSPORT)
            return False
        except Exception as error:  # noqa: BLE001 -- whatever one message meets, the others of the batch go on
            log.error("internal error", extra={"id": call.id, **describe_bug(error)})
            return False
        return True

    def _is_passed_on(call: _Call) -> bool:
        """Call another worker at once: what comes back to the queue waits there for its visibility timeout."""
        if call.id is None:
            return False
        log.info("no time left for a message", extra={"project_id": call.project_id, "id": call.id})
        return ports.queue.send([Delivery(call.project_id, call.id)]) == 0

    def _is_refused(message_id: str) -> bool:
        log.error("a record that is no call", extra={"message_id": message_id})
        try:
            refuse({"reason": "body-malformed", "message_id": message_id})
        except NotStored:
            return False
        return True

    def _serve(call: _Call, context: LambdaContext) -> None:
        if call.id is None:
            _go_round(context)
            return
        remaining = _remaining(context)
        delivered = deliver_email(
            call.project_id,
            call.id,
            ports=ports,
            deadline=clock() + min(_ATTEMPT_SECONDS, remaining - _RESERVE_SECONDS),
            lease_seconds=remaining + _LEASE_MARGIN_SECONDS,
        )
        _observe(observe_delivery(delivered, project_id=call.project_id, id=call.id))

    def _go_round(context: LambdaContext) -> None:
        round_ = sweep(ports=ports, has_time=lambda: _remaining(context) > _LEAST_SECONDS)
        for record in round_.settled:
            _observe(observe_settled(record))
        _observe(observe_sweep(round_))

    def _observe(observation: Observation) -> None:
        log.info(observation.message, extra=dict(observation.fields))
        for name, value in observation.counts.items():
            count(name, value, observation.transport)

    return handler


def _remaining(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000


def count_metric(metric: Metric, value: int, transport: str | None) -> None:
    """Write one CloudWatch metric in the embedded metric format."""
    with single_metric(name=metric.value, unit=MetricUnit.Count, value=value) as single:
        if transport is not None:
            single.add_dimension(name="Transport", value=transport)


lambda_handler = create_handler(
    ports=wiring.send_ports(),
    refuse=wiring.failure_queue("DELIVERY_FAILURE_QUEUE_URL").send,
    log=Logger(),
    count=count_metric,
)
