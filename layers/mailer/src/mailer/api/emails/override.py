"""When a request may bring a transport along: with the scope for it, and for a message that leaves at once."""

from collections.abc import Mapping, Sequence

from mailer.errors import Forbidden, InvalidRequest
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay
from mailer.secret.override import read_override
from mailer.service.sending.accept_emails import EmailRequest

SCOPE = "email:override-transport"
_AT_ONCE = "Remove it: what a message brings along is stored nowhere, so such a message leaves at once or not at all."


def brought_relay(request: EmailRequest, caller: Mapping[str, object], policy: RelayPolicy) -> Relay | None:
    """Return the relay that a request brings along, None where it brings none; raises `Forbidden`, `InvalidRequest`."""
    if request.transport is None:
        return None
    if SCOPE not in str(caller.get("scope", "")).split():
        raise Forbidden(f"The token lacks the scope {SCOPE}, so the message must leave by the project's transport.")
    return read_override(request.transport, policy, pointer=f"{request.place}/transport")


def demand_no_transport(requests: Sequence[EmailRequest]) -> None:
    """Refuse a transport where the messages wait or nothing is sent; raises `InvalidRequest`."""
    problems = [
        Problem("transport-not-possible", _AT_ONCE, pointer=f"{request.place}/transport")
        for request in requests
        if request.transport is not None
    ]
    if problems:
        raise InvalidRequest(*problems)
