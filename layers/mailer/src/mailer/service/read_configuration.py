"""Read a project's current configuration: the secret and its resolution."""

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ledger.epoch import Epoch
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

_UNREAD = Epoch()


class Configured(msgspec.Struct, frozen=True):
    """The secret store's answer, its resolution, and the epoch under which the secret was read."""

    answer: SecretAnswer
    resolution: Resolution
    epoch: Epoch = _UNREAD

    @property
    def is_removed(self) -> bool:
        """Whether the project has no transport of its own. The operator's switch does not remove it."""
        return isinstance(self.resolution, UseServer) and self.resolution.reason is ServerReason.NO_PROJECT_RELAY


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
    configured = _resolved(secrets.current(project_id, epoch=epoch, deadline=deadline), settings, epoch)
    if not isinstance(configured.resolution, ConfigurationInvalid):
        return configured
    return _resolved(secrets.current(project_id, epoch=epoch, deadline=deadline, refresh=True), settings, epoch)


def read_now(project_id: ProjectId, *, secrets: SecretStore, ledger: Ledger, deadline: float) -> SecretAnswer:
    """Read the secret without the cache.

    If the ledger does not answer, the store cannot tell whether it returned a state from before the last change.
    """
    try:
        epoch = ledger.epoch(project_id)
    except LedgerUnavailable:
        epoch = None
    return secrets.current(project_id, epoch=epoch, deadline=deadline, refresh=True)


def _resolved(answer: SecretAnswer, settings: Settings, epoch: Epoch = _UNREAD) -> Configured:
    allowed, policy = settings.allow_project_smtp, settings.relay_policy
    return Configured(answer, resolve(allow_project_smtp=allowed, answer=answer, policy=policy), epoch)
