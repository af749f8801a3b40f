"""Edit a project's secret over the API: replace its mail entries, keep everything else.

A stored secret is never sent to another destination than it was stored for. Otherwise an editor could direct a password
or a token to a host of their own. A secret that the editor does not type again is kept only where host, port, TLS mode,
user name, CA and, with OAuth 2.0, token URL and client stay the same.
"""

from collections.abc import Collection, Mapping

import msgspec

from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.secret_str import SecretStr
from mailer.secret import names
from mailer.secret.document import decode, is_writable
from mailer.secret.entries import Entries
from mailer.secret.entry_table import ENTRY, SECRETS, AuthMethod
from mailer.secret.parser import Activates, ActivatesNothing, Malformed, ParsedSecret, parse_secret
from mailer.secret.provider.editing import edit_providers
from mailer.secret.relay import destination_of, read_relay
from mailer.secret.spelling import is_mail_entry, shown

# Clients receive secrets as {"set": true}, so they leave them out. The list of providers has rules of its own.
_KEPT_IF_ABSENT = tuple(name for name in SECRETS if name != names.PROVIDERS)
_MAX_PROBLEMS = 100
_NOT_KEPT = (
    "Type the value again: a stored value is kept only for the same host, port, TLS mode, user name and CA, and with "
    "OAuth 2.0 for the same token URL and client."
)


class Edited(msgspec.Struct, frozen=True):
    """The secret's next text, and what it configures: a transport, or problems."""

    text: SecretStr
    parsed: Activates | Malformed


def edit_entries(stored: SecretStr | None, given: Mapping[str, object], policy: RelayPolicy) -> Edited:
    """Replace the mail entries of a stored secret by the given ones; never raises.

    A null entry is removed. `{"set": true}` keeps the stored value.
    """
    before = _decoded(stored)
    providers, unkept = edit_providers(before.get(names.PROVIDERS), given.get(names.PROVIDERS), policy)
    wanted = {name: value for name, value in given.items() if value is not None and value != {"set": False}}
    if names.PROVIDERS in wanted:
        wanted[names.PROVIDERS] = providers
    masked = [name for name, value in wanted.items() if value == {"set": True}]
    absent = [name for name in _KEPT_IF_ABSENT if name not in given and name in before and _has_effect(name, wanted)]
    typed = {name: value for name, value in wanted.items() if name not in masked}
    kept = {name: before[name] for name in (*masked, *absent) if name in before}
    problems = [*unkept, *(_unknown(name) for name in given if not is_mail_entry(name))]
    problems += [_nothing_to_keep(name) for name in masked if name not in before]
    lost = _not_kept(kept, before, {**typed, **kept}, policy)
    problems += [
        Problem("entry-not-kept", _NOT_KEPT, entry=shown(name))
        for name in sorted(lost)
        if name in masked or name != names.CA_CERTIFICATE
    ]
    kept = {name: value for name, value in kept.items() if name not in lost}
    text = SecretStr(_encoded(_others(stored, before), {**typed, **kept}))
    return Edited(text, _with_problems(problems, parse_secret(text.reveal(), policy)))


def without_mail_entries(stored: SecretStr) -> SecretStr:
    """Return the secret's text without its mail entries and names like them; never raises.

    The result is `{}` if the text is not an object of entries.
    """
    return SecretStr(_encoded(_others(stored, _decoded(stored)), {}))


def with_providers(stored: SecretStr | None, providers: object) -> SecretStr | Problem:
    """Return the secret's text with this list of providers; None removes it. Other octets stay."""
    return with_entries(stored, {names.PROVIDERS: providers})


def with_entries(stored: SecretStr | None, changes: Mapping[str, object]) -> SecretStr | Problem:
    """Return the secret's text with these entries replaced; None removes an entry. Other octets stay."""
    try:
        entries = msgspec.json.decode(stored.reveal().encode() if stored else b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError):
        remedy = "The stored secret is not valid JSON in UTF-8. Correct it in the AWS console."
        return Problem("secret-not-json", remedy)
    if not is_writable(changes):
        return Problem("secret-not-json", "Remove the unpaired surrogate from the value: it cannot be stored.")
    kept = {name: raw for name, raw in entries.items() if name not in changes or changes[name] is not None}
    given = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changes.items() if value is not None}
    # A replaced entry keeps its position.
    return SecretStr(_encoded({**kept, **given}, {}))


def _with_problems(problems: list[Problem], parsed: ParsedSecret) -> Activates | Malformed:
    match parsed:
        case Malformed(found):
            named = {problem.entry for problem in problems}
            problems += [problem for problem in found if problem.entry not in named]
        case ActivatesNothing():
            remedy = "Add smtpHost or smtpService. To use the server transport, call DELETE email-config instead."
            problems.append(Problem("entry-missing", remedy, entry=names.HOST))
        case Activates() if not problems:
            return parsed
        case Activates():
            pass
    problems.sort(key=lambda problem: (problem.entry or "", problem.code))
    return Malformed(tuple(problems[:_MAX_PROBLEMS]))


def _decoded(stored: SecretStr | None) -> Mapping[str, object]:
    decoded = decode(stored.reveal()) if stored is not None else {}
    if isinstance(decoded, Problem):
        return {}
    return {name: value for name, value in decoded.items() if is_writable(value)}


def _others(stored: SecretStr | None, before: Mapping[str, object]) -> Mapping[str, msgspec.Raw]:
    """Return the entries that are not about mail, undecoded: decoding could change a number."""
    if stored is None or not before:
        return {}
    try:
        entries = msgspec.json.decode(stored.reveal().encode(), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError):
        return {}
    return {name: value for name, value in entries.items() if not is_mail_entry(name)}


def _encoded(others: Mapping[str, msgspec.Raw], entries: Mapping[str, object]) -> str:
    return msgspec.json.encode({**entries, **others}).decode()


def _has_effect(name: str, wanted: Mapping[str, object]) -> bool:
    """Tell whether a stored secret still has an effect: the relay is there and uses this kind of log-in."""
    auth = wanted.get(names.AUTH)
    method = auth.strip().lower() if isinstance(auth, str) else AuthMethod.PASSWORD
    return (names.HOST in wanted or names.SERVICE in wanted) and ENTRY[name].only_with in (None, method)


def _not_kept(
    kept: Collection[str], before: Mapping[str, object], after: Mapping[str, object], policy: RelayPolicy
) -> Collection[str]:
    """Return the entries that would be sent to another destination than they were stored for."""
    old, new = (read_relay(Entries(values), policy) for values in (before, after))
    # Entries without a readable relay are invalid, so nothing is sent.
    if kept and new is not None and (old is None or destination_of(old) != destination_of(new)):
        return kept
    # Another log-in may be chosen later: the secrets of OAuth then go to the token URL.
    if any(before.get(name) != after.get(name) for name in (names.OAUTH_TOKEN_URL, names.OAUTH_CLIENT_ID)):
        return [name for name in kept if ENTRY[name].only_with is AuthMethod.OAUTH2 and name in SECRETS]
    return ()


def _unknown(name: str) -> Problem:
    remedy = "Remove it: only entries of the mail configuration can be set here."
    return Problem("entry-unknown", remedy, entry=shown(name))


def _nothing_to_keep(name: str) -> Problem:
    return Problem("entry-missing", "Give a value: there is no stored one to keep.", entry=shown(name))
