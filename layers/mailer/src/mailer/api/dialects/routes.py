"""The dialects' routes for sending: each translates a request, sends as our own route does, and translates back."""

from collections.abc import Callable, Mapping
from functools import partial

from mailer.api import scopes
from mailer.api.body import Body
from mailer.api.dialects import courier, dreamfactory, medplum, messagepipe
from mailer.api.dialects.courier import CourierRequest, CourierSend
from mailer.api.dialects.dialect import Dialect, answer_in, read_in, stored_in
from mailer.api.dialects.dreamfactory import DreamFactoryCount, DreamFactoryEmail
from mailer.api.dialects.medplum import OperationOutcome
from mailer.api.dialects.messagepipe import MessagePipeBulk, MessagePipeBulkSent, MessagePipeEmail, MessagePipeSent
from mailer.api.dialects.nodemailer import MessageOptions
from mailer.api.emails.batch import BATCH_BOUNDS
from mailer.api.emails.sending import accept, deliver, key_of_request
from mailer.api.exchange import Answer
from mailer.api.route import IDEMPOTENCY_KEY, LIMIT_HEADERS, PREFER, ErrorShape, Request, Route
from mailer.api.route_errors import QUEUE_ERRORS, SEND_ERRORS
from mailer.input.json_body import decode_body
from mailer.ports import SendPorts

_ANSWER_HEADERS = (
    "Location", "Email-Status", "Email-Diverted-To", "Preference-Applied", "Idempotent-Replayed", *LIMIT_HEADERS,
)  # fmt: skip

type Serve = Callable[[Request, SendPorts], Answer]


def error_shape(dialect: Dialect) -> ErrorShape:
    """Return how a dialect's routes answer errors."""
    return ErrorShape(
        refuse=lambda error, _instance: dialect.refuse(error),
        fail=dialect.fail,
        body=dialect.error_body,
        statuses=dialect.error_statuses,
        headers=dialect.error_headers,
    )


def _sending_route(
    dialect: Dialect,
    serve: Serve,
    *,
    name: str,
    tag: str,
    summary: str,
    request: type[Body],
    answers: Mapping[int, type[Body]],
) -> Route[SendPorts]:
    return Route(
        key=dialect.route,
        scopes=(scopes.SEND,),
        serve=serve,
        name=name,
        tag=tag,
        summary=summary,
        request=request,
        answers=answers,
        query=dialect.parameters,
        headers=(IDEMPOTENCY_KEY, PREFER),
        answer_headers=_ANSWER_HEADERS,
        errors=SEND_ERRORS,
        error_shape=error_shape(dialect),
    )


def _send(dialect: Dialect, request: Request, ports: SendPorts) -> Answer:
    body = request.json_body()
    email, translation = read_in(dialect, dialect.asked(decode_body(body), request.query))
    with translation.translated_problems():
        key = key_of_request(request, dialect.route_of(request.query), body, ports=ports)
        outcome = deliver(request, ports, email, key=key, render=partial(stored_in, dialect))
    return answer_in(dialect, outcome, project_id=request.project)


def _send_as_dreamfactory(request: Request, ports: SendPorts) -> Answer:
    dreamfactory.demand_service(request.path("service"))
    return _send(dreamfactory.DIALECT, request, ports)


def _send_bulk(request: Request, ports: SendPorts) -> Answer:
    body = request.json_body()
    emails, recipients, translation = messagepipe.read_bulk(decode_body(body))
    with translation.translated_problems():
        items = accept(request, ports, emails, messagepipe.BULK_ROUTE, body, bounds=BATCH_BOUNDS)
    return messagepipe.show_bulk(recipients, items)


ROUTES: tuple[Route[SendPorts], ...] = (
    _sending_route(
        medplum.DIALECT,
        partial(_send, medplum.DIALECT),
        name="sendAsMedplum",
        tag="Medplum",
        summary="Send a message with Nodemailer's options",
        request=MessageOptions,
        answers={200: OperationOutcome, 202: OperationOutcome},
    ),
    _sending_route(
        dreamfactory.DIALECT,
        _send_as_dreamfactory,
        name="sendAsDreamFactory",
        tag="DreamFactory",
        summary="Send a message with DreamFactory's fields",
        request=DreamFactoryEmail,
        answers={200: DreamFactoryCount, 202: DreamFactoryCount},
    ),
    _sending_route(
        courier.DIALECT,
        partial(_send, courier.DIALECT),
        name="sendAsCourier",
        tag="Courier",
        summary="Send a message with Courier's fields",
        request=CourierSend,
        answers={202: CourierRequest},
    ),
    _sending_route(
        messagepipe.DIALECT,
        partial(_send, messagepipe.DIALECT),
        name="sendAsMessagePipe",
        tag="MessagePipe",
        summary="Send a message made from a stored template",
        request=MessagePipeEmail,
        answers={200: MessagePipeSent, 202: MessagePipeSent},
    ),
    Route(
        key=messagepipe.BULK_ROUTE,
        scopes=(scopes.SEND,),
        serve=_send_bulk,
        name="sendBulkAsMessagePipe",
        tag="MessagePipe",
        summary="Queue a message made from a stored template for each recipient",
        request=MessagePipeBulk,
        answers={202: MessagePipeBulkSent},
        query=messagepipe.DIALECT.parameters,
        headers=(IDEMPOTENCY_KEY,),
        errors=QUEUE_ERRORS,
        error_shape=error_shape(messagepipe.DIALECT),
    ),
)
