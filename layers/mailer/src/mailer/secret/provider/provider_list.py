"""Read `emailProviders`: a JSON list, or a text with this list, because the AWS console makes every value a string.

Any problem of an enabled provider makes the project invalid. A disabled provider may lack members, so that an admin can
complete it later, but the members that it has must be well formed.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from mailer.message.address import parse_display_name
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ENTRIES_PROVIDER, Provider, ProviderConfig, ProviderKind
from mailer.relay.relay import Relay
from mailer.secret import names
from mailer.secret.advice import advise
from mailer.secret.configuration import SenderPolicy
from mailer.secret.document import decode_within
from mailer.secret.entries import ENTRY_WORDS, Entries, Words
from mailer.secret.provider.kind import Kind, check_members
from mailer.secret.provider.registry import ITEM_MEMBERS, KINDS, MAX_PRIORITY, flatten, place
from mailer.secret.provider.smtp import MEMBER_NAMES
from mailer.secret.spelling import shown

MAX_PROVIDERS: Final = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z\Z")


def read_providers(entries: Entries, policy: RelayPolicy) -> tuple[Provider, ...]:
    """Report every problem, and return the enabled providers that have none."""
    items = decode_providers(entries.value(names.PROVIDERS))
    if isinstance(items, Problem):
        entries.report(names.PROVIDERS, items.code, items.detail)
        return ()
    if len(items) > MAX_PROVIDERS:
        entries.report(names.PROVIDERS, "providers-too-many", f"Keep at most {MAX_PROVIDERS} providers.")
        return ()
    known: set[str] = set()
    providers = []
    for position, item in enumerate(items):
        provider, part = _read_item(item, known, policy)
        entries.add(part, provider_place(item, position))
        if provider is not None and not part.problems:
            providers.append(provider)
    return tuple(providers)


def decode_providers(value: object) -> list[object] | Problem:
    """Return the items of the list, or the problem. `value` is the list or its text. Never raises."""
    if isinstance(value, str):
        if not value.strip():
            return Problem("entry-blank", "Give it a list of providers, or remove the entry.", entry=names.PROVIDERS)
        value = decode_within(value, names.PROVIDERS)
        if isinstance(value, Problem):
            return value
    if isinstance(value, list):
        return value
    remedy = 'Write a JSON list of providers, such as [{"id": "primary", ...}].'
    return Problem("providers-not-a-list", remedy, entry=names.PROVIDERS)


def provider_place(item: object, position: int) -> str:
    """Return the name that problems use for an item: with its id, or with its position if it has no valid id."""
    match item:
        case {"id": str(id)} if _ID.match(id.strip()):
            return place(id.strip())
        case _:
            return f"{names.PROVIDERS}[{position}]"


def read_config(kind: Kind, config: object, policy: RelayPolicy) -> ProviderConfig | None:
    """Return the configuration as for an enabled provider of this kind; None if it is invalid."""
    part = Entries({})
    read = _read_config(config, kind, part, policy, is_enabled=True)
    return None if part.problems else read


def words_of(provider: Provider) -> Words:
    """Return the names of this provider's settings that its admin knows."""
    return ENTRY_WORDS if provider.id == ENTRIES_PROVIDER else Words(MEMBER_NAMES, place(provider.id))


def advise_on_relays(entries: Entries, chain: tuple[Provider, ...], senders: SenderPolicy) -> None:
    """Warn about the secret's own relay and the relays in the list, each with the names of its own settings."""
    for provider in chain:
        if isinstance(provider.config, Relay):
            part = Entries({}, words_of(provider))
            advise(part, provider.config, senders)
            entries.add(part)


def _read_item(item: object, known: set[str], policy: RelayPolicy) -> tuple[Provider | None, Entries]:
    """Return the item's provider, and its entries, which hold the problems of each member."""
    if not isinstance(item, dict):
        part = Entries({})
        part.report("", "provider-not-an-object", "Write each provider as a JSON object with id, provider and config.")
        return None, part
    part = Entries({name: value for name, value in item.items() if name in ITEM_MEMBERS and name != "config"})
    for name in item:
        if name not in ITEM_MEMBERS:
            _report_unknown(part, name, ITEM_MEMBERS)
    id = _read_id(part, known)
    which = f"Add the kind of the provider: {', '.join(ProviderKind)}."
    kind = part.choice("provider", ProviderKind, missing=which)
    name = part.parsed("name", parse_display_name, is_blank_allowed=True)
    # A malformed value counts as enabled, so that all its problems are reported.
    is_enabled = part.boolean("enabled") is not False
    position = "Add the provider's position: 1 for the first, 2 for the second, and so on."
    priority = part.whole_number("priority", minimum=0, maximum=MAX_PRIORITY, missing=position)
    for moment in ("createdAt", "updatedAt"):
        part.matched(moment, _TIME, "time-malformed", "Write it as 2026-01-31T09:00:00Z, or remove it.")
    config = _read_config(item.get("config"), KINDS[kind] if kind else None, part, policy, is_enabled=is_enabled)
    if config is None or id is None or priority is None or not is_enabled:
        return None, part
    return Provider(id, name or id, priority, config), part


def _read_id(part: Entries, known: set[str]) -> str | None:
    remedy = "Use 1 to 64 letters, digits, hyphens and underscores."
    id = part.matched("id", _ID, "provider-id-malformed", remedy, missing="Give it a unique id, such as primary.")
    if id == ENTRIES_PROVIDER:
        part.report("id", "provider-id-reserved", "Use another id: smtp is the provider of the smtp... entries.")
    elif id in known:
        part.report("id", "provider-id-duplicate", "Give each provider a unique id.")
    elif id is not None:
        known.add(id)
        return id
    return None


def _read_config(
    config: object, kind: Kind | None, part: Entries, policy: RelayPolicy, *, is_enabled: bool
) -> ProviderConfig | None:
    if config is None and not is_enabled:
        return None
    if not isinstance(config, dict):
        part.report("config", "provider-config-missing", "Give the provider's configuration as a JSON object.")
        return None
    if kind is None:
        return None
    given = _known_members(kind, config, part)
    check_members(kind, given, policy, is_enabled=is_enabled)
    read = kind.read(given, policy) if is_enabled else None
    part.add(given)
    return read


def _known_members(kind: Kind, config: Mapping[str, object], part: Entries) -> Entries:
    offered = tuple(member.name for member in kind.members)
    leaves = flatten(config)
    for name in (name for name in config if "." in name):
        _report_unknown(part, name, offered)
    for name in leaves.keys() - set(offered):
        if any(other.startswith(f"{name}.") for other in offered):
            part.report(name, "provider-not-an-object", "Write it as a JSON object with members, or remove it.")
        else:
            _report_unknown(part, name, offered)
    return Entries({name: value for name, value in leaves.items() if name in offered})


def _report_unknown(part: Entries, name: str, offered: Sequence[str]) -> None:
    remedy = f"Remove or rename it: there is no member of this name. Known members: {', '.join(offered)}."
    part.report(shown(name), "provider-member-unknown", remedy)
