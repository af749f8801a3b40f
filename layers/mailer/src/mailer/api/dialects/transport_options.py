"""Nodemailer's SMTP transport options in our words: a whole destination that a message brings along.

Times are milliseconds there and seconds here. Nothing that weakens the line is taken: certificates are always verified,
and credentials never cross it in clear.
"""

from collections.abc import Mapping

from mailer.api.dialects.translation import Translation

_COPIED = {"host": "host", "port": "port", "secure": "secure", "requireTLS": "require_tls"}
_TIMES = {"connectionTimeout": "connection_timeout", "socketTimeout": "socket_timeout"}
FIELDS = (*_COPIED, *_TIMES, "auth", "tls", "ignoreTLS", "opportunisticTLS")
_DAY_MILLISECONDS = 24 * 3600 * 1000
_NO_EFFECT = "Remove it: connections are the service's to make and to keep."
_REFUSED: Mapping[str, str] = {
    "authMethod": "Remove it: the method is chosen from those that the server offers.",
    "customAuth": "Remove it: code is not run here.",
    "debug": _NO_EFFECT,
    "dnsTimeout": _NO_EFFECT,
    "greetingTimeout": "Give connectionTimeout, which covers the greeting.",
    "localAddress": _NO_EFFECT,
    "logger": _NO_EFFECT,
    "name": _NO_EFFECT,
    "pool": _NO_EFFECT,
    "maxConnections": _NO_EFFECT,
    "maxMessages": _NO_EFFECT,
    "proxy": "Remove it: nothing is sent through a proxy that a request names.",
    "service": "Give host and port.",
    "url": "Give host, port and auth.",
}
_AUTH_REFUSED: Mapping[str, str] = dict.fromkeys(
    (
        "accessToken", "accessUrl", "clientId", "clientSecret", "expires", "method", "options", "privateKey",
        "refreshToken", "serviceClient",
    ),
    "Give user and pass: OAuth 2.0 belongs into the project's own configuration.",
)  # fmt: skip
_UNVERIFIED = "Leave it out or true: certificates are verified. For a private authority give its certificate as tls.ca."


def translate_config(value: object, place: str, into: Translation) -> dict[str, object]:
    """Return the transport that the options describe."""
    members = into.members(value, place, FIELDS, _REFUSED)
    transport: dict[str, object] = {}
    for theirs, ours in _COPIED.items():
        into.stood(f"/transport/{ours}", f"{place}/{theirs}")
        if theirs in members:
            transport[ours] = members[theirs]
    for theirs, ours in _TIMES.items():
        into.stood(f"/transport/{ours}", f"{place}/{theirs}")
        if theirs in members:
            transport[ours] = _seconds(members[theirs], f"{place}/{theirs}", into)
    for name in ("ignoreTLS", "opportunisticTLS"):
        if members.get(name, False) is not False:
            remedy = "Remove it: STARTTLS is used wherever it is offered, and demanded unless requireTLS is false."
            into.inspection.report(f"{place}/{name}", "option-not-supported", remedy)
    transport |= _auth(members.get("auth"), f"{place}/auth", into)
    if "tls" in members:
        transport |= _tls(members["tls"], members.get("host"), f"{place}/tls", into)
    return transport


def _auth(value: object, place: str, into: Translation) -> dict[str, object]:
    if value is None:
        # As there: without credentials nobody logs in. Stored ones never go along.
        return {"auth": "none"}
    into.stood("/transport/username", f"{place}/user")
    into.stood("/transport/password", f"{place}/pass")
    members = into.members(value, place, ("user", "pass", "type"), _AUTH_REFUSED)
    kind = members.get("type", "login")
    if not isinstance(kind, str) or kind.lower() not in ("login", "custom", "plain"):
        into.inspection.report(f"{place}/type", "option-not-supported", "Give login, or leave it out.")
    named = {"username": members.get("user"), "password": members.get("pass")}
    return {name: member for name, member in named.items() if member is not None}


def _tls(value: object, host: object, place: str, into: Translation) -> dict[str, object]:
    members = into.members(value, place, ("ca", "rejectUnauthorized", "servername", "minVersion"), _TLS_REFUSED)
    if members.get("rejectUnauthorized", True) is not True:
        into.inspection.report(f"{place}/rejectUnauthorized", "option-not-supported", _UNVERIFIED)
    if members.get("servername", host) != host:
        remedy = "Remove it: the certificate must be for the host that is named."
        into.inspection.report(f"{place}/servername", "option-not-supported", remedy)
    if members.get("minVersion", "TLSv1.2") != "TLSv1.2":
        into.inspection.report(f"{place}/minVersion", "option-not-supported", "Remove it: TLS 1.2 is the least.")
    into.stood("/transport/ca_certificate", f"{place}/ca")
    authority = members.get("ca")
    if isinstance(authority, list) and all(isinstance(each, str) for each in authority):
        authority = "\n".join(authority)
    return {} if authority is None else {"ca_certificate": authority}


_TLS_REFUSED: Mapping[str, str] = {
    "cert": "Remove it: no client certificates are used.",
    "checkServerIdentity": _UNVERIFIED,
    "ciphers": "Remove it: the ciphers are those of TLS 1.2 and later.",
    "key": "Remove it: no client certificates are used.",
    "maxVersion": "Remove it: the newest version that both sides know is used.",
    "passphrase": "Remove it: no client certificates are used.",
    "pfx": "Remove it: no client certificates are used.",
    "secureProtocol": "Remove it: TLS 1.2 is the least.",
}


def _seconds(value: object, place: str, into: Translation) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _DAY_MILLISECONDS:
        into.inspection.report(place, "wrong-type", "Give milliseconds, as a positive number.")
        return None
    return value / 1000
