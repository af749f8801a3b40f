"""/v1/projects/{projectId}/email-config: show a project's configuration, validate, change and test it."""

from functools import partial

from mailer.api import scopes
from mailer.api.config.ports import ConfigPorts
from mailer.api.config.requests import (
    ConfigurationBody,
    TrialBody,
    ValidationBody,
    parse_change_request,
    parse_trial_request,
    parse_validate_request,
)
from mailer.api.config.views import (
    Configuration,
    Validation,
    answer_refused,
    configuration_view,
    validation_view,
)
from mailer.api.emails.answers import answer_outcome, stored_outcome
from mailer.api.emails.query import demand_no_body
from mailer.api.emails.responses import SentEmail
from mailer.api.emails.sending import key_of_request
from mailer.api.exchange import Answer, answer
from mailer.api.idempotency_keys import TEST_ROUTE
from mailer.api.route import IDEMPOTENCY_KEY, LIMIT_HEADERS, Request, Route
from mailer.api.route_errors import CHANGE_CONFIGURATION_ERRORS, TEST_ERRORS
from mailer.errors import ConfigurationChanged, LedgerUnavailable, ProjectSmtpDisabled, SecretsUnavailable
from mailer.message.draft import trial_draft
from mailer.observation.configuration import observe_change
from mailer.observation.sending import observe_error, observe_report
from mailer.observation.validation import observe_validation
from mailer.service.configuring.change_configuration import Refused, remove_configuration, replace_configuration
from mailer.service.configuring.check_configuration import check_entries
from mailer.service.configuring.show_configuration import show_configuration
from mailer.service.configuring.validate_project import validate_stored
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.send_email import SendReport, send_email

_CONFIG = "/v1/projects/{projectId}/email-config"
_TAG = "Configuration"


def _show(request: Request, ports: ConfigPorts) -> Answer:
    sending = ports.sending
    view = show_configuration(
        request.project,
        settings=sending.settings,
        secrets=sending.secrets,
        ledger=sending.ledger,
        deadline=request.deadline,
    )
    return answer(configuration_view(view))


def _replace(request: Request, ports: ConfigPorts) -> Answer:
    entries = parse_change_request(request.json_body())
    changed = replace_configuration(request.project, entries, ports=ports.changing, deadline=request.deadline)
    if isinstance(changed, Refused):
        return answer_refused_change(changed, request)
    request.observe(observe_change(changed))
    return answer(configuration_view(changed))


def _remove(request: Request, ports: ConfigPorts) -> Answer:
    demand_no_body(request.body())
    view = remove_configuration(request.project, ports=ports.changing, deadline=request.deadline)
    request.observe(observe_change(view))
    return answer(configuration_view(view))


def _validate(request: Request, ports: ConfigPorts) -> Answer:
    entries = parse_validate_request(request.json_body() if request.body() else "")
    if entries is None:
        report = validate_stored(request.project, ports=ports.changing, deadline=request.deadline)
    else:
        report = check_entries(entries, ports=ports.changing, deadline=request.deadline)
    request.observe(observe_validation(report))
    return answer(validation_view(report))


def _test(request: Request, ports: ConfigPorts) -> Answer:
    body = request.json_body()
    draft = trial_draft(request.project, parse_trial_request(body))
    sending = ports.sending
    key = key_of_request(request, TEST_ROUTE, body, ports=sending)
    # The test is of the configuration as it is now, not as a cache has it.
    read_configuration(
        request.project, settings=sending.settings, secrets=sending.secrets, deadline=request.deadline, refresh=True
    )
    outcome = send_email(
        draft,
        request.project,
        ports=sending,
        deadline=request.deadline,
        lease_seconds=request.lease_seconds,
        key=key,
        role=request.event.role,
        render=partial(stored_outcome, instance=request.instance),
    )
    if isinstance(outcome, SendReport):
        request.observe(observe_report(outcome))
    return answer_outcome(outcome, project_id=request.project)


def answer_refused_change(refused: Refused, request: Request) -> Answer:
    """Log a change that was not made, and answer it with its problem and its checks."""
    observe_refused(refused, request)
    return answer_refused(refused, instance=request.instance)


def observe_refused(refused: Refused, request: Request) -> None:
    """Log which checks a change failed, and its error."""
    request.observe(observe_validation(refused.report))
    request.observe(observe_error(refused.error))


ROUTES: tuple[Route[ConfigPorts], ...] = (
    Route(
        key=f"GET {_CONFIG}",
        scopes=(scopes.READ_CONFIGURATION,),
        serve=_show,
        name="showConfiguration",
        tag=_TAG,
        summary="Show a project's configuration, without its secrets",
        answers={200: Configuration},
        errors=(SecretsUnavailable, LedgerUnavailable),
    ),
    Route(
        key=f"PUT {_CONFIG}",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_replace,
        name="replaceConfiguration",
        tag=_TAG,
        summary="Validate entries, and store them if every check passes",
        request=ConfigurationBody,
        answers={200: Configuration},
        errors=CHANGE_CONFIGURATION_ERRORS,
    ),
    Route(
        key=f"DELETE {_CONFIG}",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_remove,
        name="removeConfiguration",
        tag=_TAG,
        summary="Take the project back to the server transport",
        answers={200: Configuration},
        errors=(ProjectSmtpDisabled, ConfigurationChanged, SecretsUnavailable, LedgerUnavailable),
    ),
    Route(
        key=f"POST {_CONFIG}/validate",
        scopes=(scopes.READ_CONFIGURATION, scopes.WRITE_CONFIGURATION),
        serve=_validate,
        name="validateConfiguration",
        tag=_TAG,
        summary="Validate entries, or the stored ones, as far as MAIL FROM; nothing is sent",
        request=ValidationBody,
        answers={200: Validation},
        has_optional_body=True,
        errors=(SecretsUnavailable, LedgerUnavailable),
    ),
    Route(
        key=f"POST {_CONFIG}/test",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_test,
        name="testConfiguration",
        tag=_TAG,
        summary="Send a test message as any message is sent",
        request=TrialBody,
        answers={200: SentEmail, 202: SentEmail},
        headers=(IDEMPOTENCY_KEY,),
        answer_headers=("Location", "Idempotent-Replayed", *LIMIT_HEADERS),
        errors=TEST_ERRORS,
    ),
)
