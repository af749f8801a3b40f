"""Providers for tests, and the parser's result for a secret with them."""

import json
from collections.abc import Mapping

from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import Provider
from mailer.secret.parser import Activates, Malformed, parse_secret

from tests.core.secret_texts import POLICY

SENDER: Mapping[str, object] = {"smtpFromAddress": "Acme <hello@acme.example>"}
SMTP: Mapping[str, object] = {
    "host": "smtp.example.com",
    "port": 587,
    "secure": False,
    "auth": {"user": "mailer", "pass": "correct horse"},
}
SES: Mapping[str, object] = {
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "secretAccessKey": "wJalrXUtnFEMI/K7MDENG",
    "region": "eu-west-1",
}
SENDGRID: Mapping[str, object] = {"apiKey": "SG.correct-horse"}
MAILGUN: Mapping[str, object] = {"apiKey": "key-correct-horse", "domain": "mg.acme.example"}
CONFIGS: Mapping[str, Mapping[str, object]] = {"smtp": SMTP, "ses": SES, "sendgrid": SENDGRID, "mailgun": MAILGUN}


def item(kind: str = "sendgrid", config: object = None, /, **members: object) -> dict[str, object]:
    """Return a valid provider with these members added or replaced."""
    return {
        "id": "one",
        "provider": kind,
        "name": "One",
        "enabled": True,
        "priority": 1,
        "config": dict(CONFIGS[kind]) if config is None else config,
        **members,
    }


def secret(*items: object, **entries: object) -> str:
    return json.dumps({**SENDER, "emailProviders": list(items), **entries})


def chain(text: str, policy: RelayPolicy = POLICY) -> tuple[Provider, ...]:
    result = parse_secret(text, policy)
    assert isinstance(result, Activates), result
    return result.configuration.chain


def only_provider(kind: str, config: object = None, policy: RelayPolicy = POLICY) -> Provider:
    """Return the only provider of a valid secret."""
    (provider,) = chain(secret(item(kind, config)), policy)
    return provider


def faults(text: str, policy: RelayPolicy = POLICY) -> list[tuple[str | None, str]]:
    """Return the entry and code of every problem of an invalid secret."""
    result = parse_secret(text, policy)
    assert isinstance(result, Malformed), result
    return [(problem.entry, problem.code) for problem in result.problems]
