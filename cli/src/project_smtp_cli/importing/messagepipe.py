"""MessagePipe's providers: a list of them, with or without the sender that they share."""

import re
from collections.abc import Mapping
from typing import Final

from project_smtp_cli.importing import nodemailer
from project_smtp_cli.importing.imported import Imported, NotImportable, boolean, given, members, scalar
from project_smtp_cli.importing.transport import Wish, agreed_tls
from project_smtp_cli.values import find

_PLACES: Final = ("providers", "data", "emailProviders")
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sendgrid": ("apiKey", "region", "baseUrl"),
    "mailgun": ("apiKey", "domain", "region", "baseUrl"),
    "ses": ("accessKeyId", "secretAccessKey", "region"),
}
_KNOWN: Final = ("id", "provider", "name", "enabled", "priority", "config", "createdAt", "updatedAt", "projectId")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_MAX_PROVIDERS: Final = 100


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
        provider = _provider(members(item, f"providers[{index}]"), index, imported)
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
    return next((found for name in _PLACES if isinstance(found := find(value, name), list)), None)


def _provider(item: Mapping[str, object], index: int, into: Imported) -> dict[str, object]:
    place = f"providers[{index}]"
    kind = scalar(item.get("provider"), f"{place}.provider").strip().lower()
    if kind not in (*_KINDS, "smtp"):
        msg = f"{place}.provider must be {', '.join(_KINDS)} or smtp."
        raise NotImportable(msg)
    if not isinstance(item.get("config"), dict):
        msg = f"{place} has no config. MessagePipe never shows it: write it into the file."
        raise NotImportable(msg)
    config = members(item["config"], f"{place}.config")
    into.left_out(place, item, _KNOWN)
    name = scalar(item.get("name") or kind, f"{place}.name")
    id_ = item.get("id")
    return {
        "id": id_ if isinstance(id_, str) and _ID.match(id_) else f"provider-{index + 1}",
        "provider": kind,
        "name": name,
        "enabled": boolean(item.get("enabled", True), f"{place}.enabled"),
        "priority": _priority(item.get("priority", index + 1), f"{place}.priority"),
        "config": _config(kind, config, f"{place}.config", into),
    }


def _priority(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{place} must be a whole number."
        raise NotImportable(msg)
    return value


def _config(kind: str, config: Mapping[str, object], place: str, into: Imported) -> dict[str, object]:
    if kind == "smtp":
        return _relay(config, place, into)
    into.left_out(place, config, _KINDS[kind])
    return {name: scalar(config[name], f"{place}.{name}") for name in _KINDS[kind] if given(config, name)}


def _relay(options: Mapping[str, object], place: str, into: Imported) -> dict[str, object]:
    port = nodemailer.port_of(options, place)
    # `secure: false` is all that MessagePipe has to say STARTTLS with.
    wish = nodemailer.wish_of(options, place)
    secure, require_tls = agreed_tls(into, f"{place}.secure", port, wish)
    relay: dict[str, object] = {
        "host": scalar(options.get("host"), f"{place}.host"),
        "port": int(port) if port.isascii() and port.isdigit() and len(port) <= len("65535") else port,
        "secure": secure,
    }
    if wish is Wish.OPPORTUNISTIC and not require_tls:
        relay["requireTLS"] = False
    if login := nodemailer.login_of(options, place):
        relay["auth"] = dict(login)
    if (authority := nodemailer.authority_of(options, place, into)) is not None:
        relay["tls"] = {"ca": authority}
    for name in ("connectionTimeout", "socketTimeout"):
        if name in options:
            relay[name] = options[name]
    if "service" in options:
        into.note(f"{place}.service", "Left out: the host says where the relay is.")
    into.left_out(place, options, nodemailer.KNOWN)
    return relay


def _put_sender(value: object, into: Imported) -> None:
    sections = (value, find(value, "emailConfig"), find(value, "email-config"))
    for section in sections:
        if not isinstance(section, dict):
            continue
        for theirs, ours in (("senderEmail", "smtpFromAddress"), ("senderName", "smtpFromName")):
            if given(section, theirs):
                into.entries[ours] = scalar(section[theirs], theirs)
        if "senderEmail" in section and not boolean(section.get("enabled", True), "enabled"):
            into.note("enabled", "MessagePipe sent nothing for this project; once this is stored, mail is sent.")
