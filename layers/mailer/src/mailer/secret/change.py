"""What a message in the queue of changed secrets asks for: which projects are to be examined.

It holds either CloudTrail's record of a call to Secrets Manager, as EventBridge delivers it, or our own words:
`{"project_id": "acme"}`, which may go on with a release by `"beyond": "<id>"`, and `{"examine_all": true}`.
"""

import re
from collections.abc import Mapping

import msgspec

from mailer.project import ProjectId, parse_project_id

_SOURCE = "secretsmanager.amazonaws.com"
# Where each of the calls, and of what Secrets Manager does by itself, names its secret.
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
# Secrets Manager ends every secret's ARN with these.
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")


class ValidateProjects(msgspec.Struct, frozen=True):
    """These projects are to be examined.

    They are several where an ARN can be read in two ways, with and without the six characters that end it: a needless
    validation finds nothing new, and a missed one would be missed. `beyond` is the message that a release has come to.
    """

    project_ids: tuple[ProjectId, ...]
    beyond: str | None = None


class ValidateAllProjects(msgspec.Struct, frozen=True):
    """Every project that has a secret is to be examined."""


class NotOurs(msgspec.Struct, frozen=True):
    """Something else happened in the account, or nothing did."""


class MalformedChange(msgspec.Struct, frozen=True):
    """Nobody can say what is asked for; `reason` is fit for a log."""

    reason: str


type SecretChange = ValidateProjects | ValidateAllProjects | NotOurs | MalformedChange


def parse_secret_change(body: str, *, prefix: str) -> SecretChange:
    """Say what a message asks for; never raises. `prefix` is what the names of projects' secrets begin with."""
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
    # A call that was refused has changed nothing.
    if source != _SOURCE or place is None or detail.get("errorCode") is not None:
        return NotOurs()
    secret = _member(detail, *place)
    if not secret:
        return MalformedChange("secret-not-named")
    answered = _ARN.match(_member(detail, "responseElements", "arn"))
    names = _names(secret) if answered is None else (_SUFFIX.sub("", answered[1]),)
    candidates = (_project(name, prefix) for name in names)
    project_ids = tuple(project_id for project_id in candidates if project_id is not None)
    return ValidateProjects(project_ids) if project_ids else NotOurs()


def _member(detail: Mapping[str, object], part: str, name: str) -> str:
    members = detail.get(part)
    member = members.get(name) if isinstance(members, dict) else None
    return member if isinstance(member, str) else ""


def _names(secret: str) -> tuple[str, ...]:
    """Return the names that a secret's id may stand for: the likelier one first."""
    arn = _ARN.match(secret)
    if arn is None:
        return (secret,)
    name = arn[1]
    return (_SUFFIX.sub("", name), name) if _SUFFIX.search(name) else (name,)


def _project(name: str, prefix: str) -> ProjectId | None:
    return parse_project_id(name.removeprefix(prefix)) if name.startswith(prefix) else None
