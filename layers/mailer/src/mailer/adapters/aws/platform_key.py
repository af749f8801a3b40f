"""The platform's key for fingerprints, in AWS Secrets Manager."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from mailer.adapters.aws.session import Unanswered, answer, open_client
from mailer.errors import SecretsUnavailable
from mailer.relay.secret_str import SecretStr

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# A shorter key could be found by trying.
_SHORTEST = 32
_DETAIL = "The platform's key for idempotency keys cannot be read at the moment, so nothing was sent. Try again."
_LOGGER = logging.getLogger(__name__)


class SecretsManagerKey:
    """Reads the key once and keeps it; failures are not kept. Safe to share between threads."""

    def __init__(self, client_factory: Callable[[], "SecretsManagerClient"], *, secret_id: str) -> None:
        self._client_factory = client_factory
        self._secret_id = secret_id
        self._key: SecretStr | None = None

    def __call__(self) -> SecretStr:
        """Return the key; raises `SecretsUnavailable`."""
        if self._key is None:
            self._key = self._read()
        return self._key

    def _read(self) -> SecretStr:
        try:
            client = open_client(self._client_factory)
            response = answer(lambda: client.get_secret_value(SecretId=self._secret_id, VersionStage="AWSCURRENT"))
        except Unanswered as unanswered:
            _LOGGER.error("the platform's key cannot be read", extra={"code": unanswered.code})
            raise SecretsUnavailable(_DETAIL) from unanswered
        key = response.get("SecretString", "")
        if len(key) < _SHORTEST:
            _LOGGER.error("the platform's key is too short", extra={"shortest": _SHORTEST})
            raise SecretsUnavailable(_DETAIL)
        return SecretStr(key)
