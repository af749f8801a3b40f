"""Edit a project's secret over the API: replace its mail entries or one of its providers, and keep all other entries.

A stored secret is never sent to a new destination: otherwise an editor could have a password or a token sent to a host
of their own. A secret that the editor does not type again is kept only if host, port, TLS mode, user name, CA and, with
OAuth 2.0, token URL and client stay the same. In a provider the kind must stay the same too.

Mail that is switched off stays off unless the editor names `emailEnabled`. A stored text that cannot be decoded is not
edited: entries that are not about mail would be lost.
"""

import json
from collections.abc import Callable, Collection, Mapping

import msgspec

from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.secret_str import SecretStr
from mailer.secret import names
from mailer.secret.document import decode, is_writable
from mailer.secret.entries import Entries
from mailer.secret.entry_table import ENTRY, SECRETS, AuthMethod
from mailer.secret.parser import ActivatesNothing, Malformed, ParsedSecret, parse_switched_on
from mailer.secret.provider.provider_list import decode_providers, provider_place, read_config
from mailer.secret.provider.registry import ITEM_MEMBERS, MEMBERS, flatten, kind_of, nest
from mailer.secret.relay import read_relay
from mailer.secret.spelling import is_mail_entry, misspelled, shown
from mailer.secret.view import SET

# Certificates are public, so an edit that drops one is not reported as a problem.
_CERTIFICATES = (names.CA_CERTIFICATE, *(each.name for each in MEMBERS if each.is_secret and each.is_destination))
_UNSET: Mapping[str, object] = {"set": False}
_MAX_PROBLEMS = 100
_NO_TRANSPORT = "Add smtpHost or smtpService. To use the server transport, call DELETE email-config instead."
_NOT_JSON = Problem("secret-not-json", "The stored secret is not valid JSON in UTF-8. Correct it in the AWS console.")
_NOTHING_TO_KEEP = "Give a value: there is no stored one to keep."
_ENTRY_NOT_KEPT = (
    "Type the value again: a stored value is kept only for the same host, port, TLS mode, user name and CA, and with "
    "OAuth 2.0 for the same token URL and client."
)
_MEMBER_NOT_KEPT = (
    "Type the value again: a stored value is kept only for the same kind of provider and the same host, port, TLS "
    "mode, user name and CA, or region, access key id, base URL, domain and CA."
)

type _Values = Mapping[str, object]


class Edited(msgspec.Struct, frozen=True):
    """The secret's new text, and its parsed form as if mail were switched on.

    `parsed` is `ActivatesNothing` only if the edit does no more than switch the mail of a project without a transport.
    """

    text: SecretStr
    parsed: ParsedSecret
    is_switched_on: bool


class EditedItem(msgspec.Struct, frozen=True):
    """A provider as it will be stored, and the problems of values that could not be kept."""

    item: Mapping[str, object]
    problems: tuple[Problem, ...] = ()


class _Rules(msgspec.Struct, frozen=True):
    """Which stored secrets an edit keeps.

    `keeps` tells whether an absent secret still has an effect with the given values. `lost` gets the kept values and
    all values after the edit. It returns the names of kept values that would be sent to another destination.
    """

    secrets: Collection[str]
    keeps: Callable[[str, _Values], bool]
    lost: Callable[[_Values, _Values], Collection[str]]
    not_kept: str


def edit_entries(stored: SecretStr | None, given: Mapping[str, object], policy: RelayPolicy) -> Edited:
    """Replace the mail entries of a stored secret by the given entries; never raises.

    A null entry is removed. `{"set": true}` keeps the stored value. A stored text that cannot be decoded is a problem.
    """
    split = _split(stored)
    if isinstance(split, Problem):
        return Edited(stored or SecretStr(""), Malformed((split,)), is_switched_on=False)
    before, others = split
    providers, unkept = _edit_providers(before.get(names.PROVIDERS), given.get(names.PROVIDERS), policy)
    wanted = {**given, names.PROVIDERS: providers}
    rules = _Rules(
        # The list of providers has its own rules.
        secrets=[name for name in SECRETS if name != names.PROVIDERS],
        keeps=_has_effect,
        lost=lambda kept, after: _moved(kept, before, after, policy),
        not_kept=_ENTRY_NOT_KEPT,
    )
    after, problems = _edit(before, wanted, rules)
    remedy = "Remove it: only entries of the mail configuration can be set here."
    problems += [Problem("entry-unknown", remedy, entry=name) for name in given if not is_mail_entry(name)]
    named = [*unkept, *(Problem(each.code, each.detail, entry=shown(each.entry or "")) for each in problems)]
    switch = _kept_switch(before, given)
    text = _encoded({**after, **switch, **others})
    parsed, is_switched_on = parse_switched_on(text.reveal(), policy)
    only_switches = (names.ENABLED in given or bool(switch)) and _asks_for_nothing(stored, policy)
    if isinstance(parsed, ActivatesNothing) and not only_switches:
        named.append(Problem("entry-missing", _NO_TRANSPORT, entry=names.HOST))
    return Edited(text, _with_problems(named, parsed), is_switched_on)


