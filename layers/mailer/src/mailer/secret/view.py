"""A project's entries and providers as its admins may see them; of a secret they see only that it is set."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from mailer.message.address import FORBIDDEN
from mailer.problem import Problem
from mailer.secret import names
from mailer.secret.document import decode
from mailer.secret.entry_table import ENTRY, Shown
from mailer.secret.provider.kind import TEXT
from mailer.secret.provider.provider_list import decode_providers
from mailer.secret.provider.registry import ITEM_MEMBERS, MEMBERS, flatten, kind_of, nest

SET: Final[Mapping[str, object]] = {"set": True}
# The members of all kinds: an admin may have used the members of another kind.
_SECRETS = frozenset(member.name for member in MEMBERS if member.is_secret)
# A URL typed here may hold a user name and a password.
_WITHOUT_AT_SIGN = frozenset(member.name for member in MEMBERS if member.form is TEXT)
# These values stay readable even if they contain a short secret by chance.
_ALWAYS_SHOWN = frozenset(("id", "provider", "region", "createdAt", "updatedAt"))


def describe_entries(text: str) -> Mapping[str, object] | None:
    """Return the known entries as admins may see them; None if the text is not a JSON object with unique names.

    For an entry that is, or may contain, a secret, the result says only that it is set.
    """
    decoded = decode(text)
    if isinstance(decoded, Problem):
        return None
    return {name: _entry(name, value, decoded) for name, value in decoded.items() if name in ENTRY}


def describe_provider(item: Mapping[str, object]) -> dict[str, object]:
    """Return the known members of a provider and of its configuration as admins may see them."""
    config = item.get("config")
    leaves = flatten(config)
    secrets = [leaf for name, leaf in leaves.items() if name in _SECRETS]

    def shown(name: str, value: object) -> object:
        return _shown(value, () if name in _ALWAYS_SHOWN else secrets, hides_at_sign=name in _WITHOUT_AT_SIGN)

    described = {name: shown(name, item[name]) for name in ITEM_MEMBERS if name in item and name != "config"}
    if isinstance(config, dict):
        kind = kind_of(item)
        known = {member.name for member in kind.members} if kind is not None else ()
        described["config"] = nest(
            {
                name: _whether_set(leaf) if name in _SECRETS else shown(name, leaf)
                for name, leaf in leaves.items()
                if name in known
            }
        )
    return described


def _entry(name: str, value: object, decoded: Mapping[str, object]) -> object:
    entry = ENTRY[name]
    if name == names.PROVIDERS:
        return _providers(value)
    if entry.shown is Shown.NEVER:
        return _whether_set(value)
    match value:
        case list():
            return [_shown(item) if isinstance(item, str) else None for item in value]
        case float() if math.isfinite(value):
            return value
        case _:
            hides_at_sign = entry.shown is Shown.WITHOUT_AT_SIGN
            return _shown(value, map(decoded.get, entry.may_hold), hides_at_sign=hides_at_sign)


def _providers(value: object) -> object:
    items = decode_providers(value)
    if isinstance(items, Problem) or not all(isinstance(item, dict) for item in items):
        return dict(SET)
    return [describe_provider(item) for item in items if isinstance(item, dict)]


def _shown(value: object, secrets: Iterable[object] = (), *, hides_at_sign: bool = False) -> object:
    match value:
        # For some relays the token is both the user name and the password.
        case str() if any(isinstance(secret, str) and secret and secret in value for secret in secrets):
            return dict(SET)
        case str() if not (hides_at_sign and "@" in value):
            return FORBIDDEN.sub("?", value)
        case None | bool() | int():
            return value
        case _:
            return dict(SET)


def _whether_set(value: object) -> object:
    return {"set": value not in ("", None)}
