"""Serve /v1/projects/{projectId}/email-config, providers, templates, and MessagePipe's configuration routes."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.config.ports import ConfigPorts
from mailer.api.handle import GatewayAnswer, Invocation, handle_event
from mailer.api.tables.project_config import TABLE
from mailer.observation.metrics import CountMetric
from mailer.observation.record import Log, counter
from mailer.ports import ConfigurationPorts, SendPorts


def create_handler(
    *,
    ports: SendPorts,
    configuration: ConfigurationPorts,
    log: Log,
    count: CountMetric,
    clock: Callable[[], float] = time.monotonic,
    new_provider_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Callable[[dict[str, Any], LambdaContext], GatewayAnswer]:
    """Build the handler."""
    config_ports = ConfigPorts(ports, configuration, new_provider_id)

    def handler(event: dict[str, Any], context: LambdaContext) -> GatewayAnswer:
        seconds_left = context.get_remaining_time_in_millis() / 1000
        invocation = Invocation(log, count, clock, seconds_left)
        try:
            return handle_event(event, table=TABLE, ports=config_ports, invocation=invocation)
        finally:
            ports.relay.close_idle()

    return handler


lambda_handler = create_handler(
    ports=wiring.send_ports(),
    configuration=wiring.configuration_ports(),
    log=Logger(),
    count=counter(partial(single_metric, unit=MetricUnit.Count)),
)
