"""The projects' secrets in AWS Secrets Manager.

Only DescribeSecret decides that a secret is absent: GetSecretValue has the same error code for a secret that does not
exist and for a secret without a value.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.session import Unanswered, answer, open_client
from mailer.errors import SecretsUnavailable
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import (
    SecretAbsent,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    Unavailability,
)

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

CURRENT = "AWSCURRENT"

_NO_VALUE = Problem(
    "secret-without-value", "The project's secret has no value: store its entries, or delete the secret."
)
SCHEDULED_FOR_DELETION = Problem(
    "secret-scheduled-for-deletion",
    "The project's secret is scheduled for deletion: restore it, or delete it without a recovery window.",
)
_BINARY = Problem("secret-binary", "The project's secret is binary: store its entries as key/value pairs.")

_CODES = {
    Unavailability.ACCESS_DENIED: (
        "AccessDenied AccessDeniedException UnauthorizedOperation "
        "CredentialRetrievalError NoCredentialsError PartialCredentialsError"
    ),
    Unavailability.DECRYPTION_FAILED: (
        "DecryptionFailure DecryptionFailureException KMSAccessDeniedException KMSDisabledException "
        "KMSInvalidStateException KMSNotFoundException"
    ),
    Unavailability.TIMEOUT: "RequestTimeout RequestTimeoutException ConnectTimeoutError ReadTimeoutError",
}
_REASON_OF_CODE = {code: reason for reason, codes in _CODES.items() for code in codes.split()}


class SecretsManagerReader(msgspec.Struct, frozen=True):
    """Reads the current version of `{prefix}{project}`, without a cache; safe to share between threads."""

    client_factory: Callable[[], "SecretsManagerClient"]
    prefix: str

    def fetch(self, project_id: ProjectId) -> SecretAnswer:
        """Return the project's secret; never raises."""
        try:
            return self._read(open_client(self.client_factory), f"{self.prefix}{project_id}")
        except Unanswered as unanswered:
            return SecretUnavailable(_reason(unanswered))

    def exists(self, project_id: ProjectId) -> bool:
        """Whether the project has a secret, even without a value; raises `SecretsUnavailable`."""
        try:
            client = open_client(self.client_factory)
            answer(lambda: client.describe_secret(SecretId=f"{self.prefix}{project_id}"))
        except Unanswered as unanswered:
            if unanswered.code == "ResourceNotFoundException":
                return False
            raise SecretsUnavailable from None
        return True

    def _read(self, client: "SecretsManagerClient", name: str) -> SecretAnswer:
        try:
            response = answer(lambda: client.get_secret_value(SecretId=name, VersionStage=CURRENT))
        except Unanswered as unanswered:
            if unanswered.code in {"ResourceNotFoundException", "InvalidRequestException"}:
                return _without_value(client, name)
            raise
        # Any member may be missing: botocore reads a truncated body as an empty one.
        text, version_id = response.get("SecretString"), response.get("VersionId")
        if response.get("Name") != name or not version_id:
            return SecretUnavailable(Unavailability.SERVICE_ERROR)
        if text is not None:
            return SecretPresent(SecretStr(text), version_id)
        if "SecretBinary" in response:
            return SecretUnusable(_BINARY)
        return SecretUnavailable(Unavailability.SERVICE_ERROR)


def _without_value(client: "SecretsManagerClient", name: str) -> SecretAnswer:
    try:
        description = answer(lambda: client.describe_secret(SecretId=name))
    except Unanswered as unanswered:
        if unanswered.code == "ResourceNotFoundException":
            return SecretAbsent()
        raise
    if description.get("Name") != name:
        return SecretUnavailable(Unavailability.SERVICE_ERROR)
    if "DeletedDate" in description:
        return SecretUnusable(SCHEDULED_FOR_DELETION)
    if current_version(description) is not None:
        # The value was written between the two calls, or the store contradicts itself: the next attempt decides.
        return SecretUnavailable(Unavailability.SERVICE_ERROR)
    return SecretUnusable(_NO_VALUE)


def current_version(description: "DescribeSecretResponseTypeDef") -> str | None:
    """Return the id of the version that has the label AWSCURRENT; None if no version has it."""
    stages = description.get("VersionIdsToStages", {})
    return next((version_id for version_id, labels in stages.items() if CURRENT in labels), None)


def _reason(unanswered: Unanswered) -> Unavailability:
    if unanswered.code in _REASON_OF_CODE:
        return _REASON_OF_CODE[unanswered.code]
    if unanswered.is_unauthenticated:
        return Unavailability.ACCESS_DENIED
    return Unavailability.THROTTLED if unanswered.is_throttled else Unavailability.SERVICE_ERROR
