"""Presets: well-known relays by name, for `smtpService`."""

import re
from typing import Final

import msgspec


class Preset(msgspec.Struct, frozen=True):
    """Host and port of a well-known relay; the port decides the TLS mode.

    `username` is set if the relay accepts only this user name. `daily_limit` is the documented number of recipients a
    day for one mailbox.
    """

    host: str
    port: int = 587
    username: str | None = None
    daily_limit: int | None = None


_GMAIL = Preset("smtp.gmail.com", daily_limit=500)
_WORKSPACE = Preset("smtp.gmail.com", daily_limit=2_000)
_OFFICE365 = Preset("smtp.office365.com", daily_limit=10_000)
_OUTLOOK = Preset("smtp-mail.outlook.com")
_BREVO = Preset("smtp-relay.brevo.com")

PRESETS: Final = {
    "aol": Preset("smtp.aol.com"),
    "brevo": _BREVO,
    "fastmail": Preset("smtp.fastmail.com"),
    "gmail": _GMAIL,
    "google": _GMAIL,
    "google-workspace": _WORKSPACE,
    "hotmail": _OUTLOOK,
    "icloud": Preset("smtp.mail.me.com"),
    "mailgun": Preset("smtp.mailgun.org"),
    "mailgun-eu": Preset("smtp.eu.mailgun.org"),
    "mailjet": Preset("in-v3.mailjet.com"),
    "mandrill": Preset("smtp.mandrillapp.com"),
    "microsoft365": _OFFICE365,
    "office365": _OFFICE365,
    "outlook": _OUTLOOK,
    "postmark": Preset("smtp.postmarkapp.com"),
    "resend": Preset("smtp.resend.com", username="resend"),
    "sendgrid": Preset("smtp.sendgrid.net", username="apikey"),
    "sendinblue": _BREVO,
    "sparkpost": Preset("smtp.sparkpostmail.com", username="SMTP_Injection"),
    "sparkpost-eu": Preset("smtp.eu.sparkpostmail.com", username="SMTP_Injection"),
    "workspace": _WORKSPACE,
    "yahoo": Preset("smtp.mail.yahoo.com", daily_limit=500),
    "zoho": Preset("smtp.zoho.com"),
    "zoho-eu": Preset("smtp.zoho.eu"),
}

SES_REGIONS: Final = (
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-5", "ca-central-1", "ca-west-1",
    "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "il-central-1", "me-central-1", "me-south-1", "sa-east-1", "us-east-1", "us-east-2", "us-gov-east-1",
    "us-gov-west-1", "us-west-1", "us-west-2",
)  # fmt: skip

SES_HOST: Final = re.compile(r"email-smtp(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com\Z", re.IGNORECASE)


def find_preset(name: str) -> Preset | None:
    """Return the preset with this name. For Amazon SES the name is `ses-` and the region of the credentials."""
    name = name.lower()
    if name.startswith("ses-"):
        region = name.removeprefix("ses-")
        return Preset(f"email-smtp.{region}.amazonaws.com") if region in SES_REGIONS else None
    return PRESETS.get(name)


def preset_of_host(host: str) -> Preset | None:
    """Return the preset with this host, if there is one."""
    return next((preset for preset in PRESETS.values() if preset.host == host.lower()), None)
