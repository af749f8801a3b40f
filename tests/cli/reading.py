"""Imported entries, as the service reads them."""

import json
from collections.abc import Mapping

from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay
from mailer.secret.parser import Activates, parse_secret


def activated(entries: Mapping[str, str]) -> Activates:
    """Return the configuration of the entries; a sender is added if the file had none."""
    parsed = parse_secret(json.dumps({"smtpFromAddress": "hello@acme.example", **entries}), RelayPolicy())
    assert isinstance(parsed, Activates), parsed
    return parsed


def relay(entries: Mapping[str, str]) -> Relay:
    """Return the relay of the entries."""
    (provider,) = activated(entries).configuration.chain
    assert isinstance(provider.config, Relay)
    return provider.config
