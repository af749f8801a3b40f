"""The failure queues: names on the command line, and logical ids in the template."""

from collections.abc import Mapping
from typing import Final

QUEUES: Final[Mapping[str, str]] = {
    "deliveries": "DeliveryFailureQueue",
    "clock": "ClockFailureQueue",
    "system-emails": "SystemEmailFailureQueue",
    "secret-changes": "SecretChangeFailureQueue",
}
