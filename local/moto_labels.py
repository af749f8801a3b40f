"""moto and the labels of a secret's versions: moving AWSCURRENT makes another version the current one.

moto moves the label and goes on to take the old version for the current one, so that the next PutSecretValue leaves
AWSCURRENT on two versions, and the older is read.
"""

import functools

from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend


@functools.cache
def follow_current_label() -> None:
    """Make the version that AWSCURRENT is moved to the one that the next PutSecretValue takes it from."""
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

    SecretsManagerBackend.update_secret_version_stage = followed  # type: ignore[assignment,method-assign]  # no other
