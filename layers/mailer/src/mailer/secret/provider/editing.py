"""Edit a project's providers: keep stored secrets only where kind and destination of the provider stay the same."""

import json
from collections.abc import Mapping

import msgspec

from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ProviderConfig
from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr
from mailer.secret import names
from mailer.secret.document import is_writable
from mailer.secret.provider.kind import Kind, Member
from mailer.secret.provider.provider_list import decode_providers, provider_place, read_config
from mailer.secret.provider.registry import ITEM_MEMBERS, flatten, kind_of, nest
from mailer.secret.provider.view import SET
from mailer.secret.relay import destination_of

_UNSET: Mapping[str, object] = {"set": False}
_NOT_KEPT = (
    "Type the value again: a stored value is kept only for the same kind of provider and the same host, port, TLS "
    "mode, user name and CA, or region, access key id, base URL, domain and CA."
)
_NOTHING_TO_KEEP = "Give a value: there is no stored one to keep."


class EditedItem(msgspec.Struct, frozen=True):
    """A provider as it will be stored, and the problems of values that could not be kept."""

    item: Mapping[str, object]
    problems: tuple[Problem, ...] = ()


def edit_providers(stored: object, given: object, policy: RelayPolicy) -> tuple[object, tuple[Problem, ...]]:
    """Return the next value of the entry, in the form in which it was given, and the problems; never raises.

    A value that is not a list is returned as it is; the parser refuses it.
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
    """Return the provider after an edit; never raises. `stored` is the provider with the same id.

    A null member is removed. `{"set": true}` keeps the stored value, and so does an absent secret or an absent
    configuration.
    """
    before = stored or {}
    problems = [
        Problem("entry-missing", _NOTHING_TO_KEEP, entry=f"{place}.{name}")
        for name, value in given.items()
        if value == SET and name in ITEM_MEMBERS and name not in before
    ]
    item = {name: before.get(name) if value == SET else value for name, value in given.items()}
    for name in ("createdAt", "updatedAt"):
        item.setdefault(name, before.get(name))
    config = item.get("config")
    given_config = flatten(config)
    if config is None:
        config = before.get("config")
        given_config = dict.fromkeys(flatten(config), SET)
    if isinstance(config, dict):
        leaves, lost = _edit_leaves(before, item, given_config, policy)
        item["config"] = nest(leaves) | {name: value for name, value in config.items() if "." in name}
        problems += [Problem(code, detail, entry=f"{place}.{name}") for name, code, detail in lost]
    return EditedItem({name: value for name, value in item.items() if value is not None}, tuple(problems))


def encode_like(example: object, items: list[object]) -> object:
    """Return the list in the form of the example: as a text, which the AWS console can edit, or as a list."""
    return items if isinstance(example, list) else json.dumps(items, ensure_ascii=False)


def _id(item: Mapping[str, object]) -> object:
    id = item.get("id")
    return id.strip() if isinstance(id, str) else None


def _edit_leaves(
    before: Mapping[str, object], item: Mapping[str, object], given: Mapping[str, object], policy: RelayPolicy
) -> tuple[dict[str, object], list[tuple[str, str, str]]]:
    """Return the configuration's next members, and name, code and remedy of those that could not be kept."""
    known = flatten(before.get("config"))
    wanted = {name: value for name, value in given.items() if value is not None and value != _UNSET}
    masked = [name for name, value in wanted.items() if value == SET]
    typed = {name: value for name, value in wanted.items() if value != SET}
    kind = kind_of(item)
    members = kind.members if kind is not None else ()
    absent = [
        member.name
        for member in members
        if member.is_secret and member.name not in given and _has_effect(member, typed)
    ]
    kept = {name: known[name] for name in (*masked, *absent) if name in known}
    lost = [(name, "entry-missing", _NOTHING_TO_KEEP) for name in masked if name not in known]
    after = {**typed, **kept}
    if kept and (kind is None or kind is not kind_of(before) or not _is_same_destination(kind, known, after, policy)):
        certificates = {member.name for member in members if member.is_secret and member.is_destination}
        lost += [(name, "entry-not-kept", _NOT_KEPT) for name in kept if name in masked or name not in certificates]
        return typed, lost
    return after, lost


def _has_effect(member: Member, typed: Mapping[str, object]) -> bool:
    return not member.kept_beside or any(name.startswith(member.kept_beside) for name in typed)


def _is_same_destination(
    kind: Kind, before: Mapping[str, object], after: Mapping[str, object], policy: RelayPolicy
) -> bool:
    """Tell whether all members of the destination are equal as written, or as read: `587` and `"587"`."""
    if all(before.get(member.name) == after.get(member.name) for member in kind.members if member.is_destination):
        return True
    old, new = (read_config(kind, nest(leaves), policy) for leaves in (before, after))
    return old is not None and new is not None and _destination(old) == _destination(new)


def _destination(config: ProviderConfig) -> tuple[object, ...]:
    """Return everything that decides who receives the credentials."""
    if isinstance(config, Relay):
        return destination_of(config)
    return tuple(value for value in msgspec.structs.astuple(config) if not isinstance(value, SecretStr))
