"""The dialects' sending routes: each translates a request, sends it as our own route does, and answers in its shape."""

from functools import partial

from mailer.api.dialects import courier, dreamfactory, medplum, messagepipe
from mailer.api.dialects.dialect import Dialect, answer_in_dialect, read_in_dialect
from mailer.api.dialects.messagepipe import MessagePipeBulk, MessagePipeBulkSent
from mailer.api.emails.answers import stored_outcome
from mailer.api.emails.batch import BATCH_BOUNDS
from mailer.api.emails.sending import accept, deliver, key_of_request
from mailer.api.exchange import Answer
from mailer.api.route import IDEMPOTENCY_KEY, LIMIT_HEADERS, PREFER, Need, Request, Route, RouteGroup
from mailer.api.route_errors import QUEUE_ERRORS, SEND_ERRORS
from mailer.api.scopes import SEND
from mailer.input.json_body import decode_body
from mailer.ports import SendPorts

_ANSWER_HEADERS = (
    "Location", "Email-Status", "Email-Diverted-To", "Preference-Applied", "Idempotent-Replayed", *LIMIT_HEADERS,
)  # fmt: skip
_BULK = RouteGroup(
    "MessagePipe",
    "/email/send-bulk",
    reading=Need(),
    changing=Need((SEND,), QUEUE_ERRORS),
    query=messagepipe.DIALECT.parameters,
    error_shape=messagepipe.DIALECT.errors,
)


def _sending_route(dialect: Dialect) -> Route[SendPorts]:
    return Route(
        key=dialect.route,
        scopes=(SEND,),
        serve=partial(_send, dialect),
        name=f"sendAs{dialect.name}",
        tag=dialect.name,
        summary=dialect.summary,
        request=dialect.request,
        answers=dialect.answers,
        query=dialect.parameters,
        headers=(IDEMPOTENCY_KEY, PREFER),
        answer_headers=_ANSWER_HEADERS,
        errors=SEND_ERRORS,
        error_shape=dialect.errors,
    )


def _send(dialect: Dialect, request: Request, ports: SendPorts) -> Answer:
    dialect.check_path(request.event.path_parameters)
    body = request.json_body()
    email, translation = read_in_dialect(dialect, dialect.with_query(decode_body(body), request.query))
    with translation.translated_problems():
        render = partial(stored_outcome, instance=request.instance, show=dialect.show, errors=dialect.errors)
        key = key_of_request(request, dialect.route_of(request.query), body, ports=ports)
        outcome = deliver(request, ports, email, key=key, render=render)
    return answer_in_dialect(dialect, outcome, project_id=request.project)


@_BULK.route("POST", request=MessagePipeBulk, answers={202: MessagePipeBulkSent}, headers=(IDEMPOTENCY_KEY,))
def send_bulk_as_message_pipe(request: Request, ports: SendPorts) -> Answer:
    """Queue a message made from a stored template for each recipient."""
    body = request.json_body()
    emails, recipients, translation = messagepipe.read_bulk(decode_body(body))
    with translation.translated_problems():
        items = accept(request, ports, emails, messagepipe.BULK_ROUTE, body, bounds=BATCH_BOUNDS)
    return messagepipe.show_bulk(recipients, items)


_DIALECTS = (medplum.DIALECT, dreamfactory.DIALECT, courier.DIALECT, messagepipe.DIALECT)
ROUTES: tuple[Route[SendPorts], ...] = (*map(_sending_route, _DIALECTS), send_bulk_as_message_pipe)
