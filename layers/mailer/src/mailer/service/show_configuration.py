"""What a project's configuration is, for its members: the state, the entries without secrets, and what is wrong."""

from collections.abc import Mapping
from enum import StrEnum
from typing import assert_never

import msgspec
from msgspec import field

from mailer.ports import SecretStore
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    SecretPresent,
    ServerReason,
    UseProjectRelay,
    UseServer,
)
from mailer.secret_parser import describe_entries
from mailer.service.read_configuration import read_configuration
from mailer.settings import Settings


class ConfigurationState(StrEnum):
    """Where a project's mail goes, in one word."""

    SERVER = "server"
    DISABLED_BY_OPERATOR = "disabled-by-operator"
    UNVERIFIED = "unverified"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class ConfigurationView(msgspec.Struct, frozen=True):
    """The configuration as it may be shown."""

    state: ConfigurationState
    version_id: str | None = None
    entries: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def show_configuration(
    project_id: ProjectId, *, settings: Settings, secrets: SecretStore, deadline: float
) -> ConfigurationView:
    """Read the project's configuration anew and describe it."""
    configured = read_configuration(project_id, settings=settings, secrets=secrets, deadline=deadline, refresh=True)
    entries: Mapping[str, object] = {}
    if isinstance(configured.answer, SecretPresent):
        entries = describe_entries(configured.answer.text.reveal()) or {}
    match configured.resolution:
        case UseServer(ServerReason.DISABLED_BY_OPERATOR):
            return ConfigurationView(ConfigurationState.DISABLED_BY_OPERATOR)
        case UseServer(_, warnings, version_id):
            return ConfigurationView(ConfigurationState.SERVER, version_id, entries, (), warnings)
        case UseProjectRelay(_, version_id, warnings):
            return ConfigurationView(ConfigurationState.UNVERIFIED, version_id, entries, (), warnings)
        case ConfigurationInvalid(problems, version_id):
            return ConfigurationView(ConfigurationState.INVALID, version_id, entries, problems)
        case ConfigurationUnavailable(reason):
            problem = Problem(
                code=f"secret-{reason.value}",
                detail="The secret store gave no answer; try again. If it stays so, the operator has to look at it.",
                entry=None,
            )
            return ConfigurationView(ConfigurationState.UNAVAILABLE, problems=(problem,))
        case unreachable:
            assert_never(unreachable)
