"""Courier's `providers.smtp.override`, as part of a send request, or only its `config`."""

from typing import Final

from project_smtp_cli.importing import nodemailer
from project_smtp_cli.importing.imported import Imported, NotImportable, member
from project_smtp_cli.importing.section import Section, read_section
from project_smtp_cli.importing.transport import put_service, put_tls, seconds

_OVERRIDE: Final = ("providers", "smtp", "override")
_PLACES: Final[tuple[tuple[str, ...], ...]] = (("message", *_OVERRIDE), _OVERRIDE, ("smtp", "override"), ("override",))


class _Override(Section):
    config: nodemailer.Options


def recognises(value: object) -> bool:
    """Tell whether the value looks like such a request or such a config."""
    return _override(value) is not None


def convert(value: object) -> Imported:
    """Return the entries; raises `NotImportable`."""
    found = _override(value)
    if found is None:
        msg = "The file is neither a request with message.providers.smtp.override.config nor such a config."
        raise NotImportable(msg)
    override = read_section(_Override, found, "override")
    options = override.config
    imported = Imported()
    for name in override.unknown:
        imported.note(f"override.{name}", "Left out: it belongs to a message, not to a configuration.")
    if options.host is not None:
        imported.entries |= {"smtpHost": options.host, "smtpPort": options.used_port}
    if options.service is not None:
        put_service(imported, "config.service", options.service)
    if options.host is not None:
        put_tls(imported, "config", options.used_port, options.requested_tls)
    login = nodemailer.login_of(options, "config")
    imported.put_login(login.user, login.password)
    authority = nodemailer.authority_of(options, "config", imported)
    if authority is not None:
        imported.entries["smtpCaCertificate"] = authority
    if options.connection_timeout is not None:
        imported.entries["smtpConnectionTimeout"] = seconds(options.connection_timeout)
    if options.socket_timeout is not None:
        imported.entries["smtpSocketTimeout"] = seconds(options.socket_timeout)
    imported.left_out("config", options.unknown)
    return imported


def _override(value: object) -> object:
    """Return the object that holds `config`; None if there is none."""
    for place in _PLACES:
        override = member(value, *place)
        if member(override, "config") is not None:
            return override
    if _is_transport(member(value, "config")):
        return value
    return {"config": value} if _is_transport(value) else None


def _is_transport(value: object) -> bool:
    return any(member(value, name) not in (None, "") for name in ("host", "service"))
