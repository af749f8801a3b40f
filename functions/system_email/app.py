"""Lifecycle events from the queue: each becomes a system e-mail, queued once; what cannot is set aside at once.

There is no answer to anybody: who puts an event on the bus learns nothing from us about an account or a relay.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.exchange import describe_bug
from mailer.errors import ContentUnavailable, InvalidRequest, LedgerUnavailable
from mailer.observation.metrics import CountMetric, Metric
from mailer.ports import AcceptPorts, FailureQueue, NotStored
from mailer.service.system_email import Disposition, SystemEmailReport, make_system_email
from mailer.system_email.content import Templates
from mailer.system_email.event import LifecycleEvent, parse_event
from mailer.system_email.poison import identify, plain_request_id, poison_record

# What one event may take at worst; with less left of the function's time it is not begun, and comes back.
_LEAST_SECONDS = 8.0
_METRICS = {
    Disposition.QUEUED: Metric.SYSTEM_EMAILS_QUEUED,
    Disposition.REPEATED: Metric.SYSTEM_EMAILS_REPEATED,
    Disposition.EXPIRED: Metric.SYSTEM_EMAILS_EXPIRED,
}
_UNAVAILABLE = {
    LedgerUnavailable: Metric.LEDGER_UNAVAILABLE,
    ContentUnavailable: Metric.CONTENT_UNAVAILABLE,
}


def create_handler(
    *,
    ports: AcceptPorts,
    templates: Templates,
    app_base_url: str,
    failures: FailureQueue,
    log: Logger,
    count: CountMetric,
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Build the handler."""

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        returned = [record["messageId"] for record in event["Records"] if not _is_done(record, context)]
        return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in returned]}

    def _is_done(record: Mapping[str, Any], context: LambdaContext) -> bool:
        """Make one record's e-mail; a record that is not done comes back, and no other is touched by it."""
        if context.get_remaining_time_in_millis() / 1000 < _LEAST_SECONDS:
            return False
        body: str = record["body"]
        try:
            _make(body)
        except InvalidRequest as invalid:
            return _is_set_aside(body, invalid)
        except (LedgerUnavailable, ContentUnavailable) as unavailable:
            log.error("system e-mail not accepted yet", extra={"error_code": unavailable.code, **_names(body)})
            count(_UNAVAILABLE[type(unavailable)], 1, None)
            return False
        except Exception as error:  # noqa: BLE001 -- whatever one event meets, the others of the batch go on
            log.error("internal error", extra={**_names(body), **describe_bug(error)})
            return False
        return True

    def _make(body: str) -> None:
        event = parse_event(body, app_base_url=app_base_url)
        report = make_system_email(event, ports=ports, templates=templates)
        fields = _describe(event, report)
        if report.differs:
            log.warning("a request's id stands for another system e-mail", extra=fields)
        else:
            log.info("system e-mail", extra=fields)
        count(_METRICS[report.disposition], 1, None)

    def _is_set_aside(body: str, invalid: InvalidRequest) -> bool:
        poison = poison_record(body, invalid.problems)
        try:
            failures.send(poison)
        except NotStored:
            log.error("the failure queue takes nothing", extra=_names(body))
            return False
        codes = sorted({problem.code for problem in invalid.problems})
        log.error("system e-mail refused", extra={"reason": poison["reason"], "problem_codes": codes, **_names(body)})
        count(Metric.SYSTEM_EMAILS_POISON, 1, None)
        return True

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


def _names(body: str) -> dict[str, str]:
    """Name the event in a log line as the failure queue does."""
    names = {"eventId": "event_id", "detailType": "type", "requestId": "request_id", "projectId": "project_id"}
    return {names.get(name, name): value for name, value in identify(body).items() if name != "time"}


def count_metric(metric: Metric, value: int, transport: str | None) -> None:
    """Write one CloudWatch metric in the embedded metric format."""
    with single_metric(name=metric.value, unit=MetricUnit.Count, value=value) as single:
        if transport is not None:
            single.add_dimension(name="Transport", value=transport)


lambda_handler = create_handler(
    ports=wiring.accept_ports(),
    templates=wiring.templates(),
    app_base_url=wiring.settings().app_base_url,
    failures=wiring.failure_queue("SYSTEM_EMAIL_FAILURE_QUEUE_URL"),
    log=Logger(),
    count=count_metric,
)
