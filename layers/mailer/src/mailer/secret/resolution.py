"""Choose the transport of a project's mail: by the operator's setting and the answer of the secret store.

Each answer of the store has its own type. The server transport is used only if the secret is absent, configures no
transport, or was not read because project relays are off. No default branch sends mail.
"""

from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.secret_str import SecretStr
from mailer.secret.configuration import ProjectConfiguration
from mailer.secret.parser import (
    Activates,
    ActivatesNothing,
    Malformed,
    is_certainly_on,
    parse_secret,
    parse_switched_on,
)


class SecretNotRead(msgspec.Struct, frozen=True):
    """The secret was not read, because the operator switched project relays off."""


class SecretAbsent(msgspec.Struct, frozen=True):
    """The project has no secret."""


class SecretPresent(msgspec.Struct, frozen=True):
    """The secret's current version: its text and the version's id."""

    text: SecretStr
    version_id: str


class SecretUnusable(msgspec.Struct, frozen=True):
    """The secret has no readable text: it is binary, has no value, or is scheduled for deletion."""

    problem: Problem


class Unavailability(StrEnum):
    """Why the store gave no answer; each reason can be temporary.

    `OUTDATED`: it returned a state from before the last change, or an admin restored that state.
    """

    ACCESS_DENIED = "access-denied"
    DECRYPTION_FAILED = "decryption-failed"
    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    SERVICE_ERROR = "service-error"
    OUTDATED = "outdated"


class SecretUnavailable(msgspec.Struct, frozen=True):
    """The store did not answer: it is not known whether the project has a secret, or which."""

    reason: Unavailability


type SecretAnswer = SecretNotRead | SecretAbsent | SecretPresent | SecretUnusable | SecretUnavailable


class ServerReason(StrEnum):
    """Why the server transport is used."""

    DISABLED_BY_OPERATOR = "disabled-by-operator"
    NO_PROJECT_RELAY = "no-project-relay"
    NO_PROJECT = "no-project"


class UseServer(msgspec.Struct, frozen=True):
    """The platform's own transport."""

    reason: ServerReason
    warnings: tuple[Problem, ...] = ()
    version_id: str | None = None


class UseProjectRelay(msgspec.Struct, frozen=True):
    """The project's own relay, as the given version of its secret configures it."""

    configuration: ProjectConfiguration
    version_id: str
    warnings: tuple[Problem, ...] = ()


class ConfigurationInvalid(msgspec.Struct, frozen=True):
    """The project's secret is meant to configure a transport, but has problems: nothing is sent.

    `is_only_off` is true if the secret configures no transport and only switches the project's mail off.
    `is_certainly_on` is true if its problems are others, and `emailEnabled` can be read and does not switch mail off.
    """

    problems: tuple[Problem, ...]
    version_id: str | None = None
    is_only_off: bool = False
    is_certainly_on: bool = False


class ConfigurationUnavailable(msgspec.Struct, frozen=True):
    """The project's configuration is not known: nothing is sent now."""

    reason: Unavailability


type Resolution = UseServer | UseProjectRelay | ConfigurationInvalid | ConfigurationUnavailable


def resolve(*, allow_project_smtp: bool, answer: SecretAnswer, policy: RelayPolicy) -> Resolution:
    """Return the transport of a project's mail, or the reason why no mail is sent."""
    if not allow_project_smtp:
        return UseServer(ServerReason.DISABLED_BY_OPERATOR)
    match answer:
        case SecretAbsent():
            return UseServer(ServerReason.NO_PROJECT_RELAY)
        case SecretPresent(text, version_id):
            return _resolve_text(text, version_id, policy)
        case SecretUnusable(problem):
            return ConfigurationInvalid((problem,))
        case SecretUnavailable(reason):
            return ConfigurationUnavailable(reason)
        case SecretNotRead():
            # The caller should have read the secret. Without it, the server transport could be wrong.
            return ConfigurationUnavailable(Unavailability.SERVICE_ERROR)
        case unreachable:
            assert_never(unreachable)


def _resolve_text(text: SecretStr, version_id: str, policy: RelayPolicy) -> Resolution:
    match parse_secret(text.reveal(), policy):
        case Activates(configuration, warnings):
            return UseProjectRelay(configuration, version_id, warnings)
        case ActivatesNothing(warnings):
            return UseServer(ServerReason.NO_PROJECT_RELAY, warnings, version_id)
        case Malformed(problems):
            parsed, _ = parse_switched_on(text.reveal(), policy)
            is_only_off = isinstance(parsed, ActivatesNothing)
            return ConfigurationInvalid(problems, version_id, is_only_off, is_certainly_on(text.reveal()))
        case unreachable:
            assert_never(unreachable)
