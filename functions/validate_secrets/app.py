"""Serve the queue of changed secrets: validate the projects' configurations, and release held mail."""

import time
from collections.abc import Callable
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
from mailer.errors import LedgerUnavailable, SecretsUnavailable
from mailer.ledger.health import HealthState
from mailer.observation.metrics import CountMetric, Metric
from mailer.observation.record import Log, counter, record_bug, record_observation
from mailer.observation.validation import observe_health
from mailer.ports import ConfigurationPorts, FailureQueue, NotStored
from mailer.project import ProjectId
from mailer.secret.change import MalformedChange, Unrelated, ValidateAllProjects, ValidateProjects, parse_secret_change
from mailer.service.configuring.validate_project import request_all_validations, validate_and_release

_VALIDATION_SECONDS = 24.0
# The time that a validation needs at least, and the time reserved to record its result and release mail.
_LEAST_SECONDS = 30.0
_RESERVE_SECONDS = 20.0
# The most characters of a malformed body in a failure record.
_MAX_QUOTED = 4096


class ComesBack(Exception):
    """The record was not processed; the queue delivers it again.

    This error has no text, because Powertools logs it at DEBUG.
    """


class _Worker(msgspec.Struct, frozen=True):
    """Serves the records of one batch.

    Saving a secret in the console makes several calls, so a project is validated once for all records of a batch.
    `validated` maps a project and the `beyond` of its record to the result.
    """

    ports: ConfigurationPorts
    failures: FailureQueue
    log: Log
    count: CountMetric
    clock: Callable[[], float]
    validated: dict[tuple[ProjectId, str | None], bool] = msgspec.field(default_factory=dict)

    def serve(self, record: SQSRecord, lambda_context: LambdaContext) -> None:
        """Serve one record; raises only `ComesBack`, so a failure of one record does not affect the others."""
        try:
            self._serve(record, lambda_context)
        except ComesBack:
            raise
        except Exception as error:  # noqa: BLE001 -- one record's bug must not affect the others of the batch
            record_bug(error, log=self.log, fields={"message_id": record.message_id})
            raise ComesBack from None

    def _serve(self, record: SQSRecord, context: LambdaContext) -> None:
        match parse_secret_change(record.body, prefix=self.ports.settings.project_secret_prefix):
            case ValidateProjects(project_ids) as asked:
                if not all(self._is_validated(project_id, asked, context) for project_id in project_ids):
                    raise ComesBack
            case ValidateAllProjects():
                self._request_all()
            case Unrelated():
                self.count(Metric.SECRET_CHANGES_IGNORED, 1, None)
            case MalformedChange(reason):
                self._set_aside(record, reason)

    def _is_validated(self, project_id: ProjectId, asked: ValidateProjects, context: LambdaContext) -> bool:
        key = (project_id, asked.beyond)
        if key not in self.validated:
            self.validated[key] = self._validate(project_id, asked, context.get_remaining_time_in_millis() / 1000)
        return self.validated[key]

    def _validate(self, project_id: ProjectId, asked: ValidateProjects, seconds_left: float) -> bool:
        """Validate one project and release its mail; return False if this must be done again."""
        if seconds_left < _LEAST_SECONDS:
            return False
        deadline = self.clock() + min(_VALIDATION_SECONDS, seconds_left - _RESERVE_SECONDS)
        try:
            update, released = validate_and_release(
                project_id, ports=self.ports, deadline=deadline, beyond=asked.beyond, edited_at=asked.edited_at
            )
        except LedgerUnavailable:
            self.log.error("the ledger is unavailable", extra={"project_id": project_id})
            self.count(Metric.LEDGER_UNAVAILABLE, 1, None)
            return False
        except Exception as error:  # noqa: BLE001 -- one project's bug must not affect the others of the batch
            record_bug(error, log=self.log, fields={"project_id": project_id})
            return False
        record_observation(observe_health(project_id, update, released), log=self.log, count=self.count)
        return update.health.state is not HealthState.UNAVAILABLE

    def _request_all(self) -> None:
        try:
            projects = request_all_validations(ports=self.ports)
        except SecretsUnavailable:
            self.log.error("the secret store is unavailable", extra={})
            raise ComesBack from None
        self.log.info("every project is to be validated", extra={"projects": projects})

    def _set_aside(self, record: SQSRecord, reason: str) -> None:
        names = {"message_id": record.message_id}
        try:
            self.failures.send({"reason": reason, **names, "body": record.body[:_MAX_QUOTED]})
        except NotStored:
            self.log.error("the failure queue is unavailable", extra=names)
            raise ComesBack from None
        self.log.error("malformed record", extra={**names, "reason": reason})
        self.count(Metric.SECRET_CHANGES_POISON, 1, None)


def create_handler(
    *,
    ports: ConfigurationPorts,
    failures: FailureQueue,
    log: Log,
    count: CountMetric,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[dict[str, Any], LambdaContext], PartialItemFailureResponse]:
    """Build the handler."""

    def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
        worker = _Worker(ports, failures, log, count, clock)
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        return process_partial_response(event, worker.serve, processor, context)

    return handler


lambda_handler = create_handler(
    ports=wiring.configuration_ports(),
    failures=wiring.failure_queue("SECRET_CHANGE_FAILURE_QUEUE_URL"),
    log=Logger(),
    count=counter(partial(single_metric, unit=MetricUnit.Count)),
)
