"""An edit of a project's providers: what the editor has not seen stays, but goes nowhere else than it was stored for.

Stored secrets of a provider are kept only where its kind and its destination are unchanged: host, port, TLS mode, user
name and CA of a relay, region and access key id of SES, base URL, domain and CA of an API.
"""

import json
from collections.abc import Mapping

import msgspec

from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import MailgunAccount, ProviderConfig, ProviderKind, SendgridAccount, SesAccount
from mailer.relay.relay import PasswordAuth, Relay
from mailer.secret import names
from mailer.secret import provider_members as members
from mailer.secret.document import is_writable
from mailer.secret.provider_members import CONFIG_MEMBERS
from mailer.secret.provider_view import SET
from mailer.secret.providers import decode_providers, provider_place, read_config

_UNSET: Mapping[str, object] = {"set": False}
_NOT_KEPT = (
    "Type it again: a stored value goes to no other destination than it was stored for, which is the kind of provider, "
    "and host, port, TLS mode, user name and CA, or region, access key id, base URL, domain and CA."
)
_NOTHING_TO_KEEP = "There is no stored value to keep: give one."


class EditedItem(msgspec.Struct, frozen=True):
    """A provider as it is to be stored, and what could not be kept."""

    item: Mapping[str, object]
    problems: tuple[Problem, ...] = ()


def edit_providers(stored: object, given: object, policy: RelayPolicy) -> tuple[object, tuple[Problem, ...]]:
    """Return the entry's next value, in the form in which it was given, and what could not be kept; never raises.

    A value that is no list is the parser's to refuse.
    """
    if given == SET:
        problem = Problem("entry-missing", _NOTHING_TO_KEEP, entry=names.PROVIDERS)
        return stored, () if stored is not None else (problem,)
    items, before = decode_providers(given), decode_providers(stored)
    if isinstance(items, Problem):
        return given, ()
    listed = () if isinstance(before, Problem) else before
    known = {_id(item): item for item in listed if isinstance(item, dict) and is_writable(item)}
    edited: list[object] = []
    problems: list[Problem] = []
    for position, item in enumerate(items):
        if isinstance(item, dict):
            result = edit_provider(known.get(_id(item)), item, provider_place(item, position), policy)
            edited.append(result.item)
            problems += result.problems
        else:
            edited.append(item)
    return encode_like(given, edited), tuple(problems)


def edit_provider(
    stored: Mapping[str, object] | None, given: Mapping[str, object], place: str, policy: RelayPolicy
) -> EditedItem:
    """Return the provider that an edit makes of the stored one with the same id, where there is one; never raises.

    A null member is left out, `{"set": true}` keeps the stored value, and so does leaving out a hidden one or the
    whole configuration.
    """
    before = stored or {}
    problems = [
        Problem("entry-missing", _NOTHING_TO_KEEP, entry=f"{place}.{name}")
        for name, value in given.items()
        if value == SET and name in members.ITEM_MEMBERS and name not in before
    ]
    item = {name: before.get(name) if value == SET else value for name, value in given.items()}
    for name in ("createdAt", "updatedAt"):
        item.setdefault(name, before.get(name))
    config = item.get("config")
    if config is None:
        config = before.get("config")
        given_config: Mapping[str, object] = dict.fromkeys(_leaves(config), SET)
    else:
        given_config = _leaves(config)
    if isinstance(config, dict):
        leaves, lost = _edit_leaves(before, item, given_config, policy)
        item["config"] = members.nest(leaves) | {name: value for name, value in config.items() if "." in name}
        problems += [Problem(code, detail, entry=f"{place}.{name}") for name, code, detail in lost]
    return EditedItem({name: value for name, value in item.items() if value is not None}, tuple(problems))


def encode_like(example: object, items: list[object]) -> object:
    """Return the list in the form of an example: as a text, which the console's editor can show, or as it is."""
    return items if isinstance(example, list) else json.dumps(items, ensure_ascii=False)


def _id(item: Mapping[str, object]) -> object:
    id = item.get("id")
    return id.strip() if isinstance(id, str) else None


def _leaves(config: object) -> dict[str, object]:
    return members.flatten(config) if isinstance(config, dict) else {}


def _kind(item: Mapping[str, object]) -> ProviderKind | None:
    kind = item.get("provider")
    try:
        return ProviderKind(kind.strip().lower()) if isinstance(kind, str) else None
    except ValueError:
        return None


def _edit_leaves(
    before: Mapping[str, object], item: Mapping[str, object], given: Mapping[str, object], policy: RelayPolicy
) -> tuple[dict[str, object], list[tuple[str, str, str]]]:
    """Return the configuration's next leaves, and what could not be kept with the code and the remedy."""
    known = _leaves(before.get("config"))
    wanted = {name: value for name, value in given.items() if value is not None and value != _UNSET}
    masked = [name for name, value in wanted.items() if value == SET]
    typed = {name: value for name, value in wanted.items() if value != SET}
    kind = _kind(item)
    offered = CONFIG_MEMBERS[kind] if kind is not None else ()
    unsaid = [
        member.name for member in offered if member.is_hidden and member.name not in given and _is_of_use(member, typed)
    ]
    kept = {name: known[name] for name in (*masked, *unsaid) if name in known}
    lost = [(name, "entry-missing", _NOTHING_TO_KEEP) for name in masked if name not in known]
    after = {**typed, **kept}
    if kept and (kind is None or kind is not _kind(before) or not _is_same_destination(kind, known, after, policy)):
        certificates = {member.name for member in offered if member.is_hidden and member.is_destination}
        lost += [(name, "entry-not-kept", _NOT_KEPT) for name in kept if name in masked or name not in certificates]
        return typed, lost
    return after, lost


def _is_of_use(member: members.Member, typed: Mapping[str, object]) -> bool:
    """Tell whether a member that is not named may stay: without `auth` the log-in was taken out."""
    return member.name != "auth.pass" or any(name.startswith("auth.") for name in typed)


def _is_same_destination(
    kind: ProviderKind, before: Mapping[str, object], after: Mapping[str, object], policy: RelayPolicy
) -> bool:
    """Tell whether both are written alike where it counts, or mean the same, as `587` and `"587"` do."""
    decisive = [member.name for member in CONFIG_MEMBERS[kind] if member.is_destination]
    if all(before.get(name) == after.get(name) for name in decisive):
        return True
    old, new = (read_config(kind, members.nest(leaves), policy) for leaves in (before, after))
    return old is not None and new is not None and _destination(old) == _destination(new)


def _destination(config: ProviderConfig) -> tuple[object, ...]:
    match config:
        case Relay(host=host, port=port, tls=tls, auth=auth, ca_certificate=certificate):
            username = auth.username if isinstance(auth, PasswordAuth) else None
            return host.lower(), port, tls, username, certificate
        case SesAccount(access_key_id=access_key_id, region=region):
            return access_key_id, region
        case SendgridAccount(base_url=base_url, ca_certificate=certificate):
            return base_url, certificate
        case MailgunAccount(domain=domain, base_url=base_url, ca_certificate=certificate):
            return domain, base_url, certificate
