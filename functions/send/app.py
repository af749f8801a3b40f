"""/v1/projects/{projectId}/emails: send one message while the caller waits, or explain how it would leave."""

import time
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.access import allowed_project, demand_json, refuse_unsupported_headers
from mailer.api.exchange import (
    Answer,
    HttpApiEvent,
    answer,
    answer_bug,
    answer_error,
    describe_bug,
    read_event,
    request_deadline,
)
from mailer.api.observation import Observation, observe_error, observe_report
from mailer.api.requests import parse_email_request
from mailer.api.responses import explanation_view, send_status, send_view
from mailer.draft import Draft
from mailer.errors import MailerError, NotFound
from mailer.project import ProjectId
from mailer.service.explain_email import ExplainPorts, explain_email
from mailer.service.send_email import SendPorts, send_email

_SCOPE = "email:send"


def create_handler(
    *,
    ports: SendPorts,
    log: Logger,
    count: Callable[[str, int, str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Build the handler; `count` takes a metric's name, its value and the transport."""
    app = APIGatewayHttpResolver()

    @app.post("/v1/projects/<project_id>/emails")
    def send(project_id: str) -> Response[str]:
        event = _event()
        project, draft = _read(event, project_id)
        report = send_email(draft, project, ports=ports, deadline=_deadline())
        _observe(observe_report(report, project_id=project, subject=event.subject))
        return _respond(answer(send_view(report), send_status(report)))

    @app.post("/v1/projects/<project_id>/emails/explain")
    def explain(project_id: str) -> Response[str]:
        event = _event()
        project, draft = _read(event, project_id)
        explain_ports = ExplainPorts(ports.settings, ports.secrets, ports.now, ports.new_id)
        explanation = explain_email(draft, project, ports=explain_ports, deadline=_deadline())
        return _respond(answer(explanation_view(explanation, instance=event.instance)))

    @app.exception_handler(MailerError)
    def refuse(error: MailerError) -> Response[str]:
        event = _event()
        _observe(observe_error(error, project_id=event.project, subject=event.subject))
        return _respond(answer_error(error, instance=event.instance))

    @app.not_found
    def miss(_error: NotFoundError) -> Response[str]:
        return _respond(answer_error(NotFound(), instance=_event().instance))

    @app.exception_handler(Exception)
    def fail(error: Exception) -> Response[str]:
        event = _event()
        log.error("internal error", extra=describe_bug(error))
        return _respond(answer_bug(instance=event.instance))

    def _event() -> HttpApiEvent:
        return read_event(app.current_event.raw_event)

    def _read(event: HttpApiEvent, project_id: str) -> tuple[ProjectId, Draft]:
        project = allowed_project(event.caller, project_id, scopes=(_SCOPE,))
        refuse_unsupported_headers(event.headers)
        demand_json(event.headers)
        return project, parse_email_request(event.octets()).draft

    def _deadline() -> float:
        remaining = app.lambda_context.get_remaining_time_in_millis()
        return request_deadline(clock(), remaining_milliseconds=remaining)

    def _observe(observation: Observation) -> None:
        log.info(observation.message, extra=dict(observation.fields))
        for name, value in observation.counts.items():
            count(name, value, observation.transport)

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        return app.resolve(event, context)

    return handler


def count_metric(name: str, value: int, transport: str) -> None:
    """Write one CloudWatch metric in the embedded metric format."""
    with single_metric(name=name, unit=MetricUnit.Count, value=value) as metric:
        metric.add_dimension(name="Transport", value=transport)


def _respond(given: Answer) -> Response[str]:
    return Response(given.status, given.content_type, given.body, headers=dict(given.headers))


lambda_handler = create_handler(
    ports=SendPorts(
        settings=wiring.settings(),
        secrets=wiring.secret_store(),
        relay=wiring.relay_transport(),
        server=wiring.server_transport(),
        now=wiring.utc_now,
        new_id=wiring.new_id,
    ),
    log=Logger(),
    count=count_metric,
)
