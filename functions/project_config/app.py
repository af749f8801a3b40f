"""/v1/projects/{projectId}/email-config: show a project's configuration, examine, change and try it."""

import time
import uuid
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.access import allowed_project, demand_caller, demand_json, demand_parameters, named_project
from mailer.api.config.provider_requests import parse_if_match, parse_new_provider, parse_provider_change
from mailer.api.config.provider_views import (
    answer_added,
    answer_provider,
    answer_providers,
    answer_removed_provider,
    schema_view,
    schemas_view,
)
from mailer.api.config.requests import parse_change_request, parse_trial_request
from mailer.api.config.views import answer_refused, configuration_view, examination_view
from mailer.api.dialects import messagepipe, messagepipe_config
from mailer.api.emails.answers import answer_outcome, stored_outcome
from mailer.api.emails.query import demand_no_body
from mailer.api.emails.request import parse_validate_request
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
from mailer.api.idempotency_keys import TEST_ROUTE, fingerprint, key_use
from mailer.api.request_headers import idempotency_key
from mailer.api.templates.requests import parse_new_name, parse_precondition, parse_template, parse_templates_query
from mailer.api.templates.views import answer_removed, answer_template, templates_view
from mailer.errors import MailerError, NotFound
from mailer.message.test_message import trial_draft
from mailer.observation.configuration import observe_change, observe_provider
from mailer.observation.errors import observe_error
from mailer.observation.metrics import CountMetric, Metric
from mailer.observation.observation import Observation
from mailer.observation.sending import observe_report
from mailer.observation.templates import observe_template
from mailer.observation.validation import observe_validation
from mailer.ports import ConfigurationPorts, SendPorts
from mailer.project import ProjectId
from mailer.service.configuring.change_configuration import (
    Refused,
    remove_configuration,
    replace_configuration,
)
from mailer.service.configuring.change_providers import (
    add_provider,
    find_provider,
    list_providers,
    remove_provider,
    replace_provider,
)
from mailer.service.configuring.check_configuration import check_entries
from mailer.service.configuring.show_configuration import show_configuration
from mailer.service.configuring.validate_stored import validate_stored
from mailer.service.manage_templates import find_template, remove_template, store_template
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.send_email import SendReport, send_email

_READ = "email-config:read"
_WRITE = "email-config:write"
_SEND = "email:send"
# After the function's time is over nobody can still be at work on its message.
_LEASE_MARGIN_SECONDS = 5.0


