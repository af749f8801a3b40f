"""What the configuration's routes need from outside."""

from collections.abc import Callable

import msgspec

from mailer.service.configuring.change_configuration import ChangePorts
from mailer.service.sending.send_email import SendPorts


class ConfigPorts(msgspec.Struct, frozen=True):
    """`sending` for the test message, `changing` for all else; `new_provider_id` returns a fresh random id."""

    sending: SendPorts
    changing: ChangePorts
    new_provider_id: Callable[[], str]
