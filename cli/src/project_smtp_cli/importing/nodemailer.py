"""Nodemailer's SMTP options, in which Courier and MessagePipe describe a relay."""

from collections.abc import Mapping
from typing import Final

from project_smtp_cli.importing.imported import Imported, NotImportable, boolean, given, members, scalar
from project_smtp_cli.importing.transport import Wish

_DEFAULT_PORT: Final = "587"
_DEFAULT_SECURE_PORT: Final = "465"
KNOWN: Final = (
    "host", "port", "secure", "requireTLS", "ignoreTLS", "opportunisticTLS", "auth", "tls", "connectionTimeout",
    "socketTimeout", "service",
)  # fmt: skip
_UNVERIFIED: Final = "Left out: certificates are always verified. For a private authority give its certificate."


def port_of(options: Mapping[str, object], place: str) -> str:
    """Return the port, Nodemailer's own default where none is given."""
    if given(options, "port"):
        return scalar(options["port"], f"{place}.port").strip()
    return _DEFAULT_SECURE_PORT if _flag(options, "secure", place) else _DEFAULT_PORT


def wish_of(options: Mapping[str, object], place: str) -> Wish:
    """Return what the options ask for: STARTTLS, unless somebody wrote that it need not be."""
    if _flag(options, "secure", place):
        return Wish.IMPLICIT
    requires = boolean(options.get("requireTLS", True), f"{place}.requireTLS")
    ignores = _flag(options, "ignoreTLS", place) or _flag(options, "opportunisticTLS", place)
    return Wish.STARTTLS if requires and not ignores else Wish.OPPORTUNISTIC


def login_of(options: Mapping[str, object], place: str) -> Mapping[str, str]:
    """Return `user` and `pass`, as far as they are given; raises `NotImportable`."""
    auth = options.get("auth")
    if auth is None:
        return {}
    values = members(auth, f"{place}.auth")
    kind = values.get("type", "login")
    if not isinstance(kind, str) or kind.lower() not in ("login", "plain"):
        msg = f"{place}.auth: only user and pass can be taken over; write the smtpOauth… entries yourself."
        raise NotImportable(msg)
    return {name: scalar(values[name], f"{place}.auth.{name}") for name in ("user", "pass") if given(values, name)}


def authority_of(options: Mapping[str, object], place: str, into: Imported) -> str | None:
    """Return the private authority's certificate, and name what weakens the line or cannot be chosen."""
    tls = options.get("tls")
    if tls is None:
        return None
    values = members(tls, f"{place}.tls")
    if not boolean(values.get("rejectUnauthorized", True), f"{place}.tls.rejectUnauthorized"):
        into.note(f"{place}.tls.rejectUnauthorized", _UNVERIFIED)
    into.left_out(f"{place}.tls", values, ("ca", "rejectUnauthorized"))
    authority = values.get("ca")
    if isinstance(authority, list) and all(isinstance(each, str) for each in authority):
        authority = "\n".join(authority)
    return scalar(authority, f"{place}.tls.ca") if authority not in (None, "") else None


def _flag(options: Mapping[str, object], name: str, place: str) -> bool:
    return boolean(options.get(name, False), f"{place}.{name}")
