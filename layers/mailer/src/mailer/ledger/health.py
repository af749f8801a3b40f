"""A project's health: the result of its last validation."""

from enum import StrEnum

import msgspec

from mailer.problem import Problem


class HealthState(StrEnum):
    """Whether the project's mail can leave by its own choice.

    `UNVERIFIED`: the relay could not be reached, so nothing was proved wrong.
    """

    SERVER = "server"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class Health(msgspec.Struct, frozen=True):
    """The health of a version, checked at seconds since the epoch. Problems name entries, never values."""

    state: HealthState
    version_id: str | None
    checked_at: float
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