def edit_provider(
    stored: Mapping[str, object] | None, given: Mapping[str, object], place: str, policy: RelayPolicy
) -> EditedItem:
    """Return the provider after an edit; never raises. `stored` is the provider with the same id.

    A null member is removed. `{"set": true}` keeps the stored value. A secret or a configuration that is absent
    keeps its stored value too.
    """
    before = stored or {}
    problems = [
        Problem("entry-missing", _NOTHING_TO_KEEP, entry=name)
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
        leaves, lost = _edit(flatten(before.get("config")), given_config, _provider_rules(before, item, policy))
        item["config"] = nest(leaves) | {name: value for name, value in config.items() if "." in name}
        problems += lost
    placed = tuple(Problem(each.code, each.detail, entry=f"{place}.{each.entry}") for each in problems)
    return EditedItem({name: value for name, value in item.items() if value is not None}, placed)


def encode_like(example: object, items: list[object]) -> object:
    """Return the list in the form of the example: as a list, or as a text, which the AWS console can edit."""
    return items if isinstance(example, list) else json.dumps(items, ensure_ascii=False)


def without_mail_entries(stored: SecretStr) -> SecretStr | Problem:
    """Return the secret's text without its mail entries and similar names; never raises.

    Mail that is switched off stays off. The result is a problem if the text cannot be decoded.
    """
    split = _split(stored)
    if isinstance(split, Problem):
        return split
    before, others = split
    return _encoded({**others, **_kept_switch(before, {})})


def with_entries(stored: SecretStr | None, changes: Mapping[str, object]) -> SecretStr | Problem:
    """Return the secret's text with these entries replaced; None removes an entry. Other entries keep their octets."""
    entries = _raw(stored)
    if entries is None:
        return _NOT_JSON
    if not is_writable(changes):
        return Problem("secret-not-json", "Remove the unpaired surrogate from the value: it cannot be stored.")
    kept = {name: raw for name, raw in entries.items() if name not in changes or changes[name] is not None}
    given = {name: value for name, value in changes.items() if value is not None}
    # A replaced entry keeps its position.
    return _encoded({**kept, **given})


def _edit(before: _Values, given: _Values, rules: _Rules) -> tuple[_Values, list[Problem]]:
    """Return the values after the edit, and the problems of values that could not be kept."""
    wanted = {name: value for name, value in given.items() if value is not None and value != _UNSET}
    masked = [name for name, value in wanted.items() if value == SET]
    # Clients receive each secret as {"set": true}, so they may leave it out.
    absent = [name for name in rules.secrets if name not in given and rules.keeps(name, wanted)]
    typed = {name: value for name, value in wanted.items() if value != SET}
    kept = {name: before[name] for name in (*masked, *absent) if name in before}
    problems = [Problem("entry-missing", _NOTHING_TO_KEEP, entry=name) for name in masked if name not in before]
    lost = rules.lost(kept, {**typed, **kept}) if kept else ()
    problems += [
        Problem("entry-not-kept", rules.not_kept, entry=name)
        for name in lost
        if name in masked or name not in _CERTIFICATES
    ]
    return typed | {name: value for name, value in kept.items() if name not in lost}, problems


def _edit_providers(stored: object, given: object, policy: RelayPolicy) -> tuple[object, tuple[Problem, ...]]:
    """Return the entry's value after the edit, in the form in which it was given, and the problems; never raises.

    A value that is not a list is returned as it is; the parser refuses it.
    """
    if given == SET:
        problem = Problem("entry-missing", _NOTHING_TO_KEEP, entry=names.PROVIDERS)
        return ("", (problem,)) if stored is None else (stored, ())
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


def _provider_rules(before: _Values, item: _Values, policy: RelayPolicy) -> _Rules:
    kind = kind_of(item)
    secrets = {member.name: member for member in kind.members if member.is_secret} if kind is not None else {}

    def keeps(name: str, wanted: _Values) -> bool:
        beside = secrets[name].kept_beside
        return not beside or any(other.startswith(beside) and value != SET for other, value in wanted.items())

    def lost(kept: _Values, after: _Values) -> Collection[str]:
        """Keep all if the destination's members are equal as written or as parsed: `587` equals `"587"`."""
        if kind is None or kind is not kind_of(before):
            return kept
        known = flatten(before.get("config"))
        if all(known.get(each.name) == after.get(each.name) for each in kind.members if each.is_destination):
            return ()
        old, new = (read_config(kind, nest(leaves), policy) for leaves in (known, after))
        is_same = old is not None and new is not None and old.destination == new.destination
        return () if is_same else kept

    return _Rules(secrets, keeps, lost, _MEMBER_NOT_KEPT)


def _id(item: _Values) -> object:
    id = item.get("id")
    return id.strip() if isinstance(id, str) else None


def _kept_switch(before: _Values, given: _Values) -> _Values:
    """Return the stored entries that switch mail off, or seem to; none if the edit names `emailEnabled`."""
    if names.ENABLED in given:
        return {}
    return {
        name: value
        for name, value in before.items()
        if (name == names.ENABLED or misspelled(name) == names.ENABLED)
        and Entries({names.ENABLED: value}).boolean(names.ENABLED) is not True
    }


def _asks_for_nothing(stored: SecretStr | None, policy: RelayPolicy) -> bool:
    return stored is None or isinstance(parse_switched_on(stored.reveal(), policy)[0], ActivatesNothing)


def _with_problems(problems: list[Problem], parsed: ParsedSecret) -> ParsedSecret:
    if isinstance(parsed, Malformed):
        named = {problem.entry for problem in problems}
        problems += [problem for problem in parsed.problems if problem.entry not in named]
    if not problems:
        return parsed
    problems.sort(key=lambda problem: (problem.entry or "", problem.code))
    return Malformed(tuple(problems[:_MAX_PROBLEMS]))


def _split(stored: SecretStr | None) -> tuple[_Values, Mapping[str, msgspec.Raw]] | Problem:
    """Return all entries, and again the entries that are not about mail, undecoded: decoding could change a number.

    The result is a problem if the text cannot be decoded.
    """
    decoded = decode(stored.reveal()) if stored is not None else {}
    if isinstance(decoded, Problem):
        return decoded
    raw = _raw(stored)
    if raw is None:
        return _NOT_JSON
    return decoded, {name: value for name, value in raw.items() if not is_mail_entry(name)}


def _raw(stored: SecretStr | None) -> Mapping[str, msgspec.Raw] | None:
    try:
        return msgspec.json.decode(stored.reveal().encode() if stored else b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError):
        return None


def _encoded(entries: Mapping[str, object]) -> SecretStr:
    return SecretStr(msgspec.json.encode(entries).decode())


def _has_effect(name: str, wanted: _Values) -> bool:
    """Tell whether a stored secret still has an effect: there is a relay, and it uses this kind of log-in."""
    auth = wanted.get(names.AUTH)
    method = auth.strip().lower() if isinstance(auth, str) else AuthMethod.PASSWORD
    return (names.HOST in wanted or names.SERVICE in wanted) and ENTRY[name].only_with in (None, method)


def _moved(kept: _Values, before: _Values, after: _Values, policy: RelayPolicy) -> Collection[str]:
    """Return the names of kept entries that would be sent to a new destination."""
    old, new = (read_relay(Entries(values), policy) for values in (before, after))
    # If the new entries have no readable relay, they are invalid and nothing is sent.
    if new is not None and (old is None or old.destination != new.destination):
        return kept
    # A later edit may choose OAuth 2.0: its secrets would then go to the new token URL.
    if any(before.get(name) != after.get(name) for name in (names.OAUTH_TOKEN_URL, names.OAUTH_CLIENT_ID)):
        return [name for name in kept if ENTRY[name].only_with is AuthMethod.OAUTH2 and name in SECRETS]
    return ()
