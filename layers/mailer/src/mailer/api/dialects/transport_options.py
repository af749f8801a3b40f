"""Translate Nodemailer's SMTP transport options into a complete relay for one message.

Nodemailer's times are in milliseconds, ours are in seconds. Options that weaken TLS are refused: certificates are
always verified, and credentials are sent over TLS only.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field

from mailer.api.body import Always, Body
from mailer.api.dialects.translation import Translation

_COPIED = {"host": "host", "port": "port", "secure": "secure", "requireTLS": "require_tls"}
_TIMES = {"connectionTimeout": "connection_timeout", "socketTimeout": "socket_timeout"}
_DAY_MILLISECONDS = 24 * 3600 * 1000
_NO_EFFECT = "Remove it: the service manages its connections."
_REFUSED: Mapping[str, str] = {
    "authMethod": "Remove it: the service chooses a method that the server offers.",
    "customAuth": "Remove it: the service runs no code of a request.",
    "debug": _NO_EFFECT,
    "dnsTimeout": _NO_EFFECT,
    "greetingTimeout": "Give connectionTimeout, which covers the greeting.",
    "localAddress": _NO_EFFECT,
    "logger": _NO_EFFECT,
    "name": _NO_EFFECT,
    "pool": _NO_EFFECT,
    "maxConnections": _NO_EFFECT,
    "maxMessages": _NO_EFFECT,
    "proxy": "Remove it: the service uses no proxy of a request.",
    "service": "Give host and port.",
    "url": "Give host, port and auth.",
}
_AUTH_REFUSED: Mapping[str, str] = dict.fromkeys(
    (
        "accessToken", "accessUrl", "clientId", "clientSecret", "expires", "method", "options", "privateKey",
        "refreshToken", "serviceClient",
    ),
    "Give user and pass: OAuth 2.0 works only in the project's configuration.",
)  # fmt: skip
_ALWAYS_TLS = "Remove it: STARTTLS is always used if offered, and required unless requireTLS is false."
_UNVERIFIED = "Remove it: certificates are always verified. For a private CA give its certificate as tls.ca."


type _Milliseconds = Annotated[float, Meta(gt=0, lt=_DAY_MILLISECONDS, description="Milliseconds.")]
type _False = Annotated[bool, Meta(extra_json_schema={"const": False})]


class TransportAuth(Body, frozen=True, kw_only=True):
    """The user name and the password of a relay."""

    user: str | None = None
    password: str | None = field(name="pass", default=None)
    type: str | None = None


class TransportTls(Body, frozen=True, kw_only=True, rename="camel"):
    """Options for TLS."""

    ca: Annotated[str | list[str] | None, Meta(description="PEM of a private CA.")] = None
    reject_unauthorized: Always | None = None
    servername: Annotated[str | None, Meta(description="The same as `host`.")] = None
    min_version: Literal["TLSv1.2"] | None = None


class TransportOptions(Body, frozen=True, kw_only=True, rename="camel"):
    """Nodemailer's SMTP transport options."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    secure: bool | None = None
    require_tls: bool | None = field(name="requireTLS", default=None)
    connection_timeout: _Milliseconds | None = None
    socket_timeout: _Milliseconds | None = None
    auth: TransportAuth | None = None
    tls: TransportTls | None = None
    ignore_tls: _False | None = field(name="ignoreTLS", default=None)
    opportunistic_tls: _False | None = field(name="opportunisticTLS", default=None)


def translate_config(value: object, place: str, into: Translation) -> dict[str, object]:
    """Return our `transport` object for the options."""
    members = into.members(value, place, TransportOptions, _REFUSED)
    transport: dict[str, object] = {}
    for theirs, ours in _COPIED.items():
        into.map_pointer(f"/transport/{ours}", f"{place}/{theirs}")
        if theirs in members:
            transport[ours] = members[theirs]
    for theirs, ours in _TIMES.items():
        into.map_pointer(f"/transport/{ours}", f"{place}/{theirs}")
        if theirs in members:
            transport[ours] = _seconds(members[theirs], f"{place}/{theirs}", into)
    for name in ("ignoreTLS", "opportunisticTLS"):
        into.demand(members, name, False, place, _ALWAYS_TLS)
    transport |= _auth(members.get("auth"), f"{place}/auth", into)
    if "tls" in members:
        transport |= _tls(members["tls"], members.get("host"), f"{place}/tls", into)
    return transport


def _auth(value: object, place: str, into: Translation) -> dict[str, object]:
    if value is None:
        # As in Nodemailer, no credentials mean no authentication. Stored credentials are never used.
        return {"auth": "none"}
    into.map_pointer("/transport/username", f"{place}/user")
    into.map_pointer("/transport/password", f"{place}/pass")
    members = into.members(value, place, TransportAuth, _AUTH_REFUSED)
    kind = members.get("type", "login")
    if not isinstance(kind, str) or kind.lower() not in ("login", "custom", "plain"):
        into.inspection.report(f"{place}/type", "option-not-supported", "Give login, or leave it out.")
    named = {"username": members.get("user"), "password": members.get("pass")}
    return {name: member for name, member in named.items() if member is not None}


def _tls(value: object, host: object, place: str, into: Translation) -> dict[str, object]:
    members = into.members(value, place, TransportTls, _TLS_REFUSED)
    into.demand(members, "rejectUnauthorized", True, place, _UNVERIFIED)
    into.demand(members, "servername", host, place, "Remove it: the certificate must be for `host`.")
    into.demand(members, "minVersion", "TLSv1.2", place, "Remove it: TLS 1.2 is the minimum.")
    into.map_pointer("/transport/ca_certificate", f"{place}/ca")
    authority = members.get("ca")
    if isinstance(authority, list) and all(isinstance(each, str) for each in authority):
        authority = "\n".join(authority)
    return {} if authority is None else {"ca_certificate": authority}


_TLS_REFUSED: Mapping[str, str] = {
    "cert": "Remove it: client certificates are not supported.",
    "checkServerIdentity": _UNVERIFIED,
    "ciphers": "Remove it: the service chooses the ciphers.",
    "key": "Remove it: client certificates are not supported.",
    "maxVersion": "Remove it: the newest common version is used.",
    "passphrase": "Remove it: client certificates are not supported.",
    "pfx": "Remove it: client certificates are not supported.",
    "secureProtocol": "Remove it: TLS 1.2 is the minimum.",
}


def _seconds(value: object, place: str, into: Translation) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _DAY_MILLISECONDS:
        into.inspection.report(place, "wrong-type", "Give milliseconds, as a positive number.")
        return None
    return value / 1000
