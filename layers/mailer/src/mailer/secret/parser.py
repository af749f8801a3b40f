"""A project's secret becomes a configuration, or the list of what an admin has to correct.

Three results and no fourth: the secret asks for a relay and names one, asks for a relay and names none, or asks for
nothing. Whatever might be a wish for a relay (a blank host, a misspelled name) is never read as asking for nothing.
"""

import json
import math
from collections.abc import Mapping
from itertools import islice

import msgspec

from mailer.message.address import FORBIDDEN, parse_address, parse_display_name, parse_mailbox
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import Provider, chain_of, entries_provider
from mailer.secret import names
from mailer.secret.advice import advise
from mailer.secret.configuration import FromPolicy, ProjectConfiguration, SenderPolicy
from mailer.secret.document import decode
from mailer.secret.entries import Entries
from mailer.secret.provider_view import describe_providers
from mailer.secret.providers import advise_on_providers, read_providers
from mailer.secret.relay import read_relay

# Of names that there are no entries of: whoever corrects these learns of the rest.
_MAX_UNKNOWN = 50
_NO_ADDRESSES = frozenset((names.HOST, names.PORT, names.SERVICE, *names.OAUTH))
# Some relays want their token in both places; a client's secret is pasted next to its id, or into an address.
_REPEATED = (
    (names.PASSWORD, names.USERNAME),
    *(
        (secret, shown)
        for secret in (names.OAUTH_CLIENT_SECRET, names.OAUTH_REFRESH_TOKEN)
        for shown in (names.USERNAME, names.OAUTH_TOKEN_URL, names.OAUTH_CLIENT_ID, names.OAUTH_SCOPE)
    ),
)


class Activates(msgspec.Struct, frozen=True):
    """The project's mail leaves by this relay."""

    configuration: ProjectConfiguration
    warnings: tuple[Problem, ...] = ()


class ActivatesNothing(msgspec.Struct, frozen=True):
    """The secret asks for no relay; `warnings` name entries that wait for one."""

    warnings: tuple[Problem, ...] = ()


class Malformed(msgspec.Struct, frozen=True):
    """The secret asks for a relay, or might, and an admin has to correct it first."""

    problems: tuple[Problem, ...]


type ParsedSecret = Activates | ActivatesNothing | Malformed


def parse_secret(text: str, policy: RelayPolicy) -> ParsedSecret:
    """Parse the text of a project's secret; never raises."""
    decoded = decode(text)
    return Malformed((decoded,)) if isinstance(decoded, Problem) else _parse(decoded, policy)


