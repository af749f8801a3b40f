"""A project's relay: where it is, how the line to it is protected, and who we are to it."""

from enum import StrEnum

import msgspec

from mailer.relay.https_url import HttpsUrl
from mailer.relay.secret_str import SecretStr

# RFC 8314 names 465; the providers that offer 2465 mean the same.
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
    """No AUTH: the relay trusts the network that the message comes from."""


class TokenGrant(msgspec.Struct, frozen=True):
    """What an access token is asked for with: the refresh token where there is one, else the client's credentials.

    A client without a secret is a public one, which only a refresh token can speak for (RFC 6749 section 2.1).
    """

    token_url: HttpsUrl
    client_id: str
    client_secret: SecretStr | None
    scope: str | None = None
    refresh_token: SecretStr | None = None


class OAuthAuth(msgspec.Struct, frozen=True):
    """AUTH XOAUTH2 with a user name and an access token that has to be fetched first, over TLS only."""

    username: str
    grant: TokenGrant


type RelayAuth = PasswordAuth | OAuthAuth | NoAuth


class Relay(msgspec.Struct, frozen=True):
    """A relay as configured; timeouts in seconds.

    `ca_certificate` is PEM and, where set, the only authority trusted for this relay. `socket_timeout` bounds each
    wait for a reply; the deadline of the attempt bounds them all. `daily_limit` is how many recipients a day may be
    written to by it, None where nobody says.
    """

    host: str
    port: int
    tls: TlsMode
    auth: RelayAuth
    ca_certificate: str | None = None
    connection_timeout: float = 10.0
    socket_timeout: float = 20.0
    daily_limit: int | None = None
