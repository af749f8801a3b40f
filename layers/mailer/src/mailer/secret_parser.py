"""A project's secret becomes a configuration, or the list of what an admin has to correct.

Three results and no fourth: the secret asks for a relay and names one, asks for a relay and names none, or asks for
nothing. Whatever might be a wish for a relay (a blank host, a misspelled name) is never read as asking for nothing.
"""

import json
import math
from collections.abc import Mapping
from itertools import islice

import msgspec

from mailer import entry_names as names
from mailer.address import FORBIDDEN, parse_address, parse_display_name, parse_mailbox
from mailer.configuration import FromPolicy, ProjectConfiguration, SenderPolicy
from mailer.problem import Problem
from mailer.relay_advice import advise
from mailer.relay_entries import read_relay
from mailer.relay_policy import RelayPolicy
from mailer.secret_entries import Entries
from mailer.secret_json import decode

# Of names that there are no entries of: whoever corrects these learns of the rest.
_MAX_UNKNOWN = 50
_NO_ADDRESSES = frozenset((names.HOST, names.PORT, names.SERVICE, *names.OAUTH))


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
    password, username = decoded.get(names.PASSWORD), decoded.get(names.USERNAME)
    if isinstance(password, str) and isinstance(username, str) and password and password in username:
        # Some relays want their token in both places.
        described[names.USERNAME] = {"set": True}
    return described


def _parse(values: Mapping[str, object], policy: RelayPolicy) -> ParsedSecret:
    entries = Entries(values)
    if not any(name in entries for name in names.ACTIVATING):
        return _inactive(entries)
    unknown = (name for name in entries.names if name not in names.KNOWN and names.is_relay_name(name))
    for name in islice(unknown, _MAX_UNKNOWN):
        _report_unknown(entries, name)
    if names.PROVIDERS in entries:
        entries.report(
            names.PROVIDERS,
            "providers-unsupported",
            "Several providers are not supported by this version. Remove the entry and name one relay with smtpHost.",
        )
    if names.HOST not in entries and names.SERVICE not in entries:
        return Malformed(entries.problems)
    relay = read_relay(entries, policy)
    senders = _senders(entries)
    reply_to = entries.parsed(names.REPLY_TO, parse_mailbox)
    return_path = entries.parsed(names.RETURN_PATH, parse_address)
    if relay is None or senders is None or entries.problems:
        return Malformed(entries.problems)
    configuration = ProjectConfiguration(relay, senders, reply_to=reply_to, return_path=return_path)
    advise(entries, configuration)
    return Activates(configuration, entries.warnings)


def _inactive(entries: Entries) -> ParsedSecret:
    misspelled = {name: None for name in entries.names if names.misspelled(name) in names.ACTIVATING}
    for name in islice(misspelled, _MAX_UNKNOWN):
        entries.report(
            names.shown(name),
            "entry-misspelled",
            f"Rename it to {names.misspelled(name)}, letter for letter. To switch the project's relay off, remove the "
            "entry.",
        )
    inactive = (name for name in entries.names if name not in misspelled and names.is_relay_name(name))
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
