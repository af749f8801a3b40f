"""Read a project's current configuration: the secret and its resolution."""

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
    """The secret store's answer and its resolution."""

    answer: SecretAnswer
    resolution: Resolution


def read_configuration(
    project_id: ProjectId | None, *, settings: Settings, secrets: SecretStore, deadline: float, refresh: bool = False
) -> Configured:
    """Read the secret, unless the operator switched project relays off.

    If the cached secret is invalid, it is read once more without the cache, so that a correction takes effect at once.
    The platform's own mail (`project_id` None) is sent by the server transport.
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
