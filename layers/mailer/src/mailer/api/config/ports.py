"""What the configuration's routes need from outside."""

from collections.abc import Callable

import msgspec

from mailer.ports import ConfigurationPorts, SendPorts


class ConfigPorts(msgspec.Struct, frozen=True):
    """`sending` for the test message, `changing` for all else; `new_provider_id` returns a fresh random id."""

    sending: SendPorts
    changing: ConfigurationPorts
    new_provider_id: Callable[[], str]
