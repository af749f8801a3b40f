"""/v1/projects/{projectId}/emails: send, queue, explain, show, retry and cancel messages, and forget an address."""

from functools import partial
from http import HTTPStatus

from mailer.api.emails.answers import answer_batch, answer_outcome, email_path, stored_outcome
from mailer.api.emails.batch import BATCH_BOUNDS, BatchBody, parse_batch_request
from mailer.api.emails.forget import ForgetBody, ForgottenAddress, forgotten_view, parse_forget_request
from mailer.api.emails.history import Email, EmailPage, RetriedEmail, email_view, page_view, retried_view
from mailer.api.emails.override import demand_no_transport
from mailer.api.emails.query import PARAMETERS, cursor_problem, demand_no_body, parse_email_id, parse_page_query
from mailer.api.emails.request import EmailBody, parse_email_request
from mailer.api.emails.responses import (
    AcceptedBatch,
    ImpossibleEmail,
    PossibleEmail,
    QueuedEmail,
    SentEmail,
    explanation_view,
)
from mailer.api.emails.sending import accept, deliver, key_of_request
from mailer.api.exchange import Answer, answer
from mailer.api.idempotency_keys import BATCH_ROUTE, SEND_ROUTE
from mailer.api.route import IDEMPOTENCY_KEY, LIMIT_HEADERS, PREFER, Need, Request, Route, RouteGroup
from mailer.api.route_errors import QUEUE_ERRORS, SEND_ERRORS
from mailer.api.scopes import READ, SEND, WRITE_CONFIGURATION
from mailer.errors import (
    ContentUnavailable,
    InvalidRequest,
    LedgerUnavailable,
    NotPossibleNow,
    SecretsUnavailable,
    TemplateNotFound,
)
from mailer.observation.sending import observe_cancelled, observe_forgotten, observe_retried
from mailer.ports import SendPorts
from mailer.project import ProjectId
from mailer.service.sending import explain_email as explaining
from mailer.service.sending import forget_address as forgetting
from mailer.service.sending import manage_email as managing

_EMAILS = RouteGroup(
    "Messages",
    "/v1/projects/{projectId}/emails",
    reading=Need((READ,), (LedgerUnavailable,)),
    changing=Need((SEND,), (NotPossibleNow, LedgerUnavailable, ContentUnavailable)),
)


# System e-mails whose events name no project.
_PLATFORM_EMAILS = RouteGroup(
    "Messages",
    "/v1/platform/emails",
    reading=Need((READ,), (LedgerUnavailable,)),
    changing=Need((WRITE_CONFIGURATION,), (LedgerUnavailable,)),
    is_for_operator=True,
)


@_EMAILS.route(
    "POST",
    request=EmailBody,
    answers={200: SentEmail, 202: SentEmail | QueuedEmail},
    headers=(IDEMPOTENCY_KEY, PREFER),
    answer_headers=("Location", "Preference-Applied", "Idempotent-Replayed", *LIMIT_HEADERS),
    errors=SEND_ERRORS,
)
def send_email(request: Request, ports: SendPorts) -> Answer:
    """Send one message while the caller waits, or queue it if the request has Prefer: respond-async."""
    body = request.json_body()
    render = partial(stored_outcome, instance=request.instance)
    email = parse_email_request(body)
    key = key_of_request(request, SEND_ROUTE, body, ports=ports)
    return answer_outcome(deliver(request, ports, email, key=key, render=render), project_id=request.project)


@_EMAILS.route(
    "POST /batch",
    request=BatchBody,
    answers={202: AcceptedBatch},
    headers=(IDEMPOTENCY_KEY,),
    answer_headers=("Idempotent-Replayed",),
    errors=QUEUE_ERRORS,
)
def send_batch(request: Request, ports: SendPorts) -> Answer:
    """Queue up to 100 messages."""
    body = request.json_body()
    return answer_batch(accept(request, ports, parse_batch_request(body), BATCH_ROUTE, body, bounds=BATCH_BOUNDS))


