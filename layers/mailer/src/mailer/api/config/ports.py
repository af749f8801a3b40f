"""The ports of the routes for configurations, providers and templates."""

from collections.abc import Callable

import msgspec

from mailer.ports import ConfigurationPorts, SendPorts


class ConfigPorts(msgspec.Struct, frozen=True):
    """The ports to send, and the ports to validate and change configurations.

    `new_provider_id` returns a new random id.
    """

    sending: SendPorts
    changing: ConfigurationPorts
    new_provider_id: Callable[[], str]
