"""What each kind of provider wants to know: the one description that validates, that is shown, and that schemas show.

A member of a nested object is named with a dot, as in `auth.pass`. A problem's place is `emailProviders.{id}.{member}`.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from mailer.relay.preset import preset_names
from mailer.relay.provider import ProviderKind
from mailer.secret import names


class Form(StrEnum):
    """How a member's value is written."""

    TEXT = "text"
    CREDENTIAL = "credential"  # exactly as typed, spaces included
    PEM = "pem"
    BOOLEAN = "boolean"
    PORT = "port"
    MILLISECONDS = "milliseconds"


class Member(msgspec.Struct, frozen=True):
    """One member of a provider's configuration.

    `is_hidden` ones are never shown. A stored value of those goes nowhere but where it was stored for, which is what
    the members with `is_destination` say. `pattern` and `choices` bound a text; `remedy` says what to write.
    """

    name: str
    form: Form
    remedy: str
    is_required: bool = False
    is_hidden: bool = False
    is_destination: bool = False
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    default: object = None


# What stands beside a provider's configuration.
ITEM_MEMBERS: Final = ("id", "provider", "name", "enabled", "priority", "config", "createdAt", "updatedAt")
MAX_PRIORITY: Final = 1000
REJECT_UNAUTHORIZED: Final = "tls.rejectUnauthorized"

_KEY = r"[!-~]{1,512}"
_SES_REGIONS = tuple(name.removeprefix("ses-") for name in preset_names() if name.startswith("ses-"))
_CERTIFICATE = "PEM of a private authority; then no other authority is trusted for this provider."


def _region() -> Member:
    return Member(
        "region",
        Form.TEXT,
        "The region whose API takes the mail, in place of a base URL: us or eu.",
        choices=("us", "eu"),
        default="us",
        is_destination=True,
    )


def _base_url(host: str) -> Member:
    return Member(
        "baseUrl",
        Form.TEXT,
        f"The API's address in place of a region, without a path: https://{host}.",
        is_destination=True,
    )


def _api_key() -> Member:
    return Member(
        "apiKey",
        Form.CREDENTIAL,
        "The API key, as the provider shows it: printable ASCII without spaces.",
        is_required=True,
        is_hidden=True,
        pattern=_KEY,
    )


def _certificate(name: str) -> Member:
    return Member(name, Form.PEM, _CERTIFICATE, is_hidden=True, is_destination=True)


CONFIG_MEMBERS: Final[Mapping[ProviderKind, tuple[Member, ...]]] = {
    ProviderKind.SMTP: (
        Member(
            "host",
            Form.TEXT,
            "The relay's fully qualified host name, such as smtp.example.com.",
            is_required=True,
            is_destination=True,
        ),
        Member(
            "port",
            Form.PORT,
            "The relay's port: 587 for STARTTLS, 465 for implicit TLS.",
            is_required=True,
            is_destination=True,
        ),
        Member(
            "secure",
            Form.BOOLEAN,
            "true: TLS from the first octet; false: STARTTLS. Left out, it is true on ports 465 and 2465.",
            is_destination=True,
        ),
        Member(
            "requireTLS",
            Form.BOOLEAN,
            "false lets a message go in clear if the relay offers no STARTTLS; credentials never do.",
            default=True,
            is_destination=True,
        ),
        Member(
            "auth.user", Form.CREDENTIAL, "The user name that the relay expects.", is_required=True, is_destination=True
        ),
        Member("auth.pass", Form.CREDENTIAL, "The password of the relay's user.", is_required=True, is_hidden=True),
        _certificate("tls.ca"),
        Member(
            REJECT_UNAUTHORIZED,
            Form.BOOLEAN,
            "true, or leave it out: certificates are always verified. Give a private authority's in tls.ca.",
            default=True,
        ),
        Member("connectionTimeout", Form.MILLISECONDS, "Milliseconds to connect."),
        Member("socketTimeout", Form.MILLISECONDS, "Milliseconds to wait for each reply."),
    ),
    ProviderKind.SES: (
        Member(
            "accessKeyId",
            Form.TEXT,
            "The id of an IAM access key that may send: letters, digits, hyphens and underscores.",
            is_required=True,
            is_destination=True,
            pattern=r"[A-Za-z0-9_-]{1,128}",
        ),
        Member(
            "secretAccessKey",
            Form.CREDENTIAL,
            "The key's secret, as IAM showed it: printable ASCII without spaces.",
            is_required=True,
            is_hidden=True,
            pattern=_KEY,
        ),
        Member(
            "region",
            Form.TEXT,
            "The AWS region where the sender is verified, such as eu-west-1.",
            is_required=True,
            is_destination=True,
            choices=_SES_REGIONS,
        ),
    ),
    ProviderKind.SENDGRID: (
        _api_key(),
        _region(),
        _base_url("api.sendgrid.com"),
        _certificate("caCertificate"),
    ),
    ProviderKind.MAILGUN: (
        _api_key(),
        Member(
            "domain",
            Form.TEXT,
            "The sending domain, such as mg.example.com.",
            is_required=True,
            is_destination=True,
        ),
        _region(),
        _base_url("api.mailgun.net"),
        _certificate("caCertificate"),
    ),
}

