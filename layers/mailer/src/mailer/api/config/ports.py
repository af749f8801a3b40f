"""The ports of the configuration's routes."""

from collections.abc import Callable

import msgspec

from mailer.ports import ConfigurationPorts, SendPorts


class ConfigPorts(msgspec.Struct, frozen=True):
    """`sending` is for test messages and templates, `changing` for all else; `new_provider_id` returns a random id."""

    sending: SendPorts
    changing: ConfigurationPorts
    new_provider_id: Callable[[], str]
