"""DreamFactory's `.env`: the variables MAIL_…."""

from collections.abc import Mapping
from typing import Final

from project_smtp_cli.importing.dotenv import read
from project_smtp_cli.importing.imported import Imported, NotImportable
from project_smtp_cli.importing.transport import RequestedTls, put_tls

PREFIX: Final = "MAIL_"
_DRIVERS: Final = ("MAIL_DRIVER", "MAIL_MAILER")
_DEFAULT_PORT: Final = "587"
_KNOWN: Final = (
    *_DRIVERS, "MAIL_HOST", "MAIL_PORT", "MAIL_ENCRYPTION", "MAIL_USERNAME", "MAIL_PASSWORD", "MAIL_FROM_ADDRESS",
    "MAIL_FROM_NAME",
)  # fmt: skip
_TLS_MODES: Final = {
    "tls": RequestedTls.STARTTLS,
    "ssl": RequestedTls.IMPLICIT,
    "": RequestedTls.OPPORTUNISTIC,
    "none": RequestedTls.OPPORTUNISTIC,
}


def recognises(text: str) -> bool:
    """Tell whether the text looks like such a file."""
    return not text.lstrip("\ufeff \t\r\n").startswith(("{", "[", "//", "/*")) and PREFIX in text


def convert(text: str) -> Imported:
    """Return the entries; raises `NotImportable`."""
    # PHP's dotenv reads the word null as an empty value.
    read_variables = {name: _without_null(value) for name, value in read(text, PREFIX).items()}
    variables = {name: value for name, value in read_variables.items() if value or name == "MAIL_ENCRYPTION"}
    driver = next((variables[name] for name in _DRIVERS if name in variables), "smtp")
    if driver.lower() != "smtp":
        msg = "MAIL_DRIVER is not smtp: only a relay can be imported from this file."
        raise NotImportable(msg)
    if "MAIL_HOST" not in variables:
        msg = "MAIL_HOST is missing: the file names no relay."
        raise NotImportable(msg)
    imported = Imported()
    port = variables.get("MAIL_PORT", _DEFAULT_PORT).strip()
    imported.entries |= {"smtpHost": variables["MAIL_HOST"], "smtpPort": port}
    put_tls(imported, "MAIL_ENCRYPTION", port, _requested_tls(variables))
    imported.put_login(variables.get("MAIL_USERNAME"), variables.get("MAIL_PASSWORD"))
    for theirs, ours in (("MAIL_FROM_ADDRESS", "smtpFromAddress"), ("MAIL_FROM_NAME", "smtpFromName")):
        if theirs in variables:
            imported.entries[ours] = variables[theirs]
    for name in variables:
        if name not in _KNOWN:
            imported.note(name, "Left out: this service has no such setting.")
    return imported


def _without_null(value: str) -> str:
    return "" if value.lower() in ("null", "(null)", "empty", "(empty)") else value


def _requested_tls(variables: Mapping[str, str]) -> RequestedTls:
    # DreamFactory's defaults: unset means tls, empty means no TLS.
    word = variables.get("MAIL_ENCRYPTION", "tls").strip().lower()
    if word not in _TLS_MODES:
        msg = "MAIL_ENCRYPTION must be tls, ssl or empty."
        raise NotImportable(msg)
    return _TLS_MODES[word]
