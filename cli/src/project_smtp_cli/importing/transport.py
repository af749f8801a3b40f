"""The rule that converts the other systems' TLS settings.

Port 465 means implicit TLS. The usual STARTTLS ports mean required STARTTLS. On any other port the file decides.
Messages may be sent in clear text only if the file allows it.
"""

import re
from enum import Enum, auto
from typing import Final

from project_smtp_cli.importing.imported import Imported, NotImportable

IMPLICIT_PORTS: Final = ("465", "2465")
STARTTLS_PORTS: Final = ("25", "587", "2525", "2587")
_PLAINTEXT: Final = (
    "smtpRequireTls is false: messages are sent in clear text if the relay offers no STARTTLS. Remove it if the relay "
    "supports TLS."
)
# Nodemailer's service names, with the matching presets.
SERVICES: Final = {
    "aol": "aol",
    "fastmail": "fastmail",
    "gmail": "gmail",
    "googlemail": "gmail",
    "hotmail": "hotmail",
    "icloud": "icloud",
    "mailgun": "mailgun",
    "mailjet": "mailjet",
    "mandrill": "mandrill",
    "outlook": "outlook",
    "outlook365": "office365",
    "postmark": "postmark",
    "sendgrid": "sendgrid",
    "sendinblue": "brevo",
    "sparkpost": "sparkpost",
    "yahoo": "yahoo",
    "zoho": "zoho",
}
_SES: Final = re.compile(r"ses-[a-z]{2}(?:-[a-z]+)+-[0-9]\Z")


class RequestedTls(Enum):
    """The TLS mode that a file asks for."""

    IMPLICIT = auto()
    STARTTLS = auto()
    OPPORTUNISTIC = auto()


def put_tls(into: Imported, place: str, port: str, requested_tls: RequestedTls) -> None:
    """Set the TLS entries."""
    secure, require_tls = agreed_tls(into, place, port, requested_tls)
    into.entries["smtpSecure"] = "true" if secure else "false"
    if not require_tls:
        into.entries["smtpRequireTls"] = "false"


def agreed_tls(into: Imported, place: str, port: str, requested_tls: RequestedTls) -> tuple[bool, bool]:
    """Return whether TLS is implicit and whether it is required, and note a difference from the file."""
    if port in IMPLICIT_PORTS:
        if requested_tls is not RequestedTls.IMPLICIT:
            into.note(place, f"Port {port} uses implicit TLS, so smtpSecure is true.")
        return True, True
    if requested_tls is RequestedTls.IMPLICIT and port in STARTTLS_PORTS:
        into.note(place, f"Port {port} uses STARTTLS: smtpSecure is false, and STARTTLS is required.")
        return False, True
    if requested_tls is RequestedTls.OPPORTUNISTIC:
        into.note(place, _PLAINTEXT)
        return False, False
    return requested_tls is RequestedTls.IMPLICIT, True


def put_service(into: Imported, place: str, name: str) -> None:
    """Set the preset for a Nodemailer service; raises `NotImportable`. A host in the file takes precedence."""
    meant = name.strip().lower()
    known = SERVICES.get(meant) or (meant if _SES.match(meant) else None)
    if known is not None:
        into.entries["smtpService"] = known
    elif "smtpHost" in into.entries:
        into.note(place, "Left out: there is no preset of this name. The host is used.")
    else:
        msg = f"{place}: there is no preset of this name. Write host and port instead."
        raise NotImportable(msg)


def seconds(milliseconds: int) -> str:
    """Return milliseconds as the text of an entry in seconds."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")
