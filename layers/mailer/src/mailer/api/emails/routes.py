"""/v1/projects/{projectId}/emails: send, queue and explain messages, show, retry and cancel them."""

from functools import partial
from http import HTTPStatus

from mailer.api import scopes
from mailer.api.emails.answers import answer_batch, answer_outcome, email_path, stored_outcome
from mailer.api.emails.batch import BATCH_BOUNDS, BatchBody, parse_batch_request
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
from mailer.api.route import IDEMPOTENCY_KEY, LIMIT_HEADERS, PREFER, Request, Route
from mailer.api.route_errors import QUEUE_ERRORS, SEND_ERRORS
from mailer.errors import (
    ContentUnavailable,
    InvalidRequest,
    LedgerUnavailable,
    NotPossibleNow,
    SecretsUnavailable,
    TemplateNotFound,
)
from mailer.observation.sending import observe_cancelled, observe_retried
from mailer.ports import SendPorts
from mailer.service.sending.explain_email import explain_email
from mailer.service.sending.manage_email import cancel_email, find_email, page_emails, retry_email

_EMAILS = "/v1/projects/{projectId}/emails"
_TAG = "Messages"


def _send(request: Request, ports: SendPorts) -> Answer:
    body = request.json_body()
    render = partial(stored_outcome, instance=request.instance)
    email = parse_email_request(body)
    key = key_of_request(request, SEND_ROUTE, body, ports=ports)
    return answer_outcome(deliver(request, ports, email, key=key, render=render), project_id=request.project)


def _send_batch(request: Request, ports: SendPorts) -> Answer:
    body = request.json_body()
    return answer_batch(accept(request, ports, parse_batch_request(body), BATCH_ROUTE, body, bounds=BATCH_BOUNDS))


def _explain(request: Request, ports: SendPorts) -> Answer:
    email = parse_email_request(request.json_body())
    demand_no_transport((email,))
    explanation = explain_email(
        email.draft,
        request.project,
        settings=ports.settings,
        secrets=ports.secrets,
        templates=ports.templates,
        now=ports.now(),
        id=ports.new_id(),
        deadline=request.deadline,
        use=email.use,
    )
    return answer(explanation_view(explanation, instance=request.instance))


def _list(request: Request, ports: SendPorts) -> Answer:
    query = parse_page_query(request.query)
    try:
        page = page_emails(
            request.project, state=query.state, cursor=query.cursor, limit=query.limit, ledger=ports.ledger
        )
    except ValueError:
        raise InvalidRequest(cursor_problem()) from None
    return answer(page_view(page))


def _show(request: Request, ports: SendPorts) -> Answer:
    return answer(email_view(find_email(request.project, _email_id(request), ledger=ports.ledger)))


def _retry(request: Request, ports: SendPorts) -> Answer:
    demand_no_body(request.body())
    retried = retry_email(request.project, _email_id(request), ports=ports)
    request.observe(observe_retried(retried))
    location = email_path(request.project, retried.record.id)
    return answer(retried_view(retried), HTTPStatus.ACCEPTED).with_headers(Location=location)


def _cancel(request: Request, ports: SendPorts) -> Answer:
    demand_no_body(request.body())
    cancelled = cancel_email(request.project, _email_id(request), ports=ports)
    request.observe(observe_cancelled(cancelled))
    return answer(email_view(cancelled))


def _email_id(request: Request) -> str:
    return parse_email_id(request.path("emailId"))


ROUTES: tuple[Route[SendPorts], ...] = (
    Route(
        key=f"POST {_EMAILS}",
        scopes=(scopes.SEND,),
        serve=_send,
        name="sendEmail",
        tag=_TAG,
        summary="Send one message while the caller waits, or queue it with Prefer: respond-async",
        request=EmailBody,
        answers={200: SentEmail, 202: SentEmail | QueuedEmail},
        headers=(IDEMPOTENCY_KEY, PREFER),
        answer_headers=("Location", "Preference-Applied", "Idempotent-Replayed", *LIMIT_HEADERS),
        errors=SEND_ERRORS,
    ),
    Route(
        key=f"POST {_EMAILS}/batch",
        scopes=(scopes.SEND,),
        serve=_send_batch,
        name="sendBatch",
        tag=_TAG,
        summary="Queue up to 100 messages",
        request=BatchBody,
        answers={202: AcceptedBatch},
        headers=(IDEMPOTENCY_KEY,),
        answer_headers=("Idempotent-Replayed",),
        errors=QUEUE_ERRORS,
    ),
    Route(
        key=f"POST {_EMAILS}/explain",
        scopes=(scopes.SEND,),
        serve=_explain,
        name="explainEmail",
        tag=_TAG,
        summary="Show how a message would be sent, without sending it",
        request=EmailBody,
        answers={200: PossibleEmail | ImpossibleEmail},
        errors=(TemplateNotFound, SecretsUnavailable, ContentUnavailable),
    ),
    Route(
        key=f"GET {_EMAILS}",
        scopes=(scopes.READ,),
        serve=_list,
        name="listEmails",
        tag=_TAG,
        summary="List the messages, newest first",
        answers={200: EmailPage},
        query=PARAMETERS,
        errors=(LedgerUnavailable,),
    ),
    Route(
        key=f"GET {_EMAILS}/{{emailId}}",
        scopes=(scopes.READ,),
        serve=_show,
        name="showEmail",
        tag=_TAG,
        summary="Show a message: every recipient and every attempt, never the content",
        answers={200: Email},
        errors=(LedgerUnavailable,),
    ),
    Route(
        key=f"POST {_EMAILS}/{{emailId}}/retry",
        scopes=(scopes.SEND,),
        serve=_retry,
        name="retryEmail",
        tag=_TAG,
        summary="Queue a message again",
        answers={202: RetriedEmail},
        answer_headers=("Location",),
        errors=(NotPossibleNow, LedgerUnavailable, ContentUnavailable),
    ),
    Route(
        key=f"POST {_EMAILS}/{{emailId}}/cancel",
        scopes=(scopes.SEND,),
        serve=_cancel,
        name="cancelEmail",
        tag=_TAG,
        summary="Cancel a message that is not being sent",
        answers={200: Email},
        errors=(NotPossibleNow, LedgerUnavailable, ContentUnavailable),
    ),
)
