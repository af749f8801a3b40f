"""Send to a real server as a project does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from mailer.adapters.smtp import SmtpTransport
from mailer.message.address import Address
from mailer.message.message import Message
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, RelayAuth, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Verdict

from tests.relays.server import PASSWORD, USERNAME, RealServer
from tests.support.certificates import authority
from tests.support.sending import RELAY_NAME, send, smtp_transport

SECONDS = 30.0
LOGIN = PasswordAuth(USERNAME, SecretStr(PASSWORD))
NO_LOGIN = NoAuth()


def relay_of(server: RealServer, *, tls: TlsMode = TlsMode.STARTTLS, auth: RelayAuth = LOGIN) -> Relay:
    """Return the configuration of a project whose relay is this server."""
    port = server.ports.implicit if tls is TlsMode.IMPLICIT else server.ports.starttls
    if not server.has_login:
        port, tls, auth = server.ports.trusting, TlsMode.STARTTLS_IF_OFFERED, NO_LOGIN
    elif isinstance(auth, NoAuth):
        port = server.ports.trusting
    return Relay(
        host=RELAY_NAME,
        port=port,
        tls=tls,
        auth=auth,
        ca_certificate=authority().pem,
        connection_timeout=SECONDS,
        socket_timeout=SECONDS,
    )


@contextmanager
def client() -> Iterator[SmtpTransport]:
    """Return a transport with the times of the service."""
    with smtp_transport(final_reply_seconds=10.0, busy_pauses=(0.5, 1.0, 2.0)) as transport:
        yield transport


def send_by(
    transport: SmtpTransport, server: RealServer, message: Message, *, auth: RelayAuth = LOGIN
) -> Mapping[Address, Verdict]:
    """Make one attempt and return its verdicts."""
    return send(transport, relay_of(server, auth=auth), message, budget=SECONDS).attempt.verdicts
