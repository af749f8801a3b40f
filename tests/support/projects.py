"""Projects and settings that tests of use cases and functions share."""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime

from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.settings import Settings, parse_settings

from tests.conftest import ENVIRONMENT
from tests.support import canaries

ACME = ProjectId("acme")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

PLATFORM_KEY = SecretStr(canaries.PLATFORM_KEY)
VALID_ENTRIES: dict[str, str] = {
    "smtpHost": "mail.acme.example",
    "smtpPort": "587",
    "smtpUsername": canaries.USERNAME,
    "smtpPassword": canaries.PASSWORD,
    "smtpFromAddress": "Acme <hello@acme.example>",
    "smtpApprovedSenders": "support@acme.example, billing@acme.example",
}


def settings(**environment: str) -> Settings:
    """Return the operator's settings, with these variables changed."""
    return parse_settings({**ENVIRONMENT, **environment})


def entries(**changes: str | None) -> str:
    """Return the text of a valid secret with these entries changed; None removes an entry."""
    merged = {**VALID_ENTRIES, **changes}
    return json.dumps({name: value for name, value in merged.items() if value is not None})


def counting_ids() -> Callable[[], str]:
    """Return a source of predictable ids."""
    numbers = itertools.count(1)
    return lambda: f"{next(numbers):032d}"
