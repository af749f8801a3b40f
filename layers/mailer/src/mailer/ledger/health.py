"""A project's health: the result of its last validation."""

from enum import StrEnum

import msgspec

from mailer.problem import Problem


class HealthState(StrEnum):
    """Whether the project's own providers can send its mail.

    `UNVERIFIED`: the relay could not be reached, so no entry was proved wrong. `SERVER`: the project has no provider.
    """

    SERVER = "server"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class Health(msgspec.Struct, frozen=True):
    """The health of a version of the secret; `checked_at` is in seconds since the epoch. Problems never hold values."""

    state: HealthState
    version_id: str | None
    checked_at: float
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
