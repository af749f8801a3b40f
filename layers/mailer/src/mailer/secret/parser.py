"""Parse a project's secret. The result is a configuration, or the problems that an admin must correct.

There are three results: the secret configures the project's transport (`Activates`), it has problems (`Malformed`), or
it configures no transport (`ActivatesNothing`). A blank host or a misspelled name is a problem. Otherwise
the project's mail would go through the server transport.
"""

import json
from collections.abc import Mapping
from itertools import islice

import msgspec

from mailer.message.address import parse_address, parse_display_name, parse_mailbox
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ENTRIES_PROVIDER, Provider
from mailer.secret import names
from mailer.secret.configuration import FromPolicy, ProjectConfiguration, SenderPolicy
from mailer.secret.document import decode
from mailer.secret.entries import Entries
from mailer.secret.entry_table import ACTIVATING, KNOWN, SENDER
from mailer.secret.misnamed import find_misnamed, log_in_entries, problem_of
from mailer.secret.provider.provider_list import advise_on_relays, read_providers
from mailer.secret.relay import read_relay
from mailer.secret.spelling import is_mail_entry, misspelled, shown, suggestion

# How many unknown names are reported at once.
_MAX_UNKNOWN = 50
_INACTIVE = "This entry has no effect without a relay. Add smtpHost or smtpService, or remove this entry."


class Activates(msgspec.Struct, frozen=True):
    """The project's mail is sent by its own transport."""

    configuration: ProjectConfiguration
    warnings: tuple[Problem, ...] = ()


class ActivatesNothing(msgspec.Struct, frozen=True):
    """The secret configures no transport; `warnings` name the entries without effect."""

    warnings: tuple[Problem, ...] = ()


class Malformed(msgspec.Struct, frozen=True):
    """The secret configures a transport, or seems to configure one, but an admin must correct it first."""

    problems: tuple[Problem, ...]


type ParsedSecret = Activates | ActivatesNothing | Malformed


def parse_secret(text: str, policy: RelayPolicy) -> ParsedSecret:
    """Parse the text of a project's secret; never raises."""
    decoded = decode(text)
    return Malformed((decoded,)) if isinstance(decoded, Problem) else _parse(decoded, policy)


