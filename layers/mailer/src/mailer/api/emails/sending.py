"""Send or queue the messages of a request, for our own routes and the dialects."""

from collections.abc import Callable, Sequence
from functools import partial

from mailer.api.emails.override import demand_no_transport, override_relay
from mailer.api.idempotency_keys import key_use, request_fingerprint
from mailer.api.request_headers import idempotency_key, prefers_async
from mailer.api.route import Request
from mailer.errors import MailerError
from mailer.input.json_body import Bounds
from mailer.ledger.idempotency import KeyUse, StoredAnswer
from mailer.observation.sending import observe_accepted, observe_batch, observe_repeated, observe_report
from mailer.ports import SendPorts
from mailer.service.sending.accept_emails import Accepted, BatchItem, EmailRequest, accept_batch, accept_email
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_email import send_email
from mailer.service.sending.send_outcome import SendReport

type Outcome = SendReport | Accepted | Replayed | Resumed
type Render = Callable[[SendReport | Accepted | MailerError], StoredAnswer]


def key_of_request(request: Request, route: str, body: bytes | str, *, ports: SendPorts) -> KeyUse | None:
    """Return the caller's idempotency key as the ledger stores it, if there is one.

    Raises `InvalidRequest`, and `SecretsUnavailable` if the platform's key cannot be read.
    """
    name = idempotency_key(request.headers)
    if name is None:
        return None
    request_ = request_fingerprint(route, body, platform_key=ports.platform_key())
    return key_use(name, request=request_, now=ports.now().timestamp())


def deliver(request: Request, ports: SendPorts, email: EmailRequest, *, key: KeyUse | None, render: Render) -> Outcome:
    """Send a message while the caller waits, or queue it if the caller prefers that."""
    outcome: Outcome
    if prefers_async(request.headers):
        demand_no_transport((email,))
        outcome = accept_email(
            email,
            request.project,
            ports=ports,
            deadline=request.deadline,
            key=key,
            role=request.event.role,
            render=render,
        )
    else:
        outcome = send_email(
            email.draft,
            request.project,
            ports=ports,
            deadline=request.deadline,
            record_by=request.record_by,
            lease_seconds=request.lease_seconds,
            key=key,
            on_unknown=email.on_unknown,
            use=email.use,
            override=override_relay(email, request.event.caller, ports.settings.relay_policy),
            role=request.event.role,
            render=render,
        )
    match outcome:
        case SendReport():
            request.log(observe_report(outcome))
        case Accepted():
            request.log(observe_accepted(outcome))
        case _:
            request.log(observe_repeated(outcome))
    return outcome


def accept(
    request: Request, ports: SendPorts, emails: Sequence[EmailRequest], route: str, body: bytes | str, *, bounds: Bounds
) -> tuple[BatchItem, ...]:
    """Queue the messages of a batch; the body must have been decoded with the same `bounds`."""
    demand_no_transport(emails)
    key_of = None
    name = idempotency_key(request.headers)
    if name is not None:
        batch = request_fingerprint(route, body, bounds, platform_key=ports.platform_key())
        key_of = partial(key_use, name, request=batch, now=ports.now().timestamp())
    items = accept_batch(
        emails,
        request.project,
        ports=ports,
        deadline=request.deadline,
        key_of=key_of,
        has_time=request.has_time,
        role=request.event.role,
    )
    request.log(observe_batch(items))
    return items
