"""CodeStream's services configuration: `emailDeliveryService` with NodeMailer or sendgrid, and who mail is from."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from project_smtp_cli.importing.imported import Imported, NotImportable, boolean, given, members, scalar
from project_smtp_cli.importing.transport import Wish, put_service, put_tls
from project_smtp_cli.values import find

_SERVICE: Final = "emailDeliveryService"
_NODEMAILER: Final = f"{_SERVICE}.NodeMailer"
_SENDGRID: Final = f"{_SERVICE}.sendgrid"
_NODEMAILER_MEMBERS: Final = ("host", "port", "secure", "service", "username", "password", "disabled")
_DEFAULT_PORT: Final = "587"
_SEND_PATH: Final = "/v3/mail/send"
_SENDGRID_HOST: Final = "api.sendgrid.com"
_SENDGRID_HOST_EU: Final = "api.eu.sendgrid.com"
# Of the section `email`: what became of each.
_ELSEWHERE: Final = {
    "emailTo": "Left out: that everything is diverted to one address is the operator's setting for a whole stage.",
    "suppressEmails": "Left out: that nothing is sent is the operator's setting for a whole stage.",
    "replyToDomain": "Left out: give one address as smtpReplyTo, or reply_to with each message.",
    "supportEmail": "Left out: no message needs it.",
    "notificationInterval": "Left out: when notifications are sent is the application's matter.",
}


def recognises(value: object) -> bool:
    """Tell whether the value looks like such a file."""
    return find(value, _SERVICE) is not None


def convert(value: object) -> Imported:
    """Return the entries; raises `NotImportable`."""
    services = members(find(value, _SERVICE), _SERVICE)
    imported = Imported()
    if _is_in_use(services.get("sendgrid"), "apiKey", _SENDGRID):
        _put_sendgrid(members(services["sendgrid"], _SENDGRID), imported)
        if services.get("NodeMailer") is not None:
            imported.note(_NODEMAILER, "Left out: with an API key for SendGrid beside it, CodeStream never used it.")
    elif _is_in_use(services.get("NodeMailer"), ("host", "service"), _NODEMAILER):
        _put_relay(members(services["NodeMailer"], _NODEMAILER), imported)
    else:
        msg = f"{_SERVICE} has neither NodeMailer with a host nor sendgrid with an API key."
        raise NotImportable(msg)
    imported.left_out(_SERVICE, services, ("NodeMailer", "sendgrid"))
    _put_sender(find(value, "email"), imported)
    return imported


def _is_in_use(section: object, needed: str | tuple[str, ...], place: str) -> bool:
    if section is None:
        return False
    values = members(section, place)
    names = (needed,) if isinstance(needed, str) else needed
    return any(given(values, name) for name in names) and not boolean(
        values.get("disabled", False), f"{place}.disabled"
    )


def _put_relay(section: Mapping[str, object], into: Imported) -> None:
    port = scalar(section.get("port", _DEFAULT_PORT), f"{_NODEMAILER}.port").strip()
    if given(section, "host"):
        into.entries["smtpHost"] = scalar(section["host"], f"{_NODEMAILER}.host")
        into.entries["smtpPort"] = port
    if given(section, "service"):
        put_service(into, f"{_NODEMAILER}.service", scalar(section["service"], f"{_NODEMAILER}.service"))
    if "smtpHost" in into.entries:
        put_tls(into, f"{_NODEMAILER}.secure", port, _wish(section, port))
    _put_login(section, into)
    into.left_out(_NODEMAILER, section, _NODEMAILER_MEMBERS)


def _wish(section: Mapping[str, object], port: str) -> Wish:
    # CodeStream's own default is true.
    if boolean(section.get("secure", True), f"{_NODEMAILER}.secure"):
        return Wish.IMPLICIT
    # Its word for a relay without TLS is port 25 and false; elsewhere false is Nodemailer's word for STARTTLS.
    return Wish.OPPORTUNISTIC if port == "25" else Wish.STARTTLS


def _put_login(section: Mapping[str, object], into: Imported) -> None:
    if not given(section, "username"):
        into.entries["smtpAuth"] = "none"
        if given(section, "password"):
            into.note(f"{_NODEMAILER}.password", "Left out: without a user name CodeStream never logged in.")
        return
    into.entries["smtpUsername"] = scalar(section["username"], f"{_NODEMAILER}.username")
    if given(section, "password"):
        into.entries["smtpPassword"] = scalar(section["password"], f"{_NODEMAILER}.password")


def _put_sendgrid(section: Mapping[str, object], into: Imported) -> None:
    config: dict[str, object] = {"apiKey": scalar(section["apiKey"], f"{_SENDGRID}.apiKey")}
    if given(section, "url"):
        config |= _place(scalar(section["url"], f"{_SENDGRID}.url"))
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
    into.left_out(_SENDGRID, section, ("apiKey", "url", "disabled"))


def _place(url: str) -> Mapping[str, object]:
    """Return where the API is, from a path or a whole address."""
    refused = f"{_SENDGRID}.url must be {_SEND_PATH}, or https://host{_SEND_PATH}."
    try:
        place = urlsplit(url)
        authority, port = place.netloc, place.port
    except ValueError:
        raise NotImportable(refused) from None
    is_known = place.path.rstrip("/") == _SEND_PATH and not place.query and not place.fragment and "@" not in authority
    if not is_known or (place.scheme, bool(authority)) not in (("", False), ("https", True)):
        raise NotImportable(refused)
    if not authority or (place.hostname == _SENDGRID_HOST and port in (None, 443)):
        return {}
    if place.hostname == _SENDGRID_HOST_EU and port in (None, 443):
        return {"region": "eu"}
    return {"baseUrl": f"https://{authority}"}


def _put_sender(section: object, into: Imported) -> None:
    if not isinstance(section, dict):
        return
    if given(section, "senderEmail"):
        into.entries["smtpFromAddress"] = scalar(section["senderEmail"], "email.senderEmail")
    for name, detail in _ELSEWHERE.items():
        if given(section, name) and section[name] is not False:
            into.note(f"email.{name}", detail)
    into.left_out("email", section, ("senderEmail", *_ELSEWHERE))
