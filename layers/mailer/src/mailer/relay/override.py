"""The provider that a message brings along in place of its project's own."""

from mailer.relay.provider import Provider
from mailer.relay.relay import Relay

OVERRIDE = "override"


def override_provider(relay: Relay) -> Provider:
    """Return the provider for a relay that a request brings along."""
    return Provider(OVERRIDE, OVERRIDE, 0, relay)
