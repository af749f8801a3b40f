"""Overrides in requests: allowed with their own scope, and only for a message that is sent at once."""

from collections.abc import Mapping, Sequence

from mailer.errors import Forbidden, InvalidRequest
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay
from mailer.secret.override import read_override
from mailer.service.sending.accept_emails import EmailRequest

SCOPE = "email:override-transport"
_AT_ONCE = "Remove it: a transport given in a request is never stored, so it works only for a message sent at once."


def override_relay(request: EmailRequest, caller: Mapping[str, object], policy: RelayPolicy) -> Relay | None:
    """Return the relay given in the request, None without one; raises `Forbidden` and `InvalidRequest`."""
    if request.transport is None:
        return None
    if SCOPE not in str(caller.get("scope", "")).split():
        raise Forbidden(f"The token lacks the scope {SCOPE}, so the message must leave by the project's transport.")
    return read_override(request.transport, policy, pointer=f"{request.place}/transport")


def demand_no_transport(requests: Sequence[EmailRequest]) -> None:
    """Refuse an override where messages are queued or nothing is sent; raises `InvalidRequest`."""
    problems = [
        Problem("transport-not-possible", _AT_ONCE, pointer=f"{request.place}/transport")
        for request in requests
        if request.transport is not None
    ]
    if problems:
        raise InvalidRequest(*problems)
