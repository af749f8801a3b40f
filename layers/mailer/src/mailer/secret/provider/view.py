"""A project's providers as its admins may see them: a secret shows only that it is set."""

from collections.abc import Mapping
from typing import Final

from mailer.message.address import FORBIDDEN
from mailer.problem import Problem
from mailer.secret.provider.kind import Form
from mailer.secret.provider.provider_list import decode_providers
from mailer.secret.provider.registry import ITEM_MEMBERS, KINDS, flatten, kind_of, nest

SET: Final[Mapping[str, object]] = {"set": True}
_MEMBERS = tuple(member for kind in KINDS.values() for member in kind.members)
# The members of all kinds: an admin may have used those of another kind.
_SECRETS = frozenset(member.name for member in _MEMBERS if member.is_secret)
# A URL typed here may hold a user name and a password.
_WITHOUT_AT_SIGN = frozenset(member.name for member in _MEMBERS if member.form is Form.TEXT)
# These stay readable even if a short secret happens to be part of them.
_ALWAYS_SHOWN = frozenset(("id", "provider", "region", "createdAt", "updatedAt"))


def describe_providers(value: object) -> object:
    """Return the list as it may be shown, or only that it is set if it is not a list of objects."""
    items = decode_providers(value)
    if isinstance(items, Problem) or not all(isinstance(item, dict) for item in items):
        return dict(SET)
    return [describe_provider(item) for item in items if isinstance(item, dict)]


def describe_provider(item: Mapping[str, object]) -> dict[str, object]:
    """Return the known members of one provider and of its configuration as they may be shown."""
    config = item.get("config")
    leaves = flatten(config)
    secrets = [leaf for name, leaf in leaves.items() if name in _SECRETS and isinstance(leaf, str) and leaf]
    described = {name: _shown(name, item[name], secrets) for name in ITEM_MEMBERS if name in item and name != "config"}
    if isinstance(config, dict):
        kind = kind_of(item)
        known = {member.name for member in kind.members} if kind is not None else ()
        described["config"] = nest(
            {
                name: {"set": leaf not in ("", None)} if name in _SECRETS else _shown(name, leaf, secrets)
                for name, leaf in leaves.items()
                if name in known
            }
        )
    return described


def _shown(name: str, value: object, secrets: list[str]) -> object:
    match value:
        case str() if name not in _ALWAYS_SHOWN and any(secret in value for secret in secrets):
            # Some relays use their token as user name and as password.
            return dict(SET)
        case str() if name in _WITHOUT_AT_SIGN and "@" in value:
            return dict(SET)
        case str():
            return FORBIDDEN.sub("?", value)
        case None | bool() | int():
            return value
        case _:
            return dict(SET)
