"""/v1/projects/{projectId}/emails: send messages now or later, explain how one would leave, and look after them."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.access import allowed_project, demand_json, demand_parameters, named_project
from mailer.api.dialects import courier, dreamfactory, medplum, messagepipe
from mailer.api.dialects.dialect import Dialect, answer_in, read_in, stored_in
from mailer.api.emails.answers import answer_batch, answer_outcome, email_path, stored_outcome
from mailer.api.emails.batch import BATCH_BOUNDS, parse_batch_request
from mailer.api.emails.history import email_view, page_view, retried_view
from mailer.api.emails.override import brought_relay, demand_no_transport
from mailer.api.emails.query import cursor_problem, demand_no_body, parse_email_id, parse_page_query
from mailer.api.emails.request import parse_email_request
from mailer.api.emails.responses import explanation_view
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
from mailer.api.idempotency_keys import BATCH_ROUTE, SEND_ROUTE, fingerprint, key_use
from mailer.api.request_headers import idempotency_key, prefers_async
from mailer.errors import InvalidRequest, MailerError, NotFound
from mailer.input.json_body import decode_body
from mailer.ledger.idempotency import KeyUse, StoredAnswer
from mailer.observation.errors import observe_error
from mailer.observation.messages import observe_cancelled, observe_retried
from mailer.observation.metrics import CountMetric, Metric
from mailer.observation.observation import Observation
from mailer.observation.sending import observe_accepted, observe_batch, observe_repeated, observe_report
from mailer.ports import SendPorts
from mailer.project import ProjectId
from mailer.service.sending.accept_emails import Accepted, BatchItem, EmailRequest, accept_batch, accept_email
from mailer.service.sending.explain_email import explain_email
from mailer.service.sending.manage_email import cancel_email, find_email, page_emails, retry_email
from mailer.service.sending.send_email import Replayed, Resumed, SendReport, send_email

_DIALECTS = {
    each.route: each
    for each in (
        medplum.DIALECT,
        dreamfactory.DIALECT,
        courier.DIALECT,
        messagepipe.DIALECT,
        messagepipe.BULK_DIALECT,
    )
}
_SEND = "email:send"
_READ = "email:read"
# After the function's time is over nobody can still be at work on its message.
_LEASE_MARGIN_SECONDS = 5.0


def create_handler(
    *,
    ports: SendPorts,
    log: Logger,
    count: CountMetric,
    clock: Callable[[], float] = time.monotonic,
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Build the handler."""
    app = APIGatewayHttpResolver()

    @app.post("/v1/projects/<project_id>/emails")
    def send(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _SEND)
        demand_json(event.headers)
        body = event.octets()
        render = partial(stored_outcome, instance=event.instance)
        outcome = _deliver(event, project, parse_email_request(body), key=_key(event, SEND_ROUTE, body), render=render)
        return _respond(answer_outcome(outcome, project_id=project))

    @app.post("/email/v1/send")
    def send_as_medplum() -> Response[str]:
        return _translate(medplum.DIALECT)

    @app.post("/api/v2/<service>")
    def send_as_dreamfactory(service: str) -> Response[str]:
        dreamfactory.demand_service(service)
        return _translate(dreamfactory.DIALECT)

    @app.post("/send")
    def send_as_courier() -> Response[str]:
        return _translate(courier.DIALECT)

    @app.post("/email/send")
    def send_as_messagepipe() -> Response[str]:
        return _translate(messagepipe.DIALECT)

    @app.post("/email/send-bulk")
    def send_bulk_as_messagepipe() -> Response[str]:
        event, project, body = _enter_dialect(messagepipe.BULK_DIALECT)
        requests, recipients, translation = messagepipe.read_bulk(decode_body(body))
        with translation.retold():
            items = _accept(event, project, requests, messagepipe.BULK_ROUTE, body)
        return _respond(messagepipe.show_bulk(recipients, items))

    @app.post("/v1/projects/<project_id>/emails/batch")
    def send_batch(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _SEND)
        demand_json(event.headers)
        body = event.octets()
        return _respond(answer_batch(_accept(event, project, parse_batch_request(body), BATCH_ROUTE, body)))

    @app.post("/v1/projects/<project_id>/emails/explain")
    def explain(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _SEND)
        demand_json(event.headers)
        request = parse_email_request(event.octets())
        demand_no_transport((request,))
        explanation = explain_email(
            request.draft,
            project,
            settings=ports.settings,
            secrets=ports.secrets,
            templates=ports.templates,
            now=ports.now(),
            id=ports.new_id(),
            deadline=_deadline(),
            use=request.use,
        )
        return _respond(answer(explanation_view(explanation, instance=event.instance)))

    @app.get("/v1/projects/<project_id>/emails")
    def page(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _READ)
        query = parse_page_query(event.query_string_parameters or {})
        try:
            found = page_emails(project, state=query.state, cursor=query.cursor, limit=query.limit, ledger=ports.ledger)
        except ValueError:
            raise InvalidRequest(cursor_problem()) from None
        return _respond(answer(page_view(found)))

    @app.get("/v1/projects/<project_id>/emails/<email_id>")
    def find(project_id: str, email_id: str) -> Response[str]:
        _, project = _enter(project_id, _READ)
        return _respond(answer(email_view(find_email(project, parse_email_id(email_id), ledger=ports.ledger))))

    @app.post("/v1/projects/<project_id>/emails/<email_id>/retry")
    def retry(project_id: str, email_id: str) -> Response[str]:
        event, project = _enter(project_id, _SEND)
        demand_no_body(event.octets())
        retried = retry_email(project, parse_email_id(email_id), ports=ports)
        _observe(observe_retried(retried, project_id=project, subject=event.subject))
        given = answer(retried_view(retried), HTTPStatus.ACCEPTED)
        return _respond(given.with_headers(Location=email_path(project, email_id)))

    @app.post("/v1/projects/<project_id>/emails/<email_id>/cancel")
    def cancel(project_id: str, email_id: str) -> Response[str]:
        event, project = _enter(project_id, _SEND)
        demand_no_body(event.octets())
        cancelled = cancel_email(project, parse_email_id(email_id), ports=ports)
        _observe(observe_cancelled(cancelled, project_id=project, subject=event.subject))
        return _respond(answer(email_view(cancelled)))

    @app.exception_handler(MailerError)
    def refuse(error: MailerError) -> Response[str]:
        event = _event()
        _observe(observe_error(error, project_id=event.project, subject=event.subject))
        dialect = _DIALECTS.get(event.route_key)
        return _respond(answer_error(error, instance=event.instance) if dialect is None else dialect.refuse(error))

    @app.not_found
    def miss(_error: NotFoundError) -> Response[str]:
        return _respond(answer_error(NotFound(), instance=_event().instance))

    @app.exception_handler(Exception)
    def fail(error: Exception) -> Response[str]:
        event = _event()
        log.error("internal error", extra=describe_bug(error))
        dialect = _DIALECTS.get(event.route_key)
        return _respond(answer_bug(instance=event.instance) if dialect is None else dialect.fail(event.instance))

    def _event() -> HttpApiEvent:
        return read_event(app.current_event.raw_event)

    def _enter(project_id: str, scope: str) -> tuple[HttpApiEvent, ProjectId]:
        event = _event()
        return event, allowed_project(event.caller, project_id, scopes=(scope,))

    def _enter_dialect(dialect: Dialect) -> tuple[HttpApiEvent, ProjectId, bytes | str]:
        event = _event()
        parameters = event.query_string_parameters or {}
        demand_parameters(parameters, dialect.parameters)
        project = allowed_project(event.caller, named_project(event.caller, parameters), scopes=(_SEND,))
        demand_json(event.headers)
        return event, project, event.octets()

    def _translate(dialect: Dialect) -> Response[str]:
        event, project, body = _enter_dialect(dialect)
        value = dialect.asked(decode_body(body), event.query_string_parameters or {})
        request, translation = read_in(dialect, value)
        with translation.retold():
            key, render = (
                _key(event, dialect.route_of(event.query_string_parameters), body),
                partial(stored_in, dialect),
            )
            outcome = _deliver(event, project, request, key=key, render=render)
        return _respond(answer_in(dialect, outcome, project_id=project))

    def _accept(
        event: HttpApiEvent, project: ProjectId, requests: Sequence[EmailRequest], route: str, body: bytes | str
    ) -> tuple[BatchItem, ...]:
        demand_no_transport(requests)
        key_of = None
        name = idempotency_key(event.headers)
        if name is not None:
            batch = fingerprint(route, body, BATCH_BOUNDS)
            key_of = partial(key_use, name, request=batch, now=ports.now().timestamp())
        deadline = _deadline()
        items = accept_batch(
            requests,
            project,
            ports=ports,
            deadline=deadline,
            key_of=key_of,
            has_time=lambda: clock() < deadline,
            role=event.role,
        )
        _observe(observe_batch(items, project_id=project, subject=event.subject))
        return items

    def _deliver(
        event: HttpApiEvent,
        project: ProjectId,
        request: EmailRequest,
        *,
        key: KeyUse | None,
        render: Callable[[SendReport | Accepted | MailerError], StoredAnswer],
    ) -> SendReport | Accepted | Replayed | Resumed:
        outcome: SendReport | Accepted | Replayed | Resumed
        if prefers_async(event.headers):
            demand_no_transport((request,))
            outcome = accept_email(
                request, project, ports=ports, deadline=_deadline(), key=key, role=event.role, render=render
            )
        else:
            outcome = send_email(
                request.draft,
                project,
                ports=ports,
                deadline=_deadline(),
                lease_seconds=_remaining() + _LEASE_MARGIN_SECONDS,
                key=key,
                on_unknown=request.on_unknown,
                use=request.use,
                override=brought_relay(request, event.caller, ports.settings.relay_policy),
                role=event.role,
                render=render,
            )
        _observe(_observation(outcome, event, project))
        return outcome

    def _key(event: HttpApiEvent, route: str, body: bytes | str) -> KeyUse | None:
        name = idempotency_key(event.headers)
        if name is None:
            return None
        return key_use(name, request=fingerprint(route, body), now=ports.now().timestamp())

    def _remaining() -> float:
        return app.lambda_context.get_remaining_time_in_millis() / 1000

    def _deadline() -> float:
        return request_deadline(clock(), remaining_milliseconds=app.lambda_context.get_remaining_time_in_millis())

    def _observe(observation: Observation) -> None:
        log.info(observation.message, extra=dict(observation.fields))
        for name, value in observation.counts.items():
            count(name, value, observation.transport)

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        return app.resolve(event, context)

    return handler


def count_metric(metric: Metric, value: int, transport: str | None) -> None:
    """Write one CloudWatch metric in the embedded metric format."""
    with single_metric(name=metric.value, unit=MetricUnit.Count, value=value) as single:
        if transport is not None:
            single.add_dimension(name="Transport", value=transport)


def _observation(
    outcome: SendReport | Accepted | Replayed | Resumed, event: HttpApiEvent, project: ProjectId
) -> Observation:
    if isinstance(outcome, SendReport):
        return observe_report(outcome, project_id=project, subject=event.subject)
    if isinstance(outcome, Accepted):
        return observe_accepted(outcome, project_id=project, subject=event.subject)
    return observe_repeated(outcome, project_id=project, subject=event.subject)


def _respond(given: Answer) -> Response[str]:
    return Response(given.status, given.content_type, given.body, headers=dict(given.headers))


lambda_handler = create_handler(ports=wiring.send_ports(), log=Logger(), count=count_metric)
