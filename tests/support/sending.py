"""The relay transport for tests. It reaches a relay on loopback by the name in the relay's certificate."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network

from mailer.adapters.net.dial import AddressInfo, Resolver
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.smtp import Freshness, SmtpOptions, SmtpSender, SmtpTransport
from mailer.message.address import Address, parse_address
from mailer.message.message import Body, Message
from mailer.project import ProjectId
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, RelayAuth, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Attempt

from tests.support import canaries
from tests.support.certificates import authority
from tests.support.hostile_relay import HostileRelay

RELAY_NAME = "relay.example.com"
EHLO_NAME = "mailer.example.com"
USERNAME = canaries.USERNAME
PASSWORD = canaries.PASSWORD
CREDENTIALS = (USERNAME, PASSWORD)
PROJECT = ProjectId("acme")
SENDER = parse_address("sender@example.com")
RECIPIENT = parse_address("recipient@example.com")
PATIENT = 8.0
_LINE = b"." + b"x" * 76 + b"\r\n"


@dataclass(frozen=True, slots=True)
class Lines:
    """A body of equal lines, each beginning with a dot."""

    count: int

    @property
    def size(self) -> int:
        """The number of octets."""
        return self.count * len(_LINE)

    def chunks(self) -> Iterator[bytes]:
        """Yield pieces of about a hundred kilobytes."""
        whole, rest = divmod(self.count, 1280)
        piece = _LINE * 1280
        for _ in range(whole):
            yield piece
        yield _LINE * rest


def make_message(
    *,
    recipients: Sequence[Address] = (RECIPIENT,),
    text: bytes = b".dot\r\n..\r\n.\r\nend\r\n",
    body: Body | None = None,
    message_id: str = "<1@example.com>",
) -> Message:
    """Return a composed message whose body is full of dots."""
    head = b"Message-ID: " + message_id.encode() + b"\r\nSubject: hello\r\n\r\n" + text
    segments: tuple[bytes | Body, ...] = (head,) if body is None else (head, body)
    size = len(head) + (0 if body is None else body.size)
    return Message(message_id, SENDER, tuple(recipients), segments, size)


def large_message(size: int) -> Message:
    """Return a message of about this many octets."""
    return make_message(body=Lines(size // len(_LINE)))


def loopback_resolver(host: str, port: int) -> Sequence[AddressInfo]:
    """Resolve every name to 127.0.0.1."""
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


def relay_at(
    server: HostileRelay,
    *,
    tls: TlsMode = TlsMode.IMPLICIT,
    auth: RelayAuth | None = None,
    timeout: float = PATIENT,
    ca_certificate: str | None = None,
) -> Relay:
    """Return the configuration of a project whose relay is this server."""
    return Relay(
        host=RELAY_NAME,
        port=server.port,
        tls=tls,
        auth=PasswordAuth(USERNAME, SecretStr(PASSWORD)) if auth is None else auth,
        ca_certificate=authority().pem if ca_certificate is None else ca_certificate,
        connection_timeout=timeout,
        socket_timeout=timeout,
    )


NO_AUTH = NoAuth()
# Each message gets a connection of its own.
NEVER_WARM = Freshness(idle_seconds=-1.0)


def smtp_sender(
    *,
    final_reply_seconds: float = 0.1,
    freshness: Freshness | None = None,
    resolver: Resolver = loopback_resolver,
    policy: RelayPolicy | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
    slow_envelope_seconds: float = 1.0,
    busy_pauses: tuple[float, ...] = (),
) -> SmtpSender:
    """Return an SMTP sender that may reach loopback."""
    loopback = RelayPolicy(ports=((1, 65535),), networks=(IPv4Network("127.0.0.0/8"),), minimum_timeout=0.0)
    return SmtpSender(
        policy=loopback if policy is None else policy,
        options=SmtpOptions(
            ehlo_name=EHLO_NAME,
            final_reply_seconds=final_reply_seconds,
            freshness=Freshness() if freshness is None else freshness,
            slow_envelope_seconds=slow_envelope_seconds,
            busy_pauses=busy_pauses,
        ),
        resolver=resolver,
        clocks=Clocks(clock, wall_clock),
    )


@contextmanager
def smtp_transport(
    *,
    final_reply_seconds: float = 0.1,
    freshness: Freshness | None = None,
    resolver: Resolver = loopback_resolver,
    policy: RelayPolicy | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
    slow_envelope_seconds: float = 1.0,
    busy_pauses: tuple[float, ...] = (),
) -> Iterator[SmtpTransport]:
    """Return a transport that may reach loopback."""
    sender = smtp_sender(
        final_reply_seconds=final_reply_seconds,
        freshness=freshness,
        resolver=resolver,
        policy=policy,
        clock=clock,
        wall_clock=wall_clock,
        slow_envelope_seconds=slow_envelope_seconds,
        busy_pauses=busy_pauses,
    )
    transport = SmtpTransport(sender)
    try:
        yield transport
    finally:
        transport.close()


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt and its duration in seconds."""

    attempt: Attempt
    seconds: float


def send(
    transport: SmtpTransport, relay: Relay, message: Message, *, budget: float = PATIENT, version_id: str = "v1"
) -> Sent:
    """Make one attempt within this many seconds."""
    began = time.monotonic()
    attempt = transport.send(message, relay, project_id=PROJECT, version_id=version_id, deadline=began + budget)
    return Sent(attempt, time.monotonic() - began)


def send_once(
    server: HostileRelay,
    message: Message | None = None,
    *,
    tls: TlsMode = TlsMode.IMPLICIT,
    auth: RelayAuth | None = None,
    budget: float = PATIENT,
    timeout: float = PATIENT,
) -> Sent:
    """Make one attempt with a new transport, and close the transport."""
    with smtp_transport() as transport:
        relay = relay_at(server, tls=tls, auth=auth, timeout=timeout)
        return send(transport, relay, message or make_message(), budget=budget)
