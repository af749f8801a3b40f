"""A project's providers as its admins may see them: what is or might hold a secret shows only that it is set."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from mailer.message.address import FORBIDDEN
from mailer.problem import Problem
from mailer.relay.provider import ProviderKind
from mailer.secret import provider_members as members
from mailer.secret.providers import decode_providers

SET: Final[Mapping[str, object]] = {"set": True}
# Where a whole URL may have been typed, with a user name and a password in it.
_NO_ADDRESSES = frozenset(("host", "domain", "baseUrl", "region", "accessKeyId"))
# Words that have a meaning of their own, even where a short secret is within them.
_GRAMMATICAL = frozenset(("id", "provider", "region", "createdAt", "updatedAt"))


def describe_providers(value: object) -> object:
    """Return the entry's list as it may be shown, or that it is set where it is no list of objects."""
    items = decode_providers(value)
    if isinstance(items, Problem) or not all(isinstance(item, dict) for item in items):
        return dict(SET)
    return [describe_provider(item) for item in items if isinstance(item, dict)]


def describe_provider(item: Mapping[str, object]) -> dict[str, object]:
    """Return one provider as it may be shown: its known members, those of its configuration included."""
    config = item.get("config")
    leaves = members.flatten(config) if isinstance(config, dict) else {}
    hidden = {
        member.name for kind_members in members.CONFIG_MEMBERS.values() for member in kind_members if member.is_hidden
    }
    secrets = [leaf for name, leaf in leaves.items() if name in hidden and isinstance(leaf, str) and leaf]
    described = {
        name: _shown(name, item[name], secrets) for name in members.ITEM_MEMBERS if name in item and name != "config"
    }
    if isinstance(config, dict):
        known = set(_known(item.get("provider")))
        described["config"] = members.nest(
            {
                name: {"set": leaf not in ("", None)} if name in hidden else _shown(name, leaf, secrets)
                for name, leaf in leaves.items()
                if name in known
            }
        )
    return described


def _known(kind: object) -> Iterator[str]:
    if isinstance(kind, str):
        with suppress(ValueError):
            yield from (member.name for member in members.CONFIG_MEMBERS[ProviderKind(kind.strip().lower())])


def _shown(name: str, value: object, secrets: list[str]) -> object:
    match value:
        case str() if name not in _GRAMMATICAL and any(secret in value for secret in secrets):
            # Some relays want their token in both places.
            return dict(SET)
        case str() if name in _NO_ADDRESSES and "@" in value:
            return dict(SET)
        case str():
            return FORBIDDEN.sub("?", value)
        case None | bool() | int():
            return value
        case _:
            return dict(SET)
