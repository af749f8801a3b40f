"""An OAuth 2.0 token endpoint for tests, and a token source that uses it.

The endpoint gives its answers in order, also malformed answers, and records the requests.
"""

import asyncio
import json
import ssl
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Network
from urllib.parse import parse_qsl

from mailer.adapters.net.dial import Resolver
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.smtp.oauth_tokens import OAuthTokens
from mailer.relay.https_url import HttpsUrl
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import TokenGrant
from mailer.relay.secret_str import SecretStr

from tests.support.certificates import authority
from tests.support.hostile_relay import HostileRelay, Session
from tests.support.sending import loopback_resolver
from tests.support.steps import Close, Send, Step

ENDPOINT_NAME = "login.example.com"
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "client-id", "cl13nt/s3cret+canary", "r3fr3sh-canary"
SCOPE = "https://outlook.office365.com/.default"
LOOPBACK = RelayPolicy(ports=((1, 65535),), https_networks=(IPv4Network("127.0.0.0/8"),))
PATIENT = 8.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its request line, header fields and form."""

    line: str
    fields: dict[str, str]
    form: dict[str, str]


def http_answer(status: int, body: bytes, *fields: str, length: bool = True) -> Send:
    """Return an answer with its Content-Length and further header fields."""
    lines = [f"HTTP/1.1 {status} Whatever", *fields, *([f"Content-Length: {len(body)}"] if length else [])]
    return Send("\r\n".join([*lines, "", ""]).encode() + body)


def json_answer(members: Mapping[str, object], status: int = 200) -> Send:
    """Return a JSON answer."""
    return http_answer(status, json.dumps(members).encode(), "Content-Type: application/json")


def answer(status: int = 200, **members: object) -> Send:
    """Return a JSON answer of these members."""
    return json_answer(members, status)


def token(value: str, **members: object) -> Send:
    """Return an answer with a token that is valid for an hour, with these members changed."""
    return json_answer({"access_token": value, "token_type": "Bearer", "expires_in": 3600, **members})


@cache
def _context() -> ssl.SSLContext:
    return authority().valid(ENDPOINT_NAME)


@dataclass
class TokenEndpoint:
    """The endpoint's behaviour, for a `HostileRelay`. `answers` are given in order; the last answer is repeated."""

    answers: Sequence[Step]
    context: ssl.SSLContext = field(default_factory=lambda: _context())
    requests: list[Request] = field(default_factory=list)

    async def converse(self, session: Session) -> None:
        """Serve one connection."""
        await session.start_tls(self.context)
        lines = []
        while line := (await session.read_line()).rstrip(b"\r\n").decode("ascii"):
            lines.append(line)
        fields = dict(line.split(": ", 1) for line in lines[1:])
        body = await session.read_octets(int(fields["Content-Length"]))
        self.requests.append(Request(lines[0], fields, dict(parse_qsl(body.decode("ascii"), strict_parsing=True))))
        await session.perform(self.answers[min(len(self.requests), len(self.answers)) - 1])
        await session.perform(Close())


def endpoint(*answers: Step) -> TokenEndpoint:
    """Return a behaviour with these answers."""
    return TokenEndpoint(answers)


def grant_at(server: HostileRelay, *, refresh_token: str | None = None, scope: str | None = SCOPE) -> TokenGrant:
    """Return a grant with this server's address as its token URL."""
    return TokenGrant(
        HttpsUrl(ENDPOINT_NAME, server.port, "/tenant/token?p=1"),
        CLIENT_ID,
        SecretStr(CLIENT_SECRET),
        scope,
        SecretStr(refresh_token) if refresh_token is not None else None,
    )


class ManualClocks:
    """Clocks that move only when a test sets them."""

    def __init__(self) -> None:
        self.monotonic = self.wall = 1000.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.monotonic, lambda: self.wall)


def token_source(
    *,
    policy: RelayPolicy = LOOPBACK,
    resolver: Resolver = loopback_resolver,
    clocks: ManualClocks | None = None,
    fetch_seconds: float = PATIENT,
) -> OAuthTokens:
    """Return a token source that may reach loopback."""
    return OAuthTokens(
        policy=policy,
        resolver=resolver,
        ca_certificate=authority().pem,
        clocks=(clocks or ManualClocks()).clocks,
        fetch_seconds=fetch_seconds,
    )


def ask(source: OAuthTokens, grant: TokenGrant, *, owner: Hashable | None = "acme", refused: str | None = None) -> str:
    """Fetch a token on a new event loop."""

    async def asking() -> SecretStr:
        deadline = asyncio.get_running_loop().time() + PATIENT
        wrapped = SecretStr(refused) if refused is not None else None
        return await source.token(grant, owner=owner, deadline=deadline, refused=wrapped)

    return asyncio.run(asking()).reveal()
