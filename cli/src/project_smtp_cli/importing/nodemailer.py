"""Nodemailer's SMTP options. Courier and MessagePipe use them to describe a relay."""

from typing import Final

from pydantic import Field

from project_smtp_cli.importing.imported import Imported, NotImportable
from project_smtp_cli.importing.section import Certificates, Flag, Milliseconds, Scalar, Section
from project_smtp_cli.importing.transport import RequestedTls

_DEFAULT_PORT: Final = "587"
_DEFAULT_SECURE_PORT: Final = "465"
_UNVERIFIED: Final = "Left out: certificates are always verified. For a private CA, give its certificate."


class Auth(Section):
    """The log-in."""

    type: Scalar = "login"
    user: Scalar | None = None
    password: Scalar | None = Field(None, alias="pass")


class Tls(Section):
    """How certificates are verified."""

    ca: Certificates | None = None
    reject_unauthorized: Flag = True


class Options(Section):
    """The options that are imported."""

    host: Scalar | None = None
    port: Scalar | None = None
    secure: Flag = False
    require_tls: Flag = Field(True, alias="requireTLS")
    ignore_tls: Flag = Field(False, alias="ignoreTLS")
    opportunistic_tls: Flag = Field(False, alias="opportunisticTLS")
    auth: Auth | None = None
    tls: Tls | None = None
    connection_timeout: Milliseconds | None = None
    socket_timeout: Milliseconds | None = None
    service: Scalar | None = None

    @property
    def used_port(self) -> str:
        """The port, or Nodemailer's default."""
        if self.port is not None:
            return self.port.strip()
        return _DEFAULT_SECURE_PORT if self.secure else _DEFAULT_PORT

    @property
    def requested_tls(self) -> RequestedTls:
        """The requested TLS mode. STARTTLS is required unless the file says otherwise."""
        if self.secure:
            return RequestedTls.IMPLICIT
        is_optional = not self.require_tls or self.ignore_tls or self.opportunistic_tls
        return RequestedTls.OPPORTUNISTIC if is_optional else RequestedTls.STARTTLS


def login_of(options: Options, place: str) -> Auth:
    """Return the log-in, which is empty if the file has none; raises `NotImportable`."""
    auth = options.auth or Auth.model_validate({})
    if auth.type.lower() not in ("login", "plain"):
        msg = f"{place}.auth: only user and pass can be imported. Write the smtpOauth… entries yourself."
        raise NotImportable(msg)
    return auth


def authority_of(options: Options, place: str, into: Imported) -> str | None:
    """Return the certificate of the private CA, and add a note for TLS options that are left out."""
    if options.tls is None:
        return None
    if not options.tls.reject_unauthorized:
        into.note(f"{place}.tls.rejectUnauthorized", _UNVERIFIED)
    into.left_out(f"{place}.tls", options.tls.unknown)
    return options.tls.ca
