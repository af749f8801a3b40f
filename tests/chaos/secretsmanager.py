"""Secrets Manager's client in memory: versions and their labels."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.dynamodb import Answer, refusal

type Guard = Callable[[str, Callable[[], Answer]], Answer]
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


@dataclass
class Secret:
    """One secret: its versions' texts, and the version of each label."""

    texts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    is_deleted: bool = False


class FakeSecretsManager:
    """Implements the part of `SecretsManagerClient` that the adapters use.

    `changed` is called with the name of a secret after each change of its current version.
    """

    def __init__(self, *, guard: Guard, changed: Callable[[str], None]) -> None:
        self._guard = guard
        self._changed = changed
        self._numbers = itertools.count(1)
        self.secrets: dict[str, Secret] = {}

    def current(self, name: str) -> str | None:
        """Return the current text, without any fault; None if there is no secret."""
        secret = self.secrets.get(name)
        if secret is None or secret.is_deleted or CURRENT not in secret.labels:
            return None
        return secret.texts[secret.labels[CURRENT]]

    def write(self, name: str, text: str | None) -> None:
        """Store a text as an admin does in the console; None deletes the secret at once."""
        if text is None:
            self.secrets.pop(name, None)
        else:
            secret = self.secrets.setdefault(name, Secret())
            version = f"{next(self._numbers):032x}"
            secret.is_deleted = False
            secret.texts[version] = text
            self._move(secret, CURRENT, version)
        self._changed(name)

    def schedule_deletion(self, name: str) -> None:
        """Schedule the deletion of a secret."""
        self.secrets[name].is_deleted = True
        self._changed(name)

    def get_secret_value(self, **request: Any) -> Answer:
        """Read the current version."""

        def perform() -> Answer:
            secret = self._usable(request["SecretId"], "GetSecretValue")
            version = secret.labels.get(CURRENT)
            if version is None:
                raise refusal("ResourceNotFoundException", "GetSecretValue")
            return {"Name": request["SecretId"], "VersionId": version, "SecretString": secret.texts[version]}

        return self._guard("GetSecretValue", perform)

    def describe_secret(self, **request: Any) -> Answer:
        """Return the labels of a secret."""

        def perform() -> Answer:
            secret = self._known(request["SecretId"], "DescribeSecret")
            stages: dict[str, list[str]] = {}
            for label, version in secret.labels.items():
                stages.setdefault(version, []).append(label)
            deleted = {"DeletedDate": "soon"} if secret.is_deleted else {}
            return {"Name": request["SecretId"], "VersionIdsToStages": stages, **deleted}

        return self._guard("DescribeSecret", perform)

    def create_secret(self, **request: Any) -> Answer:
        """Create a secret with its first version."""

        def perform() -> Answer:
            name, token = request["Name"], request["ClientRequestToken"]
            known = self.secrets.get(name)
            if known is not None and token in known.texts:
                return {"Name": name, "VersionId": token}
            if known is not None:
                code = "InvalidRequestException" if known.is_deleted else "ResourceExistsException"
                raise refusal(code, "CreateSecret")
            self.secrets[name] = Secret({token: request["SecretString"]}, {CURRENT: token})
            self._changed(name)
            return {"Name": name, "VersionId": token}

        return self._guard("CreateSecret", perform)

    def put_secret_value(self, **request: Any) -> Answer:
        """Store a version with labels."""

        def perform() -> Answer:
            name, token = request["SecretId"], request["ClientRequestToken"]
            secret = self._usable(name, "PutSecretValue")
            if secret.texts.setdefault(token, request["SecretString"]) != request["SecretString"]:
                raise refusal("ResourceExistsException", "PutSecretValue")
            for label in request.get("VersionStages", [CURRENT]):
                self._move(secret, label, token)
                if label == CURRENT:
                    self._changed(name)
            return {"Name": name, "VersionId": token}

        return self._guard("PutSecretValue", perform)

    def update_secret_version_stage(self, **request: Any) -> Answer:
        """Move or remove a label."""

        def perform() -> Answer:
            name, label = request["SecretId"], request["VersionStage"]
            secret = self._usable(name, "UpdateSecretVersionStage")
            if secret.labels.get(label) != request.get("RemoveFromVersionId"):
                raise refusal("InvalidParameterException", "UpdateSecretVersionStage")
            target = request.get("MoveToVersionId")
            if target is None:
                secret.labels.pop(label, None)
            else:
                self._move(secret, label, target)
            if label == CURRENT:
                self._changed(name)
            return {"Name": name}

        return self._guard("UpdateSecretVersionStage", perform)

    def get_paginator(self, _operation: str) -> "FakeSecretsManager":
        """Return the paginator of the only list."""
        return self

    def paginate(self, **_request: Any) -> Iterator[Answer]:
        """Return all secrets on one page."""
        yield self._guard("ListSecrets", lambda: {"SecretList": [{"Name": name} for name in self.secrets]})

    def _move(self, secret: Secret, label: str, version: str) -> None:
        if label == CURRENT and CURRENT in secret.labels and secret.labels[CURRENT] != version:
            secret.labels[PREVIOUS] = secret.labels[CURRENT]
        secret.labels[label] = version

    def _known(self, name: str, operation: str) -> Secret:
        if name not in self.secrets:
            raise refusal("ResourceNotFoundException", operation)
        return self.secrets[name]

    def _usable(self, name: str, operation: str) -> Secret:
        secret = self._known(name, operation)
        if secret.is_deleted:
            raise refusal("InvalidRequestException", operation)
        return secret
