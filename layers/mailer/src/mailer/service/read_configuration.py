"""What a project's configuration is right now: the secret, asked for only where it may matter, and its meaning."""

import msgspec

from mailer.ports import SecretStore
from mailer.project import ProjectId
from mailer.secret.resolution import (
    ConfigurationInvalid,
    Resolution,
    SecretAnswer,
    SecretNotRead,
    ServerReason,
    UseServer,
    resolve,
)
from mailer.settings import Settings


class Configured(msgspec.Struct, frozen=True):
    """The store's answer and the resolution that follows from it."""

    answer: SecretAnswer
    resolution: Resolution


def read_configuration(
    project_id: ProjectId | None, *, settings: Settings, secrets: SecretStore, deadline: float, refresh: bool = False
) -> Configured:
    """Ask the store, unless the operator switched project relays off: then nobody reads the project's secret.

    A secret that turns out invalid is read once more past the cache, so that an admin's correction works at once. What
    the platform itself sends (None) belongs to no project and leaves by its own transport.
    """
    if project_id is None:
        return Configured(SecretNotRead(), UseServer(ServerReason.NO_PROJECT))
    answer: SecretAnswer = SecretNotRead()
    if settings.allow_project_smtp:
        answer = secrets.current(project_id, deadline=deadline, refresh=refresh)
    resolution = resolve(allow_project_smtp=settings.allow_project_smtp, answer=answer, policy=settings.relay_policy)
    if isinstance(resolution, ConfigurationInvalid) and not refresh:
        return read_configuration(project_id, settings=settings, secrets=secrets, deadline=deadline, refresh=True)
    return Configured(answer, resolution)
