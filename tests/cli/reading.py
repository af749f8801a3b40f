"""What the service makes of entries that an import made."""

import json
from collections.abc import Mapping

from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay
from mailer.secret.parser import Activates, parse_secret


def activated(entries: Mapping[str, str]) -> Activates:
    """Return the configuration that the entries are; a sender is added where the file had none."""
    parsed = parse_secret(json.dumps({"smtpFromAddress": "hello@acme.example", **entries}), RelayPolicy())
    assert isinstance(parsed, Activates), parsed
    return parsed


def relay(entries: Mapping[str, str]) -> Relay:
    """Return the relay that the entries are."""
    (provider,) = activated(entries).configuration.chain
    assert isinstance(provider.config, Relay)
    return provider.config