@_EMAILS.route(
    "POST /explain",
    request=EmailBody,
    answers={200: PossibleEmail | ImpossibleEmail},
    errors=(TemplateNotFound, SecretsUnavailable, ContentUnavailable),
)
def explain_email(request: Request, ports: SendPorts) -> Answer:
    """Show how a message would be sent, without sending it."""
    email = parse_email_request(request.json_body())
    demand_no_transport((email,))
    explanation = explaining.explain_email(
        email.draft,
        request.project,
        settings=ports.settings,
        secrets=ports.secrets,
        ledger=ports.ledger,
        templates=ports.templates,
        now=ports.now(),
        id=ports.new_id(),
        deadline=request.deadline,
        use=email.use,
    )
    return answer(explanation_view(explanation, instance=request.instance))


@_EMAILS.route("GET", answers={200: EmailPage}, query=PARAMETERS)
def list_emails(request: Request, ports: SendPorts) -> Answer:
    """List the messages, newest first."""
    query = parse_page_query(request.query)
    try:
        page = managing.page_emails(
            request.project, state=query.state, cursor=query.cursor, limit=query.limit, ledger=ports.ledger
        )
    except ValueError:
        raise InvalidRequest(cursor_problem()) from None
    return answer(page_view(page))


@_EMAILS.route("GET /{emailId}", answers={200: Email})
def show_email(request: Request, ports: SendPorts) -> Answer:
    """Show a message with its recipients and attempts, but without its content."""
    return answer(email_view(managing.find_email(request.project, _email_id(request), ledger=ports.ledger)))


@_EMAILS.route("POST /{emailId}/retry", answers={202: RetriedEmail}, answer_headers=("Location",))
def retry_email(request: Request, ports: SendPorts) -> Answer:
    """Queue a message again."""
    demand_no_body(request.body())
    retried = managing.retry_email(request.project, _email_id(request), ports=ports)
    request.log(observe_retried(retried))
    location = email_path(request.project, retried.record.id)
    return answer(retried_view(retried), HTTPStatus.ACCEPTED).with_headers(Location=location)


@_EMAILS.route("POST /{emailId}/cancel", answers={200: Email})
def cancel_email(request: Request, ports: SendPorts) -> Answer:
    """Cancel a message that is not being sent."""
    demand_no_body(request.body())
    cancelled = managing.cancel_email(request.project, _email_id(request), ports=ports)
    request.log(observe_cancelled(cancelled))
    return answer(email_view(cancelled))


@_EMAILS.route(
    "POST /forget",
    WRITE_CONFIGURATION,
    request=ForgetBody,
    answers={200: ForgottenAddress},
    errors=(LedgerUnavailable,),
)
def forget_address(request: Request, ports: SendPorts) -> Answer:
    """Erase what is kept about a recipient's address, and say what remains and until when."""
    return _forget(request, request.project, ports)


@_PLATFORM_EMAILS.route("POST /forget", request=ForgetBody, answers={200: ForgottenAddress})
def forget_address_of_platform(request: Request, ports: SendPorts) -> Answer:
    """Erase what is kept about a recipient's address in the platform's own system e-mails."""
    return _forget(request, None, ports)


def _forget(request: Request, project_id: ProjectId | None, ports: SendPorts) -> Answer:
    asked = parse_forget_request(request.json_body())
    try:
        forgotten = forgetting.forget_address(
            project_id, asked.address, cursor=asked.cursor, ports=ports, has_time=request.has_time
        )
    except ValueError:
        raise InvalidRequest(cursor_problem()) from None
    request.log(observe_forgotten(forgotten, asked.address))
    return answer(forgotten_view(forgotten, now=ports.now()))


def _email_id(request: Request) -> str:
    return parse_email_id(request.path("emailId"))


ROUTES: tuple[Route[SendPorts], ...] = (
    send_email,
    send_batch,
    explain_email,
    list_emails,
    show_email,
    retry_email,
    cancel_email,
    forget_address,
    forget_address_of_platform,
)
