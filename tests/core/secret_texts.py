"""Secrets for tests: a valid secret, its variations, and the parser's result."""

import json
from collections.abc import Mapping

from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ENTRIES_PROVIDER
from mailer.relay.relay import Relay
from mailer.secret.configuration import ProjectConfiguration
from mailer.secret.parser import Activates, Malformed, ParsedSecret, parse_secret

POLICY = RelayPolicy()
VALID: Mapping[str, object] = {
    "smtpHost": "smtp.example.com",
    "smtpPort": "587",
    "smtpUsername": "mailer",
    "smtpPassword": "correct horse",
    "smtpFromAddress": "Acme <hello@acme.example>",
}


def secret(**entries: object) -> str:
    """Return the valid secret with these entries added or replaced."""
    return json.dumps({**VALID, **entries})


def without(*names: str, **entries: object) -> str:
    """Return the valid secret without the named entries."""
    return json.dumps({name: value for name, value in {**VALID, **entries}.items() if name not in names})


def parsed(text: str, policy: RelayPolicy = POLICY) -> ParsedSecret:
    return parse_secret(text, policy)


def configuration(text: str, policy: RelayPolicy = POLICY) -> ProjectConfiguration:
    result = parse_secret(text, policy)
    assert isinstance(result, Activates), result
    return result.configuration


def own_relay(configuration: ProjectConfiguration) -> Relay | None:
    """Return the relay of the secret's own smtp entries, if there is one."""
    own = (each.config for each in configuration.chain if each.id == ENTRIES_PROVIDER)
    return next((config for config in own if isinstance(config, Relay)), None)


def relay_of(text: str, policy: RelayPolicy = POLICY) -> Relay:
    """Return the relay of a valid secret's own entries."""
    relay = own_relay(configuration(text, policy))
    assert relay is not None
    return relay


def faults(text: str, policy: RelayPolicy = POLICY) -> list[tuple[str | None, str]]:
    """Return the entry and code of every problem of an invalid secret."""
    result = parse_secret(text, policy)
    assert isinstance(result, Malformed), result
    assert result.problems
    return [(problem.entry, problem.code) for problem in result.problems]


def warnings(text: str, policy: RelayPolicy = POLICY) -> list[tuple[str | None, str]]:
    """Return the entry and code of every warning about a valid secret."""
    result = parse_secret(text, policy)
    assert isinstance(result, Activates), result
    return [(warning.entry, warning.code) for warning in result.warnings]
