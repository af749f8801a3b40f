"""A project's secret has changed, or a day has passed: examine the configuration, and release what was held."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.exchange import describe_bug
from mailer.errors import LedgerUnavailable, SecretsUnavailable
from mailer.ledger.health import HealthState
from mailer.observation.metrics import CountMetric, Metric
from mailer.observation.validation import observe_health
from mailer.ports import ConfigurationPorts, FailureQueue, NotStored
from mailer.project import ProjectId
from mailer.secret.change import MalformedChange, NotOurs, ValidateAllProjects, ValidateProjects, parse_secret_change
from mailer.service.configuring.validate_and_release import request_all_validations, validate_and_release

_VALIDATION_SECONDS = 24.0
# What must be left of the function's time to begin a validation, and to write down and release after it.
_LEAST_SECONDS = 30.0
_RESERVE_SECONDS = 20.0
_MAX_SHOWN = 4096


def create_handler(
    *,
    ports: ConfigurationPorts,
    failures: FailureQueue,
    log: Logger,
    count: CountMetric,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Build the handler."""
    prefix = ports.settings.project_secret_prefix

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        # Saving a secret in the console is more than one call: a project is examined once for all that came together.
        examined: dict[tuple[ProjectId, str | None], bool] = {}

        def is_validated(project_id: ProjectId, beyond: str | None) -> bool:
            key = (project_id, beyond)
            if key not in examined:
                examined[key] = _is_validated(project_id, beyond, context)
            return examined[key]

        failed = [record["messageId"] for record in event["Records"] if not _is_served(record, is_validated)]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in failed]}

    def _is_served(record: Mapping[str, Any], is_validated: Callable[[ProjectId, str | None], bool]) -> bool:
        """Serve one record; one that is not comes back."""
        match parse_secret_change(record["body"], prefix=prefix):
            case ValidateProjects(project_ids, beyond):
                return all(is_validated(project_id, beyond) for project_id in project_ids)
            case ValidateAllProjects():
                return _is_everybody_asked_for()
            case NotOurs():
                count(Metric.SECRET_CHANGES_IGNORED, 1, None)
                return True
            case MalformedChange(reason):
                return _is_set_aside(record, reason)

    def _is_validated(project_id: ProjectId, beyond: str | None, context: LambdaContext) -> bool:
        remaining = context.get_remaining_time_in_millis() / 1000
        if remaining < _LEAST_SECONDS:
            return False
        deadline = clock() + min(_VALIDATION_SECONDS, remaining - _RESERVE_SECONDS)
        try:
            examined, released = validate_and_release(project_id, ports=ports, deadline=deadline, beyond=beyond)
        except LedgerUnavailable:
            log.error("the ledger gives no answer", extra={"project_id": project_id})
            count(Metric.LEDGER_UNAVAILABLE, 1, None)
            return False
        except Exception as error:  # noqa: BLE001 -- whatever one project meets, the others of the batch go on
            log.error("internal error", extra={"project_id": project_id, **describe_bug(error)})
            return False
        observation = observe_health(project_id, examined, released)
        log.info(observation.message, extra=dict(observation.fields))
        for name, value in observation.counts.items():
            count(name, value, observation.transport)
        return examined.health.state is not HealthState.UNAVAILABLE

    def _is_everybody_asked_for() -> bool:
        try:
            projects = request_all_validations(ports=ports)
        except SecretsUnavailable:
            log.error("the projects' secrets cannot be listed")
            return False
        log.info("every project is to be examined", extra={"projects": projects})
        return True

    def _is_set_aside(record: Mapping[str, Any], reason: str) -> bool:
        try:
            failures.send({"reason": reason, "message_id": record["messageId"], "body": record["body"][:_MAX_SHOWN]})
        except NotStored:
            log.error("the failure queue takes nothing", extra={"message_id": record["messageId"]})
            return False
        log.error("a record that is no change of a secret", extra={"message_id": record["messageId"], "reason": reason})
        count(Metric.SECRET_CHANGES_POISON, 1, None)
        return True

    return handler


def count_metric(metric: Metric, value: int, transport: str | None) -> None:
    """Write one CloudWatch metric in the embedded metric format."""
    with single_metric(name=metric.value, unit=MetricUnit.Count, value=value) as single:
        if transport is not None:
            single.add_dimension(name="Transport", value=transport)


lambda_handler = create_handler(
    ports=wiring.configuration_ports(),
    failures=wiring.failure_queue("SECRET_CHANGE_FAILURE_QUEUE_URL"),
    log=Logger(),
    count=count_metric,
)
