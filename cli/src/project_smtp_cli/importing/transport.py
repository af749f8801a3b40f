"""How the other systems' words for TLS are meant: one rule for all of them.

Port 465 is implicit TLS; on the ports of STARTTLS it is STARTTLS, demanded, whatever the file calls it; elsewhere the
file is believed. That a message may go in clear is only what somebody asked for.
"""

import re
from enum import Enum, auto
from typing import Final

from project_smtp_cli.importing.imported import Imported, NotImportable

IMPLICIT_PORTS: Final = ("465", "2465")
STARTTLS_PORTS: Final = ("25", "587", "2525", "2587")
_PLAINTEXT: Final = (
    "smtpRequireTls is false: messages cross the network in clear if the relay offers no STARTTLS. Take it out if the "
    "relay can do TLS."
)
_MAX_MILLISECONDS: Final = 24 * 3600 * 1000
# Names of Nodemailer's services that are called otherwise here; every other name is the same in lower case.
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


class Wish(Enum):
    """What a file asks for."""

    IMPLICIT = auto()
    STARTTLS = auto()
    OPPORTUNISTIC = auto()


def put_tls(into: Imported, place: str, port: str, wish: Wish) -> None:
    """Put what port and wish come to."""
    secure, require_tls = agreed_tls(into, place, port, wish)
    into.entries["smtpSecure"] = "true" if secure else "false"
    if not require_tls:
        into.entries["smtpRequireTls"] = "false"


def agreed_tls(into: Imported, place: str, port: str, wish: Wish) -> tuple[bool, bool]:
    """Return whether TLS is implicit and whether it is demanded, and note where that is not what the file says."""
    if port in IMPLICIT_PORTS:
        if wish is not Wish.IMPLICIT:
            into.note(place, f"Port {port} speaks TLS from the first octet, so smtpSecure is true.")
        return True, True
    if wish is Wish.IMPLICIT and port in STARTTLS_PORTS:
        into.note(place, f"On port {port} TLS begins by STARTTLS: smtpSecure is false, and STARTTLS is demanded.")
        return False, True
    if wish is Wish.OPPORTUNISTIC:
        into.note(place, _PLAINTEXT)
        return False, False
    return wish is Wish.IMPLICIT, True


def put_service(into: Imported, place: str, name: str) -> None:
    """Put the preset that a service of Nodemailer is; with a host beside it the host counts."""
    meant = name.strip().lower()
    known = SERVICES.get(meant) or (meant if _SES.match(meant) else None)
    if known is not None:
        into.entries["smtpService"] = known
    elif "smtpHost" in into.entries:
        into.note(place, "Left out: there is no preset of this name here, and the host says the same.")
    else:
        msg = f"{place}: there is no preset of this name here. Write host and port instead."
        raise NotImportable(msg)


def seconds(value: object, place: str) -> str:
    """Return milliseconds as the text of an entry in seconds; raises `NotImportable`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_MILLISECONDS:
        msg = f"{place} must be milliseconds, as a whole number."
        raise NotImportable(msg)
    whole, rest = divmod(value, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")
