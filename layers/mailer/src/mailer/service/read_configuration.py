"""Read a project's current configuration: the secret and its resolution."""

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ports import Ledger, SecretStore
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
    project_id: ProjectId | None,
    *,
    settings: Settings,
    secrets: SecretStore,
    ledger: Ledger,
    deadline: float,
    refresh: bool = False,
) -> Configured:
    """Read the secret, unless the operator switched project relays off.

    The epoch is read first, so a secret that was cached before a known change is not used. Without `refresh` this
    raises `LedgerUnavailable`. If the cached secret is invalid, it is read once more without the cache, so that a
    correction takes effect at once. The platform's own mail (`project_id` None) is sent by the server transport.
    """
    if project_id is None:
        return Configured(SecretNotRead(), UseServer(ServerReason.NO_PROJECT))
    if not settings.allow_project_smtp:
        return _resolved(SecretNotRead(), settings)
    if refresh:
        return _resolved(read_now(project_id, secrets=secrets, ledger=ledger, deadline=deadline), settings)
    epoch = ledger.epoch(project_id)
    configured = _resolved(secrets.current(project_id, epoch=epoch, deadline=deadline), settings)
    if not isinstance(configured.resolution, ConfigurationInvalid):
        return configured
    return _resolved(secrets.current(project_id, epoch=epoch, deadline=deadline, refresh=True), settings)


def read_now(project_id: ProjectId, *, secrets: SecretStore, ledger: Ledger, deadline: float) -> SecretAnswer:
    """Read the secret without the cache.

    If the ledger does not answer, the store cannot tell whether it returned a state from before the last change.
    """
    try:
        epoch = ledger.epoch(project_id)
    except LedgerUnavailable:
        epoch = None
    return secrets.current(project_id, epoch=epoch, deadline=deadline, refresh=True)


def _resolved(answer: SecretAnswer, settings: Settings) -> Configured:
    allowed, policy = settings.allow_project_smtp, settings.relay_policy
    return Configured(answer, resolve(allow_project_smtp=allowed, answer=answer, policy=policy))
