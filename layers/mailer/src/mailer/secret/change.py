"""Parse a message of the queue of changed secrets: it says which projects to validate.

A message is CloudTrail's record of a Secrets Manager call, as EventBridge delivers it, or the service's own message:
`{"project_id": "acme"}`, with `"beyond": "<id>"` to continue a release, or `{"examine_all": true}`.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from mailer.project import ProjectId, parse_project_id

_SOURCE = "secretsmanager.amazonaws.com"
# For each call, and each event of Secrets Manager itself: the member that names the secret.
_SECRET_MEMBER: Mapping[str, tuple[str, str]] = {
    "PutSecretValue": ("requestParameters", "secretId"),
    "UpdateSecret": ("requestParameters", "secretId"),
    "CreateSecret": ("requestParameters", "name"),
    "DeleteSecret": ("requestParameters", "secretId"),
    "RestoreSecret": ("requestParameters", "secretId"),
    "UpdateSecretVersionStage": ("requestParameters", "secretId"),
    "EndSecretVersionDelete": ("additionalEventData", "SecretId"),
    "RotationSucceeded": ("additionalEventData", "SecretId"),
}
_ARN = re.compile(r"arn:[a-z0-9-]+:secretsmanager:[^:]*:[^:]*:secret:(.+)\Z", re.DOTALL)
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
# Secrets Manager adds these six characters to the ARN of every secret.
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")


class ValidateProjects(msgspec.Struct, frozen=True):
    """Validate these projects.

    There are two projects if the end of an ARN may be part of the name or not: an extra validation is harmless.
    `beyond` is the id of the message after which a release continues, `edited_at` the time of the edit that was
    reported.
    """

    project_ids: tuple[ProjectId, ...]
    beyond: str | None = None
    edited_at: float | None = None


class ValidateAllProjects(msgspec.Struct, frozen=True):
    """Validate every project that has a secret."""


class Unrelated(msgspec.Struct, frozen=True):
    """The event is not about a project's secret, or changed nothing."""


class MalformedChange(msgspec.Struct, frozen=True):
    """The message cannot be read; `reason` may be logged."""

    reason: str


type SecretChange = ValidateProjects | ValidateAllProjects | Unrelated | MalformedChange


def parse_secret_change(body: str, *, prefix: str) -> SecretChange:
    """Parse a message; never raises. `prefix` starts the name of every project's secret."""
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return MalformedChange("not-json")
    match decoded:
        case {"project_id": str(text), **rest} if not rest:
            return _asked_for(text, None)
        case {"project_id": str(text), "beyond": str(beyond), **rest} if not rest:
            return _asked_for(text, beyond)
        case {"examine_all": True, **rest} if not rest:
            return ValidateAllProjects()
        case {"detail": {"eventSource": str(source), "eventName": str(name)} as detail}:
            return _of_call(source, name, detail, prefix)
        case _:
            return MalformedChange("unknown-kind")


def _asked_for(text: str, beyond: str | None) -> SecretChange:
    project_id = parse_project_id(text)
    if project_id is None:
        return MalformedChange("project-id-malformed")
    if beyond is not None and not _MESSAGE_ID.match(beyond):
        return MalformedChange("message-id-malformed")
    return ValidateProjects((project_id,), beyond)


def _of_call(source: str, name: str, detail: Mapping[str, object], prefix: str) -> SecretChange:
    place = _SECRET_MEMBER.get(name)
    # A refused call changed nothing.
    if source != _SOURCE or place is None or detail.get("errorCode") is not None:
        return Unrelated()
    secret = _member(detail, *place)
    if not secret:
        return MalformedChange("secret-not-named")
    answered = _ARN.match(_member(detail, "responseElements", "arn"))
    names = _names(secret) if answered is None else (_SUFFIX.sub("", answered[1]),)
    candidates = (_project(name, prefix) for name in names)
    project_ids = tuple(project_id for project_id in candidates if project_id is not None)
    return ValidateProjects(project_ids, edited_at=_edited_at(name, detail)) if project_ids else Unrelated()


def _edited_at(name: str, detail: Mapping[str, object]) -> float | None:
    """Return the time of the call in seconds since the epoch of the clock; CloudTrail leaves out fractions."""
    try:
        at = msgspec.convert(detail.get("eventTime"), datetime).timestamp()
    except (msgspec.ValidationError, OverflowError, ValueError):
        return None
    # The service itself never deletes a secret. So in the second of its own last change, the deletion came later.
    return at + 1 if name == "DeleteSecret" else at


def _member(detail: Mapping[str, object], part: str, name: str) -> str:
    members = detail.get(part)
    member = members.get(name) if isinstance(members, dict) else None
    return member if isinstance(member, str) else ""


def _names(secret: str) -> tuple[str, ...]:
    """Return the names that a secret's id may mean; the more likely name comes first."""
    arn = _ARN.match(secret)
    if arn is None:
        return (secret,)
    name = arn[1]
    return (_SUFFIX.sub("", name), name) if _SUFFIX.search(name) else (name,)


def _project(name: str, prefix: str) -> ProjectId | None:
    return parse_project_id(name.removeprefix(prefix)) if name.startswith(prefix) else None
