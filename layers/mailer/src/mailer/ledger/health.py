"""What the last validation of a project's configuration found; the ledger keeps one per project."""

from enum import StrEnum

import msgspec

from mailer.problem import Problem


class HealthState(StrEnum):
    """Whether mail would leave by the project's choice.

    `UNVERIFIED` is a relay that nobody could reach: neither its credentials nor the secret were found wrong.
    """

    SERVER = "server"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class Health(msgspec.Struct, frozen=True):
    """The finding, of which version, and when (seconds since the epoch); problems name entries, never values."""

    state: HealthState
    version_id: str | None
    checked_at: float
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
