"""What a project's configuration is, for its members: the state, the entries without secrets, and what is wrong.

What the secret says now is read now; whether a relay takes it is what the last validation of the same version found.
"""

from collections.abc import Mapping
from copy import replace
from enum import StrEnum
from typing import assert_never

import msgspec
from msgspec import field

from mailer.errors import LedgerUnavailable
from mailer.ledger.health import Health, HealthState
from mailer.ledger.record import State
from mailer.ports import Ledger, SecretStore
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.secret.parser import describe_entries
from mailer.secret.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    Resolution,
    SecretPresent,
    ServerReason,
    UseProjectRelay,
    UseServer,
)
from mailer.service.read_configuration import read_configuration
from mailer.settings import Settings


class ConfigurationState(StrEnum):
    """Where a project's mail goes, in one word."""

    SERVER = "server"
    DISABLED_BY_OPERATOR = "disabled-by-operator"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class ConfigurationView(msgspec.Struct, frozen=True):
    """The configuration as it may be shown.

    `checked_at` is when this version was validated last, seconds since the epoch; `held` how many messages wait for
    the configuration to be right, None where the ledger cannot say.
    """

    state: ConfigurationState
    version_id: str | None = None
    entries: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    checked_at: float | None = None
    held: int | None = None


def show_configuration(
    project_id: ProjectId, *, settings: Settings, secrets: SecretStore, ledger: Ledger, deadline: float
) -> ConfigurationView:
    """Read the project's configuration anew and describe it; a ledger without an answer hides nothing of it."""
    configured = read_configuration(project_id, settings=settings, secrets=secrets, deadline=deadline, refresh=True)
    view = _view(configured.resolution)
    if isinstance(configured.answer, SecretPresent):
        view = replace(view, entries=describe_entries(configured.answer.text.reveal()) or {})
    return replace(_with_health(view, _health(project_id, ledger)), held=count_held(project_id, ledger))


def count_held(project_id: ProjectId, ledger: Ledger) -> int | None:
    """Count the messages that are held, None where the ledger cannot say."""
    try:
        return ledger.count(project_id, State.HELD)
    except LedgerUnavailable:
        return None


def _view(resolution: Resolution) -> ConfigurationView:
    match resolution:
        case UseServer(ServerReason.DISABLED_BY_OPERATOR):
            return ConfigurationView(ConfigurationState.DISABLED_BY_OPERATOR)
        case UseServer(_, warnings, version_id):
            return ConfigurationView(ConfigurationState.SERVER, version_id, warnings=warnings)
        case UseProjectRelay(_, version_id, warnings):
            return ConfigurationView(ConfigurationState.UNVERIFIED, version_id, warnings=warnings)
        case ConfigurationInvalid(problems, version_id):
            return ConfigurationView(ConfigurationState.INVALID, version_id, problems=problems)
        case ConfigurationUnavailable(reason):
            problem = Problem(
                code=f"secret-{reason.value}",
                detail="The secret store gave no answer; try again. If it stays so, the operator has to look at it.",
                entry=None,
            )
            return ConfigurationView(ConfigurationState.UNAVAILABLE, problems=(problem,))
        case unreachable:
            assert_never(unreachable)


def _with_health(view: ConfigurationView, health: Health | None) -> ConfigurationView:
    if health is None or health.version_id != view.version_id:
        return view
    match view.state:
        case ConfigurationState.DISABLED_BY_OPERATOR | ConfigurationState.UNAVAILABLE:
            return view
        case ConfigurationState.UNVERIFIED:
            return _as_examined(view, health)
        case ConfigurationState(value=value) if value == health.state.value:
            # The entries say it all; the validation only says since when it is known.
            return replace(view, checked_at=health.checked_at)
        case _:
            # Found when the same version meant something else, or when there was no secret rather than a broken one.
            return view


def _as_examined(view: ConfigurationView, health: Health) -> ConfigurationView:
    checked = replace(view, checked_at=health.checked_at)
    match health.state:
        case HealthState.VERIFIED:
            return replace(checked, state=ConfigurationState.VERIFIED)
        case HealthState.INVALID:
            return replace(checked, state=ConfigurationState.INVALID, problems=health.problems)
        case HealthState.UNVERIFIED:
            return replace(checked, warnings=tuple(dict.fromkeys((*health.warnings, *view.warnings))))
        case HealthState.SERVER | HealthState.UNAVAILABLE:
            # Of another time: the operator's settings have changed what the same version means.
            return view
        case unreachable:
            assert_never(unreachable)


def _health(project_id: ProjectId, ledger: Ledger) -> Health | None:
    try:
        return ledger.health(project_id)
    except LedgerUnavailable:
        return None
