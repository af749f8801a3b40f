"""MessagePipe's list of providers, with or without their common sender."""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import StrictInt

from project_smtp_cli.importing import nodemailer
from project_smtp_cli.importing.imported import Imported, NotImportable, member
from project_smtp_cli.importing.section import Flag, Scalar, Section, read_section
from project_smtp_cli.importing.transport import RequestedTls, agreed_tls

_PLACES: Final = ("providers", "data", "emailProviders")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_MAX_PROVIDERS: Final = 100
_RELAY: Final = "smtp"


class _Account(Section):
    """The settings of all kinds of HTTP APIs; each kind uses some of them."""

    api_key: Scalar | None = None
    domain: Scalar | None = None
    region: Scalar | None = None
    base_url: Scalar | None = None
    access_key_id: Scalar | None = None
    secret_access_key: Scalar | None = None


_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sendgrid": ("apiKey", "region", "baseUrl"),
    "mailgun": ("apiKey", "domain", "region", "baseUrl"),
    "ses": ("accessKeyId", "secretAccessKey", "region"),
}


class _Provider(Section):
    id: object = None
    provider: Scalar
    name: Scalar | None = None
    enabled: Flag = True
    priority: StrictInt | None = None
    config: dict[str, object] | None = None
    created_at: object = None
    updated_at: object = None
    project_id: object = None


class _Sender(Section):
    sender_email: Scalar | None = None
    sender_name: Scalar | None = None
    enabled: Flag = True


def recognises(value: object) -> bool:
    """Tell whether the value looks like such a list."""
    listed = _listed(value)
    return listed is not None and all(isinstance(item, dict) and "provider" in item for item in listed)


def convert(value: object) -> Imported:
    """Return the entries; raises `NotImportable`."""
    listed = _listed(value)
    if not listed or len(listed) > _MAX_PROVIDERS:
        msg = f"The file must have a list of 1 to {_MAX_PROVIDERS} providers."
        raise NotImportable(msg)
    imported = Imported()
    providers: list[dict[str, object]] = []
    known: set[object] = set()
    for index, item in enumerate(listed):
        provider = _provider(item, index, imported)
        if provider["id"] in known:
            provider["id"] = f"provider-{index + 1}"
        known.add(provider["id"])
        providers.append(provider)
    imported.put_providers(providers)
    _put_sender(value, imported)
    return imported


def _listed(value: object) -> list[object] | None:
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and "provider" in value:
        return [value]
    return next((found for name in _PLACES if isinstance(found := member(value, name), list)), None)


def _provider(item: object, index: int, into: Imported) -> dict[str, object]:
    place = f"providers[{index}]"
    provider = read_section(_Provider, item, place)
    kind = provider.provider.strip().lower()
    if kind not in (*_KINDS, _RELAY):
        msg = f"{place}.provider must be {', '.join(_KINDS)} or {_RELAY}."
        raise NotImportable(msg)
    if provider.config is None:
        msg = f"{place} has no config. MessagePipe's API does not show it: add it to the file."
        raise NotImportable(msg)
    into.left_out(place, provider.unknown)
    return {
        "id": provider.id if isinstance(provider.id, str) and _ID.match(provider.id) else f"provider-{index + 1}",
        "provider": kind,
        "name": provider.name or kind,
        "enabled": provider.enabled,
        "priority": index + 1 if provider.priority is None else provider.priority,
        "config": _config(kind, provider.config, f"{place}.config", into),
    }


def _config(kind: str, config: Mapping[str, object], place: str, into: Imported) -> dict[str, object]:
    if kind == _RELAY:
        return _relay(read_section(nodemailer.Options, config, place), place, into)
    names = _KINDS[kind]
    into.left_out(place, {name: value for name, value in config.items() if name not in names})
    account = read_section(_Account, {name: config[name] for name in names if name in config}, place)
    return account.model_dump(by_alias=True, exclude_none=True)


def _relay(options: nodemailer.Options, place: str, into: Imported) -> dict[str, object]:
    if options.host is None:
        msg = f"{place}.host is missing."
        raise NotImportable(msg)
    port = options.used_port
    # In MessagePipe `secure: false` is the only way to ask for STARTTLS.
    secure, require_tls = agreed_tls(into, f"{place}.secure", port, options.requested_tls)
    relay: dict[str, object] = {
        "host": options.host,
        "port": int(port) if port.isascii() and port.isdigit() and len(port) <= len("65535") else port,
        "secure": secure,
    }
    if options.requested_tls is RequestedTls.OPPORTUNISTIC and not require_tls:
        relay["requireTLS"] = False
    login = nodemailer.login_of(options, place)
    if login.user is not None or login.password is not None:
        relay["auth"] = login.model_dump(by_alias=True, include={"user", "password"}, exclude_none=True)
    if (authority := nodemailer.authority_of(options, place, into)) is not None:
        relay["tls"] = {"ca": authority}
    relay |= options.model_dump(by_alias=True, include={"connection_timeout", "socket_timeout"}, exclude_none=True)
    if options.service is not None:
        into.note(f"{place}.service", "Left out: the host is used instead.")
    into.left_out(place, options.unknown)
    return relay


def _put_sender(value: object, into: Imported) -> None:
    for section in (value, member(value, "emailConfig"), member(value, "email-config")):
        if not isinstance(section, dict):
            continue
        sender = read_section(_Sender, section, "emailConfig")
        if sender.sender_email is not None:
            into.entries["smtpFromAddress"] = sender.sender_email
        if sender.sender_name is not None:
            into.entries["smtpFromName"] = sender.sender_name
        if sender.sender_email is not None and not sender.enabled:
            into.note("enabled", "MessagePipe did not send mail for this project. After the import, mail is sent.")
