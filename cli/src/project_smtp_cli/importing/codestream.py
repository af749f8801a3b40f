"""CodeStream's services configuration: `emailDeliveryService` with NodeMailer or sendgrid, and the sender."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field

from project_smtp_cli.importing.imported import Imported, NotImportable, member
from project_smtp_cli.importing.section import Flag, Scalar, Section, read_section
from project_smtp_cli.importing.transport import RequestedTls, put_service, put_tls

_SERVICE: Final = "emailDeliveryService"
_NODEMAILER: Final = f"{_SERVICE}.NodeMailer"
_SENDGRID: Final = f"{_SERVICE}.sendgrid"
_DEFAULT_PORT: Final = "587"
_SEND_PATH: Final = "/v3/mail/send"
_SENDGRID_HOST: Final = "api.sendgrid.com"
_SENDGRID_HOST_EU: Final = "api.eu.sendgrid.com"
# Members of the section `email` that are not imported.
_NOT_IMPORTED: Final = {
    "emailTo": "Left out: only the operator can divert mail to one address (DivertAllTo).",
    "suppressEmails": "Left out: only the operator can suppress mail (SuppressEmails).",
    "replyToDomain": "Left out: give one address as smtpReplyTo, or reply_to with each message.",
    "supportEmail": "Left out: this service does not use it.",
    "notificationInterval": "Left out: the application decides when it sends notifications.",
}


class _Relay(Section):
    host: Scalar | None = None
    port: Scalar = _DEFAULT_PORT
    secure: Flag = True
    service: Scalar | None = None
    username: Scalar | None = None
    password: Scalar | None = None
    disabled: Flag = False

    @property
    def is_in_use(self) -> bool:
        return (self.host is not None or self.service is not None) and not self.disabled


class _Sendgrid(Section):
    api_key: Scalar | None = None
    url: Scalar | None = None
    disabled: Flag = False


class _Services(Section):
    relay: _Relay | None = Field(None, alias="NodeMailer")
    sendgrid: _Sendgrid | None = None


class _Email(Section):
    sender_email: Scalar | None = None


def recognises(value: object) -> bool:
    """Tell whether the value looks like such a file."""
    return member(value, _SERVICE) is not None


def convert(value: object) -> Imported:
    """Return the entries; raises `NotImportable`."""
    services = read_section(_Services, member(value, _SERVICE), _SERVICE)
    imported = Imported()
    if services.sendgrid is not None and services.sendgrid.api_key is not None and not services.sendgrid.disabled:
        _put_sendgrid(services.sendgrid, services.sendgrid.api_key, imported)
        if services.relay is not None:
            imported.note(_NODEMAILER, "Left out: CodeStream did not use it if SendGrid had an API key.")
    elif services.relay is not None and services.relay.is_in_use:
        _put_relay(services.relay, imported)
    else:
        msg = f"{_SERVICE} has neither NodeMailer with a host nor sendgrid with an API key."
        raise NotImportable(msg)
    imported.left_out(_SERVICE, services.unknown)
    _put_sender(member(value, "email"), imported)
    return imported


def _put_relay(relay: _Relay, into: Imported) -> None:
    port = relay.port.strip()
    if relay.host is not None:
        into.entries |= {"smtpHost": relay.host, "smtpPort": port}
    if relay.service is not None:
        put_service(into, f"{_NODEMAILER}.service", relay.service)
    if relay.host is not None:
        put_tls(into, f"{_NODEMAILER}.secure", port, _requested_tls(relay, port))
    if relay.username is None and relay.password is not None:
        into.note(f"{_NODEMAILER}.password", "Left out: CodeStream did not log in without a user name.")
    into.put_login(relay.username, relay.password if relay.username is not None else None)
    into.left_out(_NODEMAILER, relay.unknown)


def _requested_tls(relay: _Relay, port: str) -> RequestedTls:
    if relay.secure:
        return RequestedTls.IMPLICIT
    # In CodeStream, `secure: false` on port 25 means a relay without TLS. On other ports it means STARTTLS, as in
    # Nodemailer.
    return RequestedTls.OPPORTUNISTIC if port == "25" else RequestedTls.STARTTLS


def _put_sendgrid(sendgrid: _Sendgrid, api_key: str, into: Imported) -> None:
    config: dict[str, object] = {"apiKey": api_key}
    if sendgrid.url is not None:
        config |= _address(sendgrid.url)
    into.put_providers(
        [
            {
                "id": "sendgrid",
                "provider": "sendgrid",
                "name": "SendGrid",
                "enabled": True,
                "priority": 1,
                "config": config,
            }
        ]
    )
    into.left_out(_SENDGRID, sendgrid.unknown)


def _address(url: str) -> Mapping[str, object]:
    """Return the members `region` or `baseUrl` for the given path or URL; none for the default host."""
    refused = f"{_SENDGRID}.url must be {_SEND_PATH}, or https://host{_SEND_PATH}."
    try:
        address = urlsplit(url)
        authority, port = address.netloc, address.port
    except ValueError:
        raise NotImportable(refused) from None
    is_known = (
        address.path.rstrip("/") == _SEND_PATH and not address.query and not address.fragment and "@" not in authority
    )
    if not is_known or (address.scheme, bool(authority)) not in (("", False), ("https", True)):
        raise NotImportable(refused)
    if not authority or (address.hostname == _SENDGRID_HOST and port in (None, 443)):
        return {}
    if address.hostname == _SENDGRID_HOST_EU and port in (None, 443):
        return {"region": "eu"}
    return {"baseUrl": f"https://{authority}"}


def _put_sender(section: object, into: Imported) -> None:
    if not isinstance(section, dict):
        return
    email = read_section(_Email, section, "email")
    if email.sender_email is not None:
        into.entries["smtpFromAddress"] = email.sender_email
    for name, detail in _NOT_IMPORTED.items():
        if email.unknown.get(name) not in (None, "", False):
            into.note(f"email.{name}", detail)
    into.left_out("email", (name for name in email.unknown if name not in _NOT_IMPORTED))
