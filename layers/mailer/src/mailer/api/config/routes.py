"""/v1/projects/{projectId}/email-config: show a project's configuration, validate, change and test it."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from mailer.api.access import demand_scope
from mailer.api.config.ports import ConfigPorts
from mailer.api.config.requests import (
    HELD,
    ConfigurationBody,
    HeldBody,
    TrialBody,
    ValidationBody,
    parse_change_request,
    parse_held_query,
    parse_held_request,
    parse_trial_request,
    parse_validate_request,
)
from mailer.api.config.views import (
    Configuration,
    HeldAnswer,
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
from mailer.api.route import IDEMPOTENCY_KEY, LIMIT_HEADERS, Need, Request, Route, RouteGroup
from mailer.api.route_errors import CHANGE_CONFIGURATION, TEST_ERRORS
from mailer.api.scopes import READ_CONFIGURATION, WRITE_CONFIGURATION
from mailer.errors import (
    ConfigurationChanged,
    LedgerUnavailable,
    LimitReached,
    ProjectSmtpDisabled,
    ProjectSmtpInvalid,
    SecretsUnavailable,
)
from mailer.message.draft import trial_draft
from mailer.observation.configuration import observe_change, observe_held
from mailer.observation.record import Observation
from mailer.observation.sending import observe_error, observe_report
from mailer.observation.validation import observe_validation
from mailer.service.configuring import change_configuration as changing
from mailer.service.configuring import show_configuration as showing
from mailer.service.configuring.check_configuration import check_entries
from mailer.service.configuring.choose_held import choose_held
from mailer.service.configuring.log_in_quota import count_test_message
from mailer.service.configuring.validate_project import validate_stored
from mailer.service.read_configuration import read_configuration
from mailer.service.sending.send_email import send_email
from mailer.service.sending.send_outcome import SendReport

_READ_ERRORS = (SecretsUnavailable, LedgerUnavailable)
_CONFIG = RouteGroup(
    "Configuration",
    "/v1/projects/{projectId}/email-config",
    reading=Need((READ_CONFIGURATION,), _READ_ERRORS),
    changing=CHANGE_CONFIGURATION,
)


@_CONFIG.route("GET", answers={200: Configuration})
def show_configuration(request: Request, ports: ConfigPorts) -> Answer:
    """Show a project's configuration, without its secrets."""
    sending = ports.sending
    view = showing.show_configuration(
        request.project,
        settings=sending.settings,
        secrets=sending.secrets,
        ledger=sending.ledger,
        deadline=request.deadline,
    )
    return answer(configuration_view(view))


@_CONFIG.route("PUT", request=ConfigurationBody, answers={200: Configuration})
def replace_configuration(request: Request, ports: ConfigPorts) -> Answer:
    """Validate entries, and store them if every check passes."""
    entries = parse_change_request(request.json_body())
    changed = changing.replace_configuration(request.project, entries, ports=ports.changing, deadline=request.deadline)
    return answer_change(request, changed, observe_change, lambda view: answer(configuration_view(view)))


@_CONFIG.route(
    "DELETE",
    answers={200: Configuration},
    query=(HELD,),
    errors=(ProjectSmtpDisabled, ConfigurationChanged, SecretsUnavailable, LedgerUnavailable),
)
def remove_configuration(request: Request, ports: ConfigPorts) -> Answer:
    """Remove the project's configuration: it then uses the server transport."""
    demand_no_body(request.body())
    held = parse_held_query(request.query)
    view = changing.remove_configuration(request.project, held=held, ports=ports.changing, deadline=request.deadline)
    request.log(observe_change(view))
    return answer(configuration_view(view))


@_CONFIG.route(
    "POST /held",
    request=HeldBody,
    answers={202: HeldAnswer},
    errors=(ProjectSmtpInvalid, SecretsUnavailable, LedgerUnavailable),
)
def decide_held_messages(request: Request, ports: ConfigPorts) -> Answer:
    """Send, cancel or keep all held messages of a project."""
    choice = parse_held_request(request.json_body())
    chosen = choose_held(request.project, choice, ports=ports.changing, deadline=request.deadline)
    request.log(observe_held(chosen))
    return answer(HeldAnswer(held=chosen.choice, count=chosen.held), HTTPStatus.ACCEPTED)


@_CONFIG.route(
    "POST /validate",
    READ_CONFIGURATION,
    WRITE_CONFIGURATION,
    request=ValidationBody,
    has_optional_body=True,
    answers={200: Validation},
    errors=(*_READ_ERRORS, LimitReached),
)
def validate_configuration(request: Request, ports: ConfigPorts) -> Answer:
    """Validate the given or the stored entries, up to RCPT TO; nothing is sent."""
    entries = parse_validate_request(request.json_body() if request.body() else "")
    if entries is None:
        report, update = validate_stored(request.project, ports=ports.changing, deadline=request.deadline)
        request.log(observe_validation(report, became_invalid=update.became_invalid))
    else:
        # The caller chooses the host, so these entries are as good as a change.
        demand_scope(request.event.caller, WRITE_CONFIGURATION)
        report = check_entries(request.project, entries, ports=ports.changing, deadline=request.deadline)
        request.log(observe_validation(report))
    return answer(validation_view(report))


@_CONFIG.route(
    "POST /test",
    request=TrialBody,
    answers={200: SentEmail, 202: SentEmail},
    headers=(IDEMPOTENCY_KEY,),
    answer_headers=("Location", "Idempotent-Replayed", *LIMIT_HEADERS),
    errors=TEST_ERRORS,
)
def test_configuration(request: Request, ports: ConfigPorts) -> Answer:
    """Send a test message in the same way as any other message."""
    body = request.json_body()
    draft = trial_draft(request.project, parse_trial_request(body))
    sending = ports.sending
    count_test_message(request.project, sending)
    key = key_of_request(request, TEST_ROUTE, body, ports=sending)
    # The test must use the current configuration, not a cached one.
    read_configuration(
        request.project,
        settings=sending.settings,
        secrets=sending.secrets,
        ledger=sending.ledger,
        deadline=request.deadline,
        refresh=True,
    )
    outcome = send_email(
        draft,
        request.project,
        ports=sending,
        deadline=request.deadline,
        record_by=request.record_by,
        lease_seconds=request.lease_seconds,
        key=key,
        role=request.event.role,
        may_queue=False,
        render=partial(stored_outcome, instance=request.instance),
    )
    if isinstance(outcome, SendReport):
        request.log(observe_report(outcome))
    return answer_outcome(outcome, project_id=request.project)


def answer_change[T](
    request: Request,
    changed: T | changing.Refused,
    observe: Callable[[T], Observation],
    show: Callable[[T], Answer],
    refuse: Callable[[changing.Refused, str], Answer] = answer_refused,
) -> Answer:
    """Log a change or its failed checks, and return the answer; `refuse` also gets the request's id."""
    if isinstance(changed, changing.Refused):
        request.log(observe_validation(changed.report))
        request.log(observe_error(changed.error))
        return refuse(changed, request.instance)
    request.log(observe(changed))
    return show(changed)


ROUTES: tuple[Route[ConfigPorts], ...] = (
    show_configuration,
    replace_configuration,
    remove_configuration,
    decide_held_messages,
    validate_configuration,
    test_configuration,
)
