"""Show a project's configuration to its members: the state, the entries without secrets, the problems.

The secret is read now. Whether the relay accepts it is taken from the last validation of the same version.
"""

from collections.abc import Mapping
from copy import replace
from enum import StrEnum
from typing import assert_never

import msgspec
from msgspec import field

from mailer.errors import LedgerUnavailable
from mailer.ledger.breaker import BreakerState
from mailer.ledger.health import Health, HealthState
from mailer.ledger.record import State
from mailer.ports import Ledger, SecretStore
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.secret.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    Resolution,
    SecretPresent,
    ServerReason,
    UseProjectRelay,
    UseServer,
)
from mailer.secret.view import describe_entries
from mailer.service.read_configuration import Configured, read_configuration
from mailer.settings import Settings


class ConfigurationState(StrEnum):
    """The state of a project's configuration."""

    SERVER = "server"
    DISABLED_BY_OPERATOR = "disabled-by-operator"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class RecentAttempts(msgspec.Struct, frozen=True):
    """The latest attempts to send by the project's own providers; times are seconds since the epoch.

    `last_success_at` is the last time that a provider accepted a message. The rest is about the provider with the most
    failed attempts in a row: their number, the time of the first one, and the code of the last one.
    """

    last_success_at: float | None = None
    consecutive_failures: int = 0
    failing_since: float | None = None
    last_failure: str | None = None


NO_ATTEMPTS = RecentAttempts()


class ConfigurationView(msgspec.Struct, frozen=True):
    """The configuration without secrets.

    `checked_at` is the time of this version's last validation, in seconds since the epoch. `held` counts the messages
    that wait for a valid configuration; None if the ledger does not answer. `recent` is what messages of this version
    have met; None if the project has no provider, or if the ledger does not answer.
    """

    state: ConfigurationState
    version_id: str | None = None
    entries: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    checked_at: float | None = None
    held: int | None = None
    recent: RecentAttempts | None = None


def show_configuration(
    project_id: ProjectId, *, settings: Settings, secrets: SecretStore, ledger: Ledger, deadline: float
) -> ConfigurationView:
    """Read and describe the configuration.

    If the ledger does not answer, only health, held count and recent attempts are missing.
    """
    configured = read_configuration(
        project_id, settings=settings, secrets=secrets, ledger=ledger, deadline=deadline, refresh=True
    )
    view = view_of(configured.resolution)
    if isinstance(configured.answer, SecretPresent):
        view = replace(view, entries=describe_entries(configured.answer.text.reveal()) or {})
    view = _with_health(view, _health(project_id, ledger))
    return replace(view, held=count_held(project_id, ledger), recent=recent_attempts(project_id, configured, ledger))


def count_held(project_id: ProjectId, ledger: Ledger) -> int | None:
    """Count the held messages; None if the ledger does not answer."""
    try:
        return ledger.count(project_id, State.HELD)
    except LedgerUnavailable:
        return None


def recent_attempts(project_id: ProjectId, configured: Configured, ledger: Ledger) -> RecentAttempts | None:
    """Return what messages have met; None if there is no provider, or if the ledger does not answer."""
    if not isinstance(configured.resolution, UseProjectRelay):
        return None
    chain, version_id = configured.resolution.configuration.chain, configured.resolution.version_id
    try:
        states = [ledger.breaker(project_id, provider.id) for provider in chain]
    except LedgerUnavailable:
        return None
    current = [state for state in states if state.version_id == version_id] or [BreakerState()]
    worst = max(current, key=lambda state: state.failures)
    successes = [state.last_success_at for state in current if state.last_success_at is not None]
    return RecentAttempts(max(successes, default=None), worst.failures, worst.failing_since, worst.last_failure)


def view_of(resolution: Resolution) -> ConfigurationView:
    """Return the state, the problems and the warnings of a resolution, without entries and health."""
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
                detail="The secret store did not answer. Try again. If the problem stays, ask the operator.",
                entry=None,
            )
            return ConfigurationView(ConfigurationState.UNAVAILABLE, problems=(problem,))
        case unreachable:
            assert_never(unreachable)


def _with_health(view: ConfigurationView, health: Health | None) -> ConfigurationView:
    if health is None or health.version_id != view.version_id:
        return view
    checked = replace(view, checked_at=health.checked_at)
    match view.state, health.state:
        case ConfigurationState.UNVERIFIED, HealthState.VERIFIED:
            return replace(checked, state=ConfigurationState.VERIFIED)
        case ConfigurationState.UNVERIFIED, HealthState.INVALID:
            return replace(checked, state=ConfigurationState.INVALID, problems=health.problems)
        case ConfigurationState.UNVERIFIED, HealthState.UNVERIFIED:
            return replace(checked, warnings=tuple(dict.fromkeys((*health.warnings, *view.warnings))))
        case (ConfigurationState.SERVER, HealthState.SERVER) | (ConfigurationState.INVALID, HealthState.INVALID):
            # The state comes from the entries; the validation only adds its time.
            return checked
        case _:
            # The health is out of date: the settings or the meaning of the entries have changed since.
            return view


def _health(project_id: ProjectId, ledger: Ledger) -> Health | None:
    try:
        return ledger.health(project_id)
    except LedgerUnavailable:
        return None