# What the flat entries call the members of a relay.
ENTRY_OF_MEMBER: Final[Mapping[str, str]] = {
    "host": names.HOST,
    "port": names.PORT,
    "secure": names.SECURE,
    "requireTLS": names.REQUIRE_TLS,
    "auth.user": names.USERNAME,
    "auth.pass": names.PASSWORD,
    "auth": names.AUTH,
    "tls.ca": names.CA_CERTIFICATE,
    "connectionTimeout": names.CONNECTION_TIMEOUT,
    "socketTimeout": names.SOCKET_TIMEOUT,
}
_MEMBER_OF_ENTRY: Final[Mapping[str, str]] = {entry: member for member, entry in ENTRY_OF_MEMBER.items()}
_ENTRY: Final = re.compile(r"\b(?:" + "|".join(_MEMBER_OF_ENTRY) + r")\b")


def place(provider_id: str, member: str | None = None) -> str:
    """Return the name of a provider, or of one of its members, as a problem has it."""
    provider = f"{names.PROVIDERS}.{provider_id}"
    return provider if member is None else f"{provider}.{member}"


def place_of_entry(provider_id: str, entry: str | None) -> str:
    """Return the place of what a flat entry is called in a relay's configuration."""
    # What is said about the sender is said about the entries that all providers share.
    return entry if entry in names.SENDER else place(provider_id, _MEMBER_OF_ENTRY.get(entry or ""))


def member_of(entry: str | None) -> str:
    """Return the member of a relay's configuration that a flat entry is; its `config` where it is no single one."""
    return _MEMBER_OF_ENTRY.get(entry or "", "config")


def in_members(text: str) -> str:
    """Return a text about flat entries as one about the members of a relay's configuration."""
    return _ENTRY.sub(lambda matched: _MEMBER_OF_ENTRY[matched[0]], text)


def flatten(config: Mapping[str, object]) -> dict[str, object]:
    """Return the leaves of a configuration under their dotted names; a name that has a dot already is no member's.

    Only `auth` and `tls` are objects. What else holds one keeps it, for somebody to refuse, and so does an empty one.
    """
    leaves: dict[str, object] = {}
    for name, value in config.items():
        if name in _OBJECTS and isinstance(value, dict) and value:
            leaves |= {f"{name}.{member}": leaf for member, leaf in value.items()}
        elif "." not in name:
            leaves[name] = value
    return leaves


def nest(leaves: Mapping[str, object]) -> dict[str, object]:
    """Return the configuration whose leaves these are."""
    config: dict[str, object] = {}
    for name, value in leaves.items():
        parent, separator, member = name.partition(".")
        if not separator:
            config[name] = value
            continue
        inner = config.setdefault(parent, {})
        if isinstance(inner, dict):
            inner[member] = value
    return config


_OBJECTS: Final = frozenset(
    member.name.partition(".")[0] for members in CONFIG_MEMBERS.values() for member in members if "." in member.name
)
