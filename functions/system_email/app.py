"""Serve the queue of lifecycle events: queue one system e-mail for each event.

An invalid event goes to the failure queue at once. The source of an event gets no answer, so it learns nothing about
an account or a relay.
"""

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
from mailer.errors import ContentUnavailable, InvalidRequest, LedgerUnavailable, SecretsUnavailable
from mailer.ledger.event import plain_request_id
from mailer.observation.metrics import CountMetric, Metric
from mailer.observation.record import Log, counter, record_bug
from mailer.ports import AcceptPorts, FailureQueue, NotStored
from mailer.project import ProjectId
from mailer.service.system_email import Disposition, SystemEmailReport, make_system_email
from mailer.system_email.content import Templates
from mailer.system_email.contract import parse_event
from mailer.system_email.event import LifecycleEvent
from mailer.system_email.poison import identify, poison_record

# The time that one event needs at most. With less time left, the record goes back to the queue.
_LEAST_SECONDS = 8.0
_METRICS = {
    Disposition.QUEUED: Metric.SYSTEM_EMAILS_QUEUED,
    Disposition.REPEATED: Metric.SYSTEM_EMAILS_REPEATED,
    Disposition.EXPIRED: Metric.SYSTEM_EMAILS_EXPIRED,
}
_UNAVAILABLE = {
    LedgerUnavailable: Metric.LEDGER_UNAVAILABLE,
    ContentUnavailable: Metric.CONTENT_UNAVAILABLE,
    SecretsUnavailable: Metric.SECRETS_UNAVAILABLE,
}


class ComesBack(Exception):
    """The record was not processed; the queue delivers it again.

    This error has no text, because Powertools logs it at DEBUG.
    """


class _Worker(msgspec.Struct, frozen=True):
    """Turns each record of the queue into a system e-mail."""

    ports: AcceptPorts
    templates: Templates
    app_base_url: str
    failures: FailureQueue
    log: Log
    count: CountMetric
    has_secret: Callable[[ProjectId], bool]

    def serve(self, record: SQSRecord, lambda_context: LambdaContext) -> None:
        """Queue one record's e-mail; raises only `ComesBack`, so a failure does not affect other records."""
        body = record.body
        try:
            self._serve(body, lambda_context.get_remaining_time_in_millis() / 1000)
        except ComesBack:
            raise
        except (LedgerUnavailable, ContentUnavailable, SecretsUnavailable) as unavailable:
            fields = {"error_code": unavailable.code, **_event_fields(body)}
            self.log.error("system e-mail not accepted yet", extra=fields)
            self.count(_UNAVAILABLE[type(unavailable)], 1, None)
            raise ComesBack from None
        except Exception as error:  # noqa: BLE001 -- one record's bug must not affect the others of the batch
            record_bug(error, log=self.log, fields=_event_fields(body))
            raise ComesBack from None

    def _serve(self, body: str, seconds_left: float) -> None:
        if seconds_left < _LEAST_SECONDS:
            raise ComesBack
        try:
            event = parse_event(body, app_base_url=self.app_base_url)
            report = make_system_email(event, ports=self.ports, templates=self.templates, has_secret=self.has_secret)
        except InvalidRequest as invalid:
            self._set_aside(body, invalid)
        else:
            self._record(event, report)

    def _record(self, event: LifecycleEvent, report: SystemEmailReport) -> None:
        fields = _describe(event, report)
        if report.differs:
            self.log.warning("the request id belongs to another system e-mail", extra=fields)
        else:
            self.log.info("system e-mail", extra=fields)
        self.count(_METRICS[report.disposition], 1, None)

    def _set_aside(self, body: str, invalid: InvalidRequest) -> None:
        poison = poison_record(body, invalid.problems)
        try:
            self.failures.send(poison)
        except NotStored:
            self.log.error("the failure queue is unavailable", extra=_event_fields(body))
            raise ComesBack from None
        codes = sorted({problem.code for problem in invalid.problems})
        fields = {"reason": poison["reason"], "problem_codes": codes, **_event_fields(body)}
        self.log.error("system e-mail refused", extra=fields)
        self.count(Metric.SYSTEM_EMAILS_POISON, 1, None)


def create_handler(
    *,
    ports: AcceptPorts,
    templates: Templates,
    app_base_url: str,
    failures: FailureQueue,
    log: Log,
    count: CountMetric,
    has_secret: Callable[[ProjectId], bool],
) -> Callable[[dict[str, Any], LambdaContext], PartialItemFailureResponse]:
    """Build the handler."""
    worker = _Worker(ports, templates, app_base_url, failures, log, count, has_secret)

    def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        return process_partial_response(event, worker.serve, processor, context)

    return handler


def _describe(event: LifecycleEvent, report: SystemEmailReport) -> dict[str, object]:
    fields = {
        "project_id": event.project_id,
        "id": report.id,
        "request_id": plain_request_id(event.request_id),
        "type": event.type.value,
        "disposition": report.disposition.value,
        "recipient_domain": event.user.email.domain,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _event_fields(body: str) -> dict[str, str]:
    """Return the event's ids and names for a log line: the same values as in the failure queue's record."""
    names = {"eventId": "event_id", "detailType": "type", "requestId": "request_id", "projectId": "project_id"}
    return {names.get(name, name): value for name, value in identify(body).items() if name != "time"}


lambda_handler = create_handler(
    ports=wiring.accept_ports(),
    templates=wiring.templates(),
    app_base_url=wiring.settings().app_base_url,
    failures=wiring.failure_queue("SYSTEM_EMAIL_FAILURE_QUEUE_URL"),
    log=Logger(),
    count=counter(partial(single_metric, unit=MetricUnit.Count)),
    has_secret=wiring.secret_reader().exists,
)
