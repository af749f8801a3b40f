"""Courier's `providers.smtp.override`: as part of a send request, or its `config` alone."""

from collections.abc import Mapping
from typing import Final

from project_smtp_cli.importing import nodemailer
from project_smtp_cli.importing.imported import Imported, NotImportable, given, members, scalar
from project_smtp_cli.importing.transport import put_service, put_tls, seconds
from project_smtp_cli.values import find

_OVERRIDE: Final = ("providers", "smtp", "override")
_PLACES: Final[tuple[tuple[str, ...], ...]] = (("message", *_OVERRIDE), _OVERRIDE, ("smtp", "override"), ("override",))
_TIMES: Final = {"connectionTimeout": "smtpConnectionTimeout", "socketTimeout": "smtpSocketTimeout"}


def recognises(value: object) -> bool:
    """Tell whether the value looks like such a request or such a config."""
    return _found(value) is not None


def convert(value: object) -> Imported:
    """Return the entries; raises `NotImportable`."""
    found = _found(value)
    if found is None:
        msg = "The file has no message.providers.smtp.override.config, and is none."
        raise NotImportable(msg)
    options, override = found
    imported = Imported()
    for name in override:
        if name != "config":
            imported.note(f"override.{name}", "Left out: it belongs to a message, not to a configuration.")
    if given(options, "host"):
        port = nodemailer.port_of(options, "config")
        imported.entries |= {"smtpHost": scalar(options["host"], "config.host"), "smtpPort": port}
    if given(options, "service"):
        put_service(imported, "config.service", scalar(options["service"], "config.service"))
    if "smtpHost" in imported.entries:
        put_tls(imported, "config", imported.entries["smtpPort"], nodemailer.wish_of(options, "config"))
    login = nodemailer.login_of(options, "config")
    names = {"user": "smtpUsername", "pass": "smtpPassword"}
    imported.entries |= {names[name]: text for name, text in login.items()} or {"smtpAuth": "none"}
    authority = nodemailer.authority_of(options, "config", imported)
    if authority is not None:
        imported.entries["smtpCaCertificate"] = authority
    for theirs, ours in _TIMES.items():
        if theirs in options:
            imported.entries[ours] = seconds(options[theirs], f"config.{theirs}")
    imported.left_out("config", options, nodemailer.KNOWN)
    return imported


def _found(value: object) -> tuple[Mapping[str, object], Mapping[str, object]] | None:
    """Return the options, and the override that they are part of."""
    for place in _PLACES:
        override = find(value, *place)
        if isinstance(override, dict) and "config" in override:
            return members(override["config"], "config"), override
    if isinstance(value, dict) and isinstance(value.get("config"), dict) and _is_transport(value["config"]):
        return value["config"], value
    if isinstance(value, dict) and _is_transport(value):
        return value, {}
    return None


def _is_transport(value: Mapping[str, object]) -> bool:
    return given(value, "host") or given(value, "service")
