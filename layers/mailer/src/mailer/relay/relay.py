"""A project's relay: host, TLS mode, log-in and limits."""

from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.relay.https_url import HttpsUrl
from mailer.relay.secret_str import SecretStr

# 465: RFC 8314. Some providers offer 2465 as well.
IMPLICIT_TLS_PORTS = frozenset((465, 2465))


class TlsMode(StrEnum):
    """When TLS begins on a connection to the relay (RFC 8314, RFC 3207)."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    STARTTLS_IF_OFFERED = "starttls-if-offered"


class PasswordAuth(msgspec.Struct, frozen=True):
    """AUTH PLAIN or LOGIN with a user name and a password, over TLS only."""

    username: str
    password: SecretStr


class NoAuth(msgspec.Struct, frozen=True):
    """No AUTH: the relay accepts mail from the platform's addresses without a log-in."""


class TokenGrant(msgspec.Struct, frozen=True):
    """A grant for requesting access tokens: the refresh token if it is set, else the client's credentials.

    A public client has no secret and needs a refresh token (RFC 6749 section 2.1).
    """

    token_url: HttpsUrl
    client_id: str
    client_secret: SecretStr | None
    scope: str | None = None
    refresh_token: SecretStr | None = None


class OAuthAuth(msgspec.Struct, frozen=True):
    """AUTH XOAUTH2 with a user name and an access token, over TLS only."""

    username: str
    grant: TokenGrant


type RelayAuth = PasswordAuth | OAuthAuth | NoAuth


class Relay(msgspec.Struct, frozen=True):
    """A relay as configured; timeouts in seconds.

    `ca_certificate` is PEM; if set, no other CA is trusted for this relay. `socket_timeout` limits each wait for a
    reply; the attempt's deadline limits all waits together. `daily_limit` is the number of recipients a day; None means
    no limit.
    """

    host: str
    port: int
    tls: TlsMode
    auth: RelayAuth
    ca_certificate: str | None = None
    connection_timeout: float = 10.0
    socket_timeout: float = 20.0
    daily_limit: int | None = None

    @property
    def endpoint(self) -> str:
        """The address that mail is sent to, without secrets. Letter case in a host has no meaning."""
        return f"{self.host.lower()}:{self.port}"

    @property
    def destination(self) -> tuple[object, ...]:
        """Everything that decides who receives the credentials."""
        place = self.host.lower(), self.port, self.tls, self.ca_certificate
        match self.auth:
            case PasswordAuth(username):
                return *place, username
            case OAuthAuth(username, grant):
                return *place, username, grant.token_url, grant.client_id
            case NoAuth():
                return place
            case unreachable:
                assert_never(unreachable)
