"""The failure queues by the names that people type, and as the template calls them."""

from collections.abc import Mapping
from typing import Final

QUEUES: Final[Mapping[str, str]] = {
    "deliveries": "DeliveryFailureQueue",
    "clock": "ClockFailureQueue",
    "system-emails": "SystemEmailFailureQueue",
    "secret-changes": "SecretChangeFailureQueue",
}
