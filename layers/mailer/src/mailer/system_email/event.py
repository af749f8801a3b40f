"""Lifecycle events as values. `contract` validates an event's JSON and returns the value."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from mailer.errors import InvalidRequest
from mailer.input.json_body import decode_body
from mailer.message.address import Address
from mailer.problem import Problem
from mailer.project import ProjectId

MAX_EVENT = 256 * 1024
MAX_REQUEST_ID = 256
LINK_NOT_ALLOWED = "link-not-allowed"
UNKNOWN_EVENT_TYPE = "unknown-event-type"


class EventType(StrEnum):
    """The detail-types that cause a system e-mail."""

    USER_INVITED = "UserInvited"
    PASSWORD_RESET_REQUESTED = "PasswordResetRequested"  # noqa: S105 -- a name of an event
    EMAIL_VERIFICATION_REQUESTED = "EmailVerificationRequested"
    MFA_RESET = "MfaReset"
    MFA_CODE_REQUESTED = "MfaCodeRequested"
    EMAIL_ADDRESS_CHANGED = "EmailAddressChanged"


class User(msgspec.Struct, frozen=True):
    """The recipient of the e-mail."""

    email: Address
    name: str | None = None
    locale: str | None = None


class LifecycleEvent(msgspec.Struct, frozen=True):
    """A change to a user's account, and the content of the e-mail about it.

    `request_id` identifies the e-mail: each id causes one e-mail, even if the event is delivered again. `link` begins
    with the operator's `AppBaseUrl`. `expires_at` is in seconds since the epoch.
    """

    type: EventType
    request_id: str
    user: User
    project_id: ProjectId | None = None
    link: str | None = None
    code: str | None = None
    expires_at: float | None = None
    project_name: str | None = None
    invited_by: str | None = None


def decode_event(body: bytes | str) -> Mapping[str, object]:
    """Return the event's envelope, not validated; raises `InvalidRequest` if it is too large or not a JSON object."""
    if len(body) > MAX_EVENT:
        raise InvalidRequest(Problem("body-too-large", f"Send at most {MAX_EVENT // 1024} KB.", pointer=""))
    value = decode_body(body)
    if not isinstance(value, dict):
        raise InvalidRequest(Problem("wrong-type", "Give an object.", pointer=""))
    return value
