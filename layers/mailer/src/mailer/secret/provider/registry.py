"""All provider kinds, and the members of a provider in the list."""

from collections.abc import Mapping
from typing import Final

from mailer.relay.provider import ProviderKind
from mailer.secret import names
from mailer.secret.provider.kind import Kind
from mailer.secret.provider.mailgun import MAILGUN
from mailer.secret.provider.sendgrid import SENDGRID
from mailer.secret.provider.ses import SES
from mailer.secret.provider.smtp import SMTP

KINDS: Final[Mapping[ProviderKind, Kind]] = {kind.kind: kind for kind in (SMTP, SES, SENDGRID, MAILGUN)}
MEMBERS: Final = tuple(member for kind in KINDS.values() for member in kind.members)
ITEM_MEMBERS: Final = ("id", "provider", "name", "enabled", "priority", "config", "createdAt", "updatedAt")
MAX_PRIORITY: Final = 1000

_OBJECTS: Final = frozenset(member.name.partition(".")[0] for member in MEMBERS if "." in member.name)


def kind_of(item: Mapping[str, object]) -> Kind | None:
    """Return the kind of an item of the list; None if there is no such kind. Upper and lower case mean the same."""
    name = item.get("provider")
    try:
        return KINDS[ProviderKind(name.strip().lower())] if isinstance(name, str) else None
    except ValueError:
        return None


def place(provider_id: str, member: str | None = None) -> str:
    """Return the name that problems use for a provider or for one of its members."""
    provider = f"{names.PROVIDERS}.{provider_id}"
    return provider if member is None else f"{provider}.{member}"


def flatten(config: object) -> dict[str, object]:
    """Return the members of a configuration under their dotted names; names that contain a dot are left out.

    Only `auth` and `tls` are inner objects. Any other object, or an empty object, stays a value; the check refuses it.
    """
    leaves: dict[str, object] = {}
    for name, value in config.items() if isinstance(config, dict) else ():
        if name in _OBJECTS and isinstance(value, dict) and value:
            leaves |= {f"{name}.{member}": leaf for member, leaf in value.items()}
        elif "." not in name:
            leaves[name] = value
    return leaves


def nest(leaves: Mapping[str, object]) -> dict[str, object]:
    """Return the configuration with these members: the reverse of `flatten`."""
    config: dict[str, object] = {}
    for name, value in leaves.items():
        parent, separator, member = name.partition(".")
        inner = config.setdefault(parent, {}) if separator else config
        if isinstance(inner, dict):
            inner[member if separator else name] = value
    return config