def create_handler(
    *,
    ports: SendPorts,
    configuration: ConfigurationPorts,
    log: Logger,
    count: CountMetric,
    clock: Callable[[], float] = time.monotonic,
    new_provider_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Build the handler around a project's secret and the road to its relay.

    `new_provider_id` returns an id that was never used.
    """
    app = APIGatewayHttpResolver()

    @app.get("/v1/projects/<project_id>/email-config")
    def show(project_id: str) -> Response[str]:
        _, project = _enter(project_id, _READ)
        view = show_configuration(
            project, settings=ports.settings, secrets=ports.secrets, ledger=ports.ledger, deadline=_deadline()
        )
        return _respond(answer(configuration_view(view)))

    @app.put("/v1/projects/<project_id>/email-config")
    def change(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_json(event.headers)
        entries = parse_change_request(event.octets())
        changed = replace_configuration(project, entries, ports=configuration, deadline=_deadline())
        if isinstance(changed, Refused):
            return _respond_refused(changed, project)
        _observe(observe_change(changed, project_id=project, subject=event.subject))
        return _respond(answer(configuration_view(changed)))

    @app.delete("/v1/projects/<project_id>/email-config")
    def remove(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_no_body(event.octets())
        view = remove_configuration(project, ports=configuration, deadline=_deadline())
        _observe(observe_change(view, project_id=project, subject=event.subject))
        return _respond(answer(configuration_view(view)))

    @app.post("/v1/projects/<project_id>/email-config/validate")
    def validate(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _READ, _WRITE)
        octets = event.octets()
        if octets:
            demand_json(event.headers)
        entries = parse_validate_request(octets)
        if entries is None:
            report = validate_stored(project, ports=configuration, deadline=_deadline())
        else:
            report = check_entries(entries, ports=configuration, deadline=_deadline())
        _observe(observe_validation(report, project_id=project, subject=event.subject))
        return _respond(answer(examination_view(report)))

    @app.post("/v1/projects/<project_id>/email-config/test")
    def try_out(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_json(event.headers)
        body = event.octets()
        draft = trial_draft(project, parse_trial_request(body))
        name = idempotency_key(event.headers)
        key = None
        if name is not None:
            key = key_use(name, request=fingerprint(TEST_ROUTE, body), now=ports.now().timestamp())
        # What is tried out is the configuration as it is now, not as somebody read it a minute ago.
        read_configuration(project, settings=ports.settings, secrets=ports.secrets, deadline=_deadline(), refresh=True)
        outcome = send_email(
            draft,
            project,
            ports=ports,
            deadline=_deadline(),
            lease_seconds=_remaining() + _LEASE_MARGIN_SECONDS,
            key=key,
            role=event.role,
            render=lambda outcome: stored_outcome(outcome, instance=event.instance),
        )
        if isinstance(outcome, SendReport):
            _observe(observe_report(outcome, project_id=project, subject=event.subject))
        return _respond(answer_outcome(outcome, project_id=project))

    @app.get("/v1/projects/<project_id>/templates")
    def list_templates(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _READ, _SEND)
        query = parse_templates_query(event.query_string_parameters or {})
        return _respond(answer(templates_view(ports.templates.page(project, after=query.after, limit=query.limit))))

    @app.get("/v1/projects/<project_id>/templates/<name>")
    def show_template(project_id: str, name: str) -> Response[str]:
        _, project = _enter(project_id, _READ, _SEND)
        return _respond(answer_template(find_template(project, name, templates=ports.templates)))

    @app.put("/v1/projects/<project_id>/templates/<name>")
    def put_template(project_id: str, name: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_json(event.headers)
        stored = store_template(
            project,
            parse_new_name(name),
            parse_template(event.octets()),
            only_if=parse_precondition(event.headers, may_be_new=True),
            now=ports.now().timestamp(),
            templates=ports.templates,
        )
        _observe(observe_template(stored.summary, project_id=project, subject=event.subject))
        return _respond(answer_template(stored))

    @app.delete("/v1/projects/<project_id>/templates/<name>")
    def delete_template(project_id: str, name: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_no_body(event.octets())
        only_if = parse_precondition(event.headers, may_be_new=False)
        removed = remove_template(project, name, only_if=only_if, templates=ports.templates)
        _observe(observe_template(removed, project_id=project, subject=event.subject, is_removed=True))
        return _respond(answer_removed(removed))

    @app.get("/v1/provider-schemas")
    def show_schemas() -> Response[str]:
        demand_caller(_event().caller)
        return _respond(answer(schemas_view()))

    @app.get("/v1/provider-schemas/<kind>")
    def show_schema(kind: str) -> Response[str]:
        demand_caller(_event().caller)
        return _respond(answer(schema_view(kind)))

    @app.get("/v1/projects/<project_id>/email-config/providers")
    def list_all_providers(project_id: str) -> Response[str]:
        _, project = _enter(project_id, _READ)
        return _respond(answer_providers(list_providers(project, ports=configuration, deadline=_deadline())))

    @app.post("/v1/projects/<project_id>/email-config/providers")
    def post_provider(project_id: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_json(event.headers)
        changed = add_provider(
            project,
            parse_new_provider(event.octets()),
            new_id=new_provider_id,
            only_if=parse_if_match(event.headers),
            ports=configuration,
            deadline=_deadline(),
        )
        if isinstance(changed, Refused):
            return _respond_refused(changed, project)
        _observe(observe_provider(changed, project_id=project, subject=event.subject))
        return _respond(answer_added(changed, project_id=project))

    @app.get("/v1/projects/<project_id>/email-config/providers/<provider_id>")
    def show_provider(project_id: str, provider_id: str) -> Response[str]:
        _, project = _enter(project_id, _READ)
        return _respond(answer_provider(find_provider(project, provider_id, ports=configuration, deadline=_deadline())))

    @app.put("/v1/projects/<project_id>/email-config/providers/<provider_id>")
    def put_provider(project_id: str, provider_id: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_json(event.headers)
        changed = replace_provider(
            project,
            provider_id,
            parse_provider_change(event.octets()),
            only_if=parse_if_match(event.headers),
            ports=configuration,
            deadline=_deadline(),
        )
        if isinstance(changed, Refused):
            return _respond_refused(changed, project)
        _observe(observe_provider(changed, project_id=project, subject=event.subject))
        return _respond(answer_provider(changed))

    @app.delete("/v1/projects/<project_id>/email-config/providers/<provider_id>")
    def delete_provider(project_id: str, provider_id: str) -> Response[str]:
        event, project = _enter(project_id, _WRITE)
        demand_no_body(event.octets())
        only_if = parse_if_match(event.headers)
        removed = remove_provider(project, provider_id, only_if=only_if, ports=configuration, deadline=_deadline())
        if isinstance(removed, Refused):
            return _respond_refused(removed, project)
        _observe(observe_provider(removed, project_id=project, subject=event.subject))
        return _respond(answer_removed_provider(removed))

    @app.route("/email-config", method=["GET", "POST", "PUT"])
    def sender_as_messagepipe() -> Response[str]:
        return _serve_messagepipe()

    @app.route("/email-config/<_part>", method=["GET", "POST"])
    def parts_as_messagepipe(_part: str) -> Response[str]:
        return _serve_messagepipe()

    @app.route("/email-config/<_part>/<_name>", method=["GET", "PUT", "DELETE"])
    def part_as_messagepipe(_part: str, _name: str) -> Response[str]:
        return _serve_messagepipe()

    @app.exception_handler(MailerError)
    def refuse(error: MailerError) -> Response[str]:
        event = _event()
        _observe(observe_error(error, project_id=event.project, subject=event.subject))
        is_foreign = event.route_key in messagepipe_config.ROUTES
        return _respond(messagepipe.refuse(error) if is_foreign else answer_error(error, instance=event.instance))

    @app.not_found
    def miss(_error: NotFoundError) -> Response[str]:
        return _respond(answer_error(NotFound(), instance=_event().instance))

    @app.exception_handler(Exception)
    def fail(error: Exception) -> Response[str]:
        event = _event()
        log.error("internal error", extra=describe_bug(error))
        is_foreign = event.route_key in messagepipe_config.ROUTES
        return _respond(messagepipe.fail(event.instance) if is_foreign else answer_bug(instance=event.instance))

    def _event() -> HttpApiEvent:
        return read_event(app.current_event.raw_event)

    def _enter(project_id: str, *scopes: str) -> tuple[HttpApiEvent, ProjectId]:
        event = _event()
        return event, allowed_project(event.caller, project_id, scopes=scopes)

    def _respond_refused(refused: Refused, project: ProjectId) -> Response[str]:
        event = _event()
        _observe(observe_validation(refused.report, project_id=project, subject=event.subject))
        _observe(observe_error(refused.error, project_id=project, subject=event.subject))
        return _respond(answer_refused(refused, instance=event.instance))

    def _serve_messagepipe() -> Response[str]:
        event = _event()
        route = messagepipe_config.ROUTES.get(event.route_key)
        if route is None:
            raise NotFound
        parameters = event.query_string_parameters or {}
        demand_parameters(parameters, ("projectId",))
        project = allowed_project(event.caller, named_project(event.caller, parameters), scopes=(route.scope,))
        context = messagepipe_config.RequestContext(configuration, _deadline(), new_provider_id)
        result = route.serve(event, project, context)
        if isinstance(result.changed, Refused):
            _observe(observe_validation(result.changed.report, project_id=project, subject=event.subject))
            _observe(observe_error(result.changed.error, project_id=project, subject=event.subject))
        for observation in messagepipe_config.observe_result(result, project_id=project, subject=event.subject):
            _observe(observation)
        return _respond(result.answer)

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


def _respond(given: Answer) -> Response[str]:
    return Response(given.status, given.content_type, given.body, headers=dict(given.headers))


lambda_handler = create_handler(
    ports=wiring.send_ports(),
    configuration=wiring.configuration_ports(),
    log=Logger(),
    count=count_metric,
)
