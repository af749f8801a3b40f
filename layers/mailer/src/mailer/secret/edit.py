"""An edit of a project's secret over the API: its mail entries are replaced, everything else in it stays as it was.

A stored password goes to no other relay. What the editor does not type again is kept only where host, port, TLS mode,
user name and CA stay what they were, and with OAuth 2.0 the token's address and the client: otherwise whoever may edit
could have it, or a token that it is good for, sent to a host of their own.
"""

from collections.abc import Collection, Mapping
from typing import assert_never

import msgspec

from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import NoAuth, OAuthAuth, PasswordAuth, Relay
from mailer.relay.secret_str import SecretStr
from mailer.secret import names
from mailer.secret.document import decode, is_writable
from mailer.secret.entries import Entries
from mailer.secret.parser import Activates, ActivatesNothing, Malformed, ParsedSecret, parse_secret
from mailer.secret.provider_edit import edit_providers
from mailer.secret.relay import read_relay

# What an editor cannot have seen, and so leaves out when it is to stay.
_OAUTH_SECRETS = (names.OAUTH_CLIENT_SECRET, names.OAUTH_REFRESH_TOKEN)
_KEPT_UNSAID = (names.PASSWORD, *_OAUTH_SECRETS, names.CA_CERTIFICATE)
# Whom the secrets of OAuth are shown to.
_OAUTH_DESTINATION = (names.OAUTH_TOKEN_URL, names.OAUTH_CLIENT_ID)
_MAX_PROBLEMS = 100
_NOT_KEPT = (
    "Type it again: a stored value goes to no relay with another host, port, TLS mode, user name or CA than it was "
    "stored for, and with OAuth 2.0 to no other token address or client."
)


class Edited(msgspec.Struct, frozen=True):
    """The secret's next text, and what it means; never anything but a relay or what is wrong with it."""

    text: SecretStr
    parsed: Activates | Malformed


def edit_entries(stored: SecretStr | None, given: Mapping[str, object], policy: RelayPolicy) -> Edited:
    """Replace the mail entries of a stored secret by the given ones; never raises.

    A null entry is left out. `{"set": true}`, as a hidden entry is shown, keeps the stored value.
    """
    before = _decoded(stored)
    providers, unkept = edit_providers(before.get(names.PROVIDERS), given.get(names.PROVIDERS), policy)
    wanted = {name: value for name, value in given.items() if value is not None and value != {"set": False}}
    if names.PROVIDERS in wanted:
        wanted[names.PROVIDERS] = providers
    masked = [name for name, value in wanted.items() if value == {"set": True}]
    unsaid = [name for name in _KEPT_UNSAID if name not in given and name in before and _is_of_use(name, wanted)]
    typed = {name: value for name, value in wanted.items() if name not in masked}
    kept = {name: before[name] for name in (*masked, *unsaid) if name in before}
    problems = [*unkept, *(_foreign(name) for name in given if not names.is_relay_name(name))]
    problems += [_nothing_to_keep(name) for name in masked if name not in before]
    lost = _not_to_be_kept(kept, before, {**typed, **kept}, policy)
    problems += [
        Problem("entry-not-kept", _NOT_KEPT, entry=names.shown(name))
        for name in sorted(lost)
        if name in masked or name != names.CA_CERTIFICATE
    ]
    kept = {name: value for name, value in kept.items() if name not in lost}
    text = SecretStr(_encoded(_others(stored, before), {**typed, **kept}))
    return Edited(text, _with_problems(problems, parse_secret(text.reveal(), policy)))


def without_mail_entries(stored: SecretStr) -> SecretStr:
    """Return the secret's text without every entry that configures mail, or seems to; never raises.

    Nothing is left of a text that is no object of entries.
    """
    return SecretStr(_encoded(_others(stored, _decoded(stored)), {}))


def with_providers(stored: SecretStr | None, providers: object) -> SecretStr | Problem:
    """Return the secret's text with this list of providers, None for no list; all else stays octet by octet."""
    return with_entries(stored, {names.PROVIDERS: providers})


def with_entries(stored: SecretStr | None, changes: Mapping[str, object]) -> SecretStr | Problem:
    """Return the secret's text with these entries, without those that are None; all else stays octet by octet."""
    try:
        entries = msgspec.json.decode(stored.reveal().encode() if stored else b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError):
        return Problem("secret-not-json", "The secret is not JSON that can be written again as it is.")
    if not is_writable(changes):
        return Problem("secret-not-json", "Something in it is half of a character, which cannot be written again.")
    kept = {name: raw for name, raw in entries.items() if name not in changes or changes[name] is not None}
    given = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changes.items() if value is not None}
    # What is named again keeps its place.
    return SecretStr(_encoded({**kept, **given}, {}))


def _with_problems(problems: list[Problem], parsed: ParsedSecret) -> Activates | Malformed:
    match parsed:
        case Malformed(found):
            named = {problem.entry for problem in problems}
            problems += [problem for problem in found if problem.entry not in named]
        case ActivatesNothing():
            remedy = (
                "Name the relay's host, or a preset by smtpService. To send by the server transport, delete the "
                "configuration."
            )
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
    """Return what is not about mail, octet by octet: a number must not change because it was read."""
    if stored is None or not before:
        return {}
    try:
        members = msgspec.json.decode(stored.reveal().encode(), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError):
        return {}
    return {name: value for name, value in members.items() if not names.is_relay_name(name)}


def _encoded(others: Mapping[str, msgspec.Raw], entries: Mapping[str, object]) -> str:
    return msgspec.json.encode({**entries, **others}).decode()


def _is_of_use(name: str, wanted: Mapping[str, object]) -> bool:
    """Tell whether an entry that is not named may stay: what another way to log in asks for would contradict it.

    Nor does anything stay of a relay that is taken out.
    """
    if names.HOST not in wanted and names.SERVICE not in wanted:
        return False
    auth = wanted.get(names.AUTH)
    method = auth.strip().lower() if isinstance(auth, str) else "password"
    if name in _OAUTH_SECRETS:
        return method == "oauth2"
    return name != names.PASSWORD or method not in ("none", "oauth2")


def _not_to_be_kept(
    kept: Collection[str], before: Mapping[str, object], after: Mapping[str, object], policy: RelayPolicy
) -> Collection[str]:
    """Name what would go to somebody else than it was stored for, now or when another way to log in is chosen."""
    if kept and _is_other_destination(before, after, policy):
        return kept
    if any(before.get(name) != after.get(name) for name in _OAUTH_DESTINATION):
        return [name for name in kept if name in _OAUTH_SECRETS]
    return ()


def _is_other_destination(before: Mapping[str, object], after: Mapping[str, object], policy: RelayPolicy) -> bool:
    old, new = (read_relay(Entries(values), policy) for values in (before, after))
    # Entries that name no relay are invalid by themselves: nothing goes anywhere.
    return new is not None and (old is None or _destination(old) != _destination(new))


def _destination(relay: Relay) -> tuple[object, ...]:
    place = relay.host.lower(), relay.port, relay.tls, relay.ca_certificate
    match relay.auth:
        case PasswordAuth(username):
            return *place, username
        case OAuthAuth(username, grant):
            return *place, username, grant.token_url, grant.client_id
        case NoAuth():
            return place
        case unreachable:
            assert_never(unreachable)


def _foreign(name: str) -> Problem:
    remedy = "Only entries of the mail configuration are set here; others in the secret stay as they are."
    return Problem("entry-unknown", remedy, entry=names.shown(name))


def _nothing_to_keep(name: str) -> Problem:
    return Problem("entry-missing", "There is no stored value to keep: give one.", entry=names.shown(name))
