"""Overrides in requests. The token needs the scope `SCOPE`, and the message must be sent at once."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from mailer.api.body import Body
from mailer.errors import Forbidden, InvalidRequest
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay
from mailer.secret.override import read_override
from mailer.service.sending.accept_emails import EmailRequest

SCOPE = "email:override-transport"
_AT_ONCE = "Remove it: a transport given in a request is never stored, so it works only for a message sent at once."

type Flag = bool | str
type Seconds = float | str


class TransportBody(Body, frozen=True, kw_only=True):
    """A relay for this message only; it needs the scope email:override-transport and a From."""

    host: str
    port: Annotated[int | str, Meta(description="1 to 65535, one of the operator's AllowedRelayPorts.")]
    secure: Annotated[Flag | None, Meta(description="true: implicit TLS; false: STARTTLS.")] = None
    require_tls: Annotated[Flag | None, Meta(description="false: send without TLS if STARTTLS is not offered.")] = None
    auth: Literal["password", "none"] | None = None
    username: str | None = None
    password: str | None = None
    ca_certificate: Annotated[str | None, Meta(description="PEM of a private CA.")] = None
    connection_timeout: Annotated[Seconds | None, Meta(description="Seconds.")] = None
    socket_timeout: Annotated[Seconds | None, Meta(description="Seconds.")] = None


def override_relay(request: EmailRequest, caller: Mapping[str, object], policy: RelayPolicy) -> Relay | None:
    """Return the relay of the request's override; None if there is no override.

    Raises `Forbidden` if the token lacks the scope, and `InvalidRequest`.
    """
    if request.transport is None:
        return None
    if SCOPE not in str(caller.get("scope", "")).split():
        raise Forbidden(f"The token lacks the scope {SCOPE}. Use a token with it, or remove `transport`.")
    return read_override(request.transport, policy, pointer=f"{request.place}/transport")


def demand_no_transport(requests: Sequence[EmailRequest]) -> None:
    """Refuse an override in any of the requests; raises `InvalidRequest`."""
    problems = [
        Problem("transport-not-possible", _AT_ONCE, pointer=f"{request.place}/transport")
        for request in requests
        if request.transport is not None
    ]
    if problems:
        raise InvalidRequest(*problems)
