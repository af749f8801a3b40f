"""A correction of moto: a version to which AWSCURRENT was moved is the current version.

moto moves the label, but still treats the old version as the current version. After the next PutSecretValue two
versions would have AWSCURRENT, and the older version would be read.
"""

import functools

from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend


@functools.cache
def follow_current_label() -> None:
    """Patch moto to remember the version that AWSCURRENT was moved to."""
    move = SecretsManagerBackend.update_secret_version_stage

    @functools.wraps(move)
    def followed(
        backend: SecretsManagerBackend,
        secret_id: str,
        version_stage: str,
        remove_from_version_id: str,
        move_to_version_id: str,
    ) -> tuple[str, str]:
        moved = move(backend, secret_id, version_stage, remove_from_version_id, move_to_version_id)
        secret = backend.secrets[secret_id]
        if version_stage == "AWSCURRENT" and move_to_version_id and isinstance(secret, FakeSecret):
            secret.set_default_version_id(move_to_version_id)
        return moved

    SecretsManagerBackend.update_secret_version_stage = followed  # type: ignore[assignment,method-assign]  # moto has no setting for this
