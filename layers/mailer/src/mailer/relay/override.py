"""The provider for a relay given in a request (an override)."""

from mailer.relay.provider import Provider
from mailer.relay.relay import Relay

OVERRIDE = "override"


def override_provider(relay: Relay) -> Provider:
    """Return the provider for a relay given in a request."""
    return Provider(OVERRIDE, OVERRIDE, 0, relay)
