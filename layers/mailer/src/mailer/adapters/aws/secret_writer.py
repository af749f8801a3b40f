"""Writes projects' secrets in AWS Secrets Manager: a new version replaces exactly the version that the caller knows.

The new version first gets the label AWSPENDING. Then AWSCURRENT is moved to it from the version that the caller knows.
Secrets Manager refuses this move after a concurrent change; the pending version then loses its label and is deleted.
"""

import logging
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from mailer.adapters.aws.secrets_manager import CURRENT, SCHEDULED_FOR_DELETION, current_version
from mailer.adapters.aws.session import Unanswered, answer, open_client
from mailer.errors import ProjectSmtpInvalid, SecretsUnavailable
from mailer.ports import SecretChanged
from mailer.project import ProjectId, parse_project_id
from mailer.relay.secret_str import SecretStr

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import (
        CreateSecretRequestTypeDef,
        DescribeSecretResponseTypeDef,
        UpdateSecretVersionStageRequestTypeDef,
    )

_LOGGER = logging.getLogger(__name__)
_PENDING, _PREVIOUS = "AWSPENDING", "AWSPREVIOUS"
_DESCRIPTION = "Outbound e-mail of one project."


class SecretsManagerWriter(msgspec.Struct, frozen=True):
    """Writes `{prefix}{project}`; `new_token` returns ids for new versions: 32 to 64 unique characters.

    `key_arn` is the KMS key of new secrets; with None Secrets Manager uses its own key. If an answer is lost, the
    request is repeated with the same id, so no change is made twice.
    """

    client_factory: Callable[[], "SecretsManagerClient"]
    prefix: str
    key_arn: str | None = None
    new_token: Callable[[], str] = lambda: str(uuid.uuid4())

    def promote(self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False) -> str:
        """Make the text the current version: see `mailer.ports.SecretWriter`."""
        name, token = f"{self.prefix}{project_id}", self.new_token()
        with _refusals():
            client = open_client(self.client_factory)
            if replaces is None:
                _store_first(client, name, text, token, self.key_arn)
            else:
                _store_next(client, name, text, token, replaces, forgets=forgets)
        return token

    def projects(self) -> Sequence[ProjectId]:
        """Return every project that has a secret, also secrets that are scheduled for deletion."""
        with _refusals():
            client = open_client(self.client_factory)
            pages = client.get_paginator("list_secrets").paginate(
                Filters=[{"Key": "name", "Values": [self.prefix]}], IncludePlannedDeletion=True
            )
            names = answer(lambda: [secret["Name"] for page in pages for secret in page["SecretList"]])
        # The filter matches words, so it may return names without the prefix.
        found = (parse_project_id(name.removeprefix(self.prefix)) for name in names if name.startswith(self.prefix))
        return tuple(project_id for project_id in found if project_id is not None)


def _store_first(client: "SecretsManagerClient", name: str, text: SecretStr, token: str, key_arn: str | None) -> None:
    request: CreateSecretRequestTypeDef = {
        "Name": name,
        "SecretString": text.reveal(),
        "ClientRequestToken": token,
        "Description": _DESCRIPTION,
    }
    if key_arn is not None:
        request["KmsKeyId"] = key_arn
    try:
        answer(lambda: client.create_secret(**request))
    except Unanswered as unanswered:
        if unanswered.code not in {"ResourceExistsException", "InvalidRequestException"}:
            raise
        description = answer(lambda: client.describe_secret(SecretId=name))
        if current_version(description) == token:
            return
        _demand_usable(description)
        if current_version(description) is not None:
            raise SecretChanged from None
        # If the secret has no value, its first version becomes current at once.
        answer(lambda: client.put_secret_value(SecretId=name, SecretString=text.reveal(), ClientRequestToken=token))


def _store_next(
    client: "SecretsManagerClient", name: str, text: SecretStr, token: str, replaces: str, *, forgets: bool
) -> None:
    try:
        answer(
            lambda: client.put_secret_value(
                SecretId=name, SecretString=text.reveal(), ClientRequestToken=token, VersionStages=[_PENDING]
            )
        )
    except Unanswered as unanswered:
        if unanswered.code == "ResourceNotFoundException":
            raise SecretChanged from None
        if unanswered.code == "InvalidRequestException":
            _demand_usable(answer(lambda: client.describe_secret(SecretId=name)))
        raise
    # The move is also refused if it succeeded before, its answer was lost and the client repeated it.
    is_moved = _label(client, name, CURRENT, from_version=replaces, to_version=token)
    if not is_moved and current_version(answer(lambda: client.describe_secret(SecretId=name))) != token:
        _clear_pending(client, name, token)
        raise SecretChanged
    _clear_pending(client, name, token)
    if forgets:
        _label(client, name, _PREVIOUS, from_version=replaces)


def _clear_pending(client: "SecretsManagerClient", name: str, token: str) -> None:
    """Remove the label AWSPENDING from the version. A failure is only logged: the label changes no result."""
    try:
        with _refusals():
            _label(client, name, _PENDING, from_version=token)
    except SecretsUnavailable:
        _LOGGER.warning("a version is still labelled as pending")


def _label(
    client: "SecretsManagerClient", name: str, stage: str, *, from_version: str, to_version: str | None = None
) -> bool:
    """Move or remove a label; False if another version has it. Secrets Manager deletes versions without labels."""
    request: UpdateSecretVersionStageRequestTypeDef = {
        "SecretId": name,
        "VersionStage": stage,
        "RemoveFromVersionId": from_version,
    }
    if to_version is not None:
        request["MoveToVersionId"] = to_version
    try:
        answer(lambda: client.update_secret_version_stage(**request))
    except Unanswered as unanswered:
        if unanswered.code != "InvalidParameterException":
            raise
        return False
    return True


def _demand_usable(description: "DescribeSecretResponseTypeDef") -> None:
    if description.get("DeletedDate") is not None:
        raise ProjectSmtpInvalid((SCHEDULED_FOR_DELETION,)) from None


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except Unanswered as unanswered:
        outcome = "refused" if unanswered.response else "gave no answer"
        _LOGGER.warning("the secret store %s", outcome, extra={"error_code": unanswered.code})
        raise SecretsUnavailable from None
