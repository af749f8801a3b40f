"""/v1/projects/{projectId}/email-config: show a project's configuration, and examine it without sending."""

import time
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.api.access import allowed_project, demand_json
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
from mailer.api.observation import observe_error, observe_examination
from mailer.api.requests import parse_validate_request
from mailer.api.responses import configuration_view, examination_view
from mailer.errors import MailerError, NotFound
from mailer.service.check_configuration import CheckPorts, check_entries, check_stored_configuration
from mailer.service.show_configuration import show_configuration

_READ_SCOPE = "email-config:read"
_WRITE_SCOPE = "email-config:write"


def create_handler(
    *, ports: CheckPorts, log: Logger, clock: Callable[[], float] = time.monotonic
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """Build the handler around a project's secret and a relay to walk to."""
    app = APIGatewayHttpResolver()

    @app.get("/v1/projects/<project_id>/email-config")
    def show(project_id: str) -> Response[str]:
        project = allowed_project(_event().caller, project_id, scopes=(_READ_SCOPE,))
        view = show_configuration(project, settings=ports.settings, secrets=ports.secrets, deadline=_deadline())
        return _respond(answer(configuration_view(view)))

    @app.post("/v1/projects/<project_id>/email-config/validate")
    def validate(project_id: str) -> Response[str]:
        event = _event()
        project = allowed_project(event.caller, project_id, scopes=(_READ_SCOPE, _WRITE_SCOPE))
        octets = event.octets()
        if octets:
            demand_json(event.headers)
        entries = parse_validate_request(octets)
        if entries is None:
            examination = check_stored_configuration(project, ports=ports, deadline=_deadline())
        else:
            examination = check_entries(entries, ports=ports, deadline=_deadline())
        observation = observe_examination(examination, project_id=project, subject=event.subject)
        log.info(observation.message, extra=dict(observation.fields))
        return _respond(answer(examination_view(examination)))

    @app.exception_handler(MailerError)
    def refuse(error: MailerError) -> Response[str]:
        event = _event()
        observation = observe_error(error, project_id=event.project, subject=event.subject)
        log.info("request refused", extra=dict(observation.fields))
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

    def _deadline() -> float:
        remaining = app.lambda_context.get_remaining_time_in_millis()
        return request_deadline(clock(), remaining_milliseconds=remaining)

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        return app.resolve(event, context)

    return handler


def _respond(given: Answer) -> Response[str]:
    return Response(given.status, given.content_type, given.body, headers=dict(given.headers))


lambda_handler = create_handler(
    ports=CheckPorts(settings=wiring.settings(), secrets=wiring.secret_store(), probe=wiring.relay_transport()),
    log=Logger(),
)