def parse_entries(entries: Mapping[str, object], policy: RelayPolicy) -> ParsedSecret:
    """Parse entries that are not a secret yet, as if the secret held them; never raises."""
    try:
        text = json.dumps(dict(entries), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return Malformed((Problem("secret-not-json", "The entries must be plain JSON."),))
    return parse_secret(text, policy)


def describe_entries(text: str) -> Mapping[str, object] | None:
    """Return the known entries as they may be shown, or None where the text is no JSON object with each name once.

    What is or might hold a secret shows only that it is set.
    """
    decoded = decode(text)
    if isinstance(decoded, Problem):
        return None
    described = {name: _described(name, value) for name, value in decoded.items() if name in names.KNOWN}
    for secret, shown in _REPEATED:
        hidden, value = decoded.get(secret), decoded.get(shown)
        if isinstance(hidden, str) and isinstance(value, str) and hidden and hidden in value:
            described[shown] = {"set": True}
    return described


def _parse(values: Mapping[str, object], policy: RelayPolicy) -> ParsedSecret:
    entries = Entries(values)
    if entries.boolean(names.ENABLED) is False:
        entries.report(
            names.ENABLED,
            "email-disabled",
            "The project's mail is switched off, so nothing leaves by any transport. Write true, or remove the entry.",
        )
    if entries.problems:
        return Malformed(entries.problems)
    if not any(name in entries for name in names.ACTIVATING):
        return _inactive(entries)
    unknown = (name for name in entries.names if name not in names.KNOWN and names.is_relay_name(name))
    for name in islice(unknown, _MAX_UNKNOWN):
        _report_unknown(entries, name)
    providers = _providers(entries, policy)
    senders = _senders(entries)
    reply_to = entries.parsed(names.REPLY_TO, parse_mailbox)
    return_path = entries.parsed(names.RETURN_PATH, parse_address)
    if not providers or senders is None or entries.problems:
        return Malformed(entries.problems)
    configuration = ProjectConfiguration(chain_of(providers), senders, reply_to=reply_to, return_path=return_path)
    advise(entries, configuration)
    advise_on_providers(entries, configuration)
    return Activates(configuration, entries.warnings)


def _providers(entries: Entries, policy: RelayPolicy) -> tuple[Provider, ...]:
    """Return whoever may take the project's mail, in no order; nobody where something is at fault."""
    names_relay = names.HOST in entries or names.SERVICE in entries
    relay = read_relay(entries, policy) if names_relay else None
    if not names_relay:
        for name in entries.names:
            if name in names.KNOWN and name not in (*names.SENDER, names.PROVIDERS, names.ENABLED):
                entries.warn(name, "entry-inactive", "It has no effect without smtpHost.")
    own = (entries_provider(relay),) if relay is not None else ()
    if names.PROVIDERS not in entries:
        return own
    listed = read_providers(entries, policy)
    if listed == () and not names_relay and not entries.problems:
        entries.report(
            names.PROVIDERS,
            "providers-none-enabled",
            "Enable one of the providers, or name a relay with smtpHost. To send by the platform's own service, remove "
            "the entry.",
        )
    return (*own, *(listed or ()))


def _inactive(entries: Entries) -> ParsedSecret:
    wanted = (*names.ACTIVATING, names.ENABLED)
    misspelled = {name: None for name in entries.names if names.misspelled(name) in wanted}
    for name in islice(misspelled, _MAX_UNKNOWN):
        entries.report(
            names.shown(name),
            "entry-misspelled",
            f"Rename it to {names.misspelled(name)}, letter for letter. To switch the project's relay off, remove the "
            "entry.",
        )
    inactive = (
        name for name in entries.names if name not in misspelled and names.is_relay_name(name) and name != names.ENABLED
    )
    for name in islice(inactive, _MAX_UNKNOWN):
        entries.warn(
            names.shown(name),
            "entry-inactive",
            f"It has no effect without smtpHost.{_did_you_mean(name)}",
        )
    return Malformed(entries.problems) if entries.problems else ActivatesNothing(entries.warnings)


def _report_unknown(entries: Entries, name: str) -> None:
    entries.report(
        names.shown(name), "entry-unknown", f"There is no entry of this name. Remove or rename it.{_did_you_mean(name)}"
    )


def _did_you_mean(name: str) -> str:
    meant = None if name in names.KNOWN else names.suggestion(name)
    return f" Did you mean {meant}?" if meant else ""


def _senders(entries: Entries) -> SenderPolicy | None:
    default = None
    if entries.require(names.FROM_ADDRESS, "Add the address that mail is sent from, such as Acme <hello@acme.com>."):
        default = entries.parsed(names.FROM_ADDRESS, parse_mailbox)
    display_name = entries.optional_parsed(names.FROM_NAME, parse_display_name)
    approved = entries.addresses(names.APPROVED_SENDERS)
    from_policy = entries.choice(names.FROM_POLICY, FromPolicy)
    if default is None:
        return None
    return SenderPolicy(default, approved, from_policy or FromPolicy.SUBSTITUTE, display_name)


def _described(name: str, value: object) -> object:
    if name == names.PROVIDERS:
        return describe_providers(value)
    if name in names.HIDDEN:
        return {"set": value not in ("", None)}
    match value:
        case str():
            # A URL typed as a host may hold a user name and a password.
            return {"set": True} if "@" in value and name in _NO_ADDRESSES else _printable(value)
        case list():
            return [_printable(item) if isinstance(item, str) else None for item in value]
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            return {"set": True}


def _printable(text: str) -> str:
    return FORBIDDEN.sub("?", text)
