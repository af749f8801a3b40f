"""Serve /v1/projects/{projectId}/emails and the dialects' routes: send, show, retry and cancel messages."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.handle import GatewayAnswer, Invocation, handle_event
from mailer.api.tables.send import TABLE
from mailer.observation.metrics import CountMetric
from mailer.observation.record import Log, counter
from mailer.ports import SendPorts


def create_handler(
    *, ports: SendPorts, log: Log, count: CountMetric, clock: Callable[[], float] = time.monotonic
) -> Callable[[dict[str, Any], LambdaContext], GatewayAnswer]:
    """Build the handler."""

    def handler(event: dict[str, Any], context: LambdaContext) -> GatewayAnswer:
        seconds_left = context.get_remaining_time_in_millis() / 1000
        try:
            return handle_event(event, table=TABLE, ports=ports, invocation=Invocation(log, count, clock, seconds_left))
        finally:
            ports.relay.close_idle()

    return handler


lambda_handler = create_handler(
    ports=wiring.send_ports(), log=Logger(), count=counter(partial(single_metric, unit=MetricUnit.Count))
)