def parse_entries(entries: Mapping[str, object], policy: RelayPolicy) -> ParsedSecret:
    """Parse entries as if a secret held them; never raises."""
    try:
        text = json.dumps(dict(entries), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        remedy = "Give the entries as a JSON object of strings, numbers, booleans and lists."
        return Malformed((Problem("secret-not-json", remedy),))
    return parse_secret(text, policy)


def parse_switched_on(text: str, policy: RelayPolicy) -> tuple[ParsedSecret, bool]:
    """Parse a secret as if its mail were switched on, and tell whether it is; never raises."""
    decoded = decode(text)
    if isinstance(decoded, Problem):
        return Malformed((decoded,)), True
    if not is_switched_off(decoded):
        return _parse(decoded, policy), True
    return _parse({name: value for name, value in decoded.items() if name != names.ENABLED}, policy), False


def is_certainly_on(text: str) -> bool:
    """Tell whether the secret certainly does not switch mail off; never raises.

    A secret that cannot be read, or with a misspelled `emailEnabled`, may be meant to.
    """
    decoded = decode(text)
    if isinstance(decoded, Problem) or any(misspelled(name) == names.ENABLED for name in decoded):
        return False
    return names.ENABLED not in decoded or Entries(decoded).boolean(names.ENABLED) is True


def is_switched_off(values: Mapping[str, object]) -> bool:
    """Tell whether `emailEnabled` is false."""
    return Entries(values).boolean(names.ENABLED) is False


def _parse(values: Mapping[str, object], policy: RelayPolicy) -> ParsedSecret:
    entries = Entries(values)
    if entries.boolean(names.ENABLED) is False:
        remedy = "The project's mail is switched off. Write true, or remove the entry, to send again."
        entries.report(names.ENABLED, "email-disabled", remedy)
    if entries.problems:
        return Malformed(entries.problems)
    if not any(name in entries for name in ACTIVATING):
        return _inactive(entries, values)
    unknown = (name for name in entries.names if name not in KNOWN and is_mail_entry(name))
    for name in islice(unknown, _MAX_UNKNOWN):
        remedy = f"There is no entry of this name. Remove or rename it.{_did_you_mean(name)}"
        entries.report(shown(name), "entry-unknown", remedy)
    providers = _providers(entries, policy)
    senders = _senders(entries)
    reply_to = entries.parsed(names.REPLY_TO, parse_mailbox)
    return_path = entries.parsed(names.RETURN_PATH, parse_address)
    if not providers or senders is None or entries.problems:
        return Malformed(entries.problems)
    chain = tuple(sorted(providers, key=lambda provider: (provider.priority, provider.id)))
    advise_on_relays(entries, chain, senders)
    return Activates(ProjectConfiguration(chain, senders, reply_to, return_path), entries.warnings)


def _providers(entries: Entries, policy: RelayPolicy) -> tuple[Provider, ...]:
    """Report every entry with a problem, and return the enabled providers, unsorted."""
    has_relay = names.HOST in entries or names.SERVICE in entries
    relay = read_relay(entries, policy) if has_relay else None
    if not has_relay:
        for name in entries.names:
            if name in KNOWN and name not in (*SENDER, names.PROVIDERS, names.ENABLED):
                entries.warn(name, "entry-inactive", _INACTIVE)
    listed = read_providers(entries, policy) if names.PROVIDERS in entries else ()
    if not has_relay and not listed and not entries.problems:
        remedy = "Enable a provider, or add a relay with smtpHost. To use the server transport, remove the entry."
        entries.report(names.PROVIDERS, "providers-none-enabled", remedy)
    return listed if relay is None else (Provider(ENTRIES_PROVIDER, "smtpHost", 0, relay), *listed)


def _inactive(entries: Entries, values: Mapping[str, object]) -> ParsedSecret:
    wrong = {name: meant for name in entries.names if (meant := misspelled(name)) in (*ACTIVATING, names.ENABLED)}
    for name, meant in islice(wrong.items(), _MAX_UNKNOWN):
        entries.report(shown(name), "entry-misspelled", f"Write the name exactly as {meant}, or remove the entry.")
    log_in = log_in_entries(values)
    for found in islice((each for each in find_misnamed(values) if each.name not in wrong), _MAX_UNKNOWN):
        problem = problem_of(found, log_in)
        entries.report(shown(found.name), problem.code, problem.detail)
    inactive = (name for name in entries.names if name not in wrong and is_mail_entry(name) and name != names.ENABLED)
    for name in islice(inactive, _MAX_UNKNOWN):
        remedy = f"{_INACTIVE}{_did_you_mean(name)}"
        entries.warn(shown(name), "entry-inactive", remedy)
    return Malformed(entries.problems) if entries.problems else ActivatesNothing(entries.warnings)


def _did_you_mean(name: str) -> str:
    meant = None if name in KNOWN else suggestion(name)
    return f" Did you mean {meant}?" if meant else ""


def _senders(entries: Entries) -> SenderPolicy | None:
    missing = "Add the address to send from, such as Acme <hello@acme.com>."
    default = entries.parsed(names.FROM_ADDRESS, parse_mailbox, missing=missing)
    display_name = entries.parsed(names.FROM_NAME, parse_display_name, is_blank_allowed=True)
    approved = entries.addresses(names.APPROVED_SENDERS)
    from_policy = entries.choice(names.FROM_POLICY, FromPolicy)
    if default is None:
        return None
    return SenderPolicy(default, approved, from_policy or FromPolicy.SUBSTITUTE, display_name)
