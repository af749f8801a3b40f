"""Lifecycle events become values: parsed once, here, as hostile as any request.

An event is refused as a whole, with every problem found, each named by its JSON pointer into the event. Nothing is
repaired. Null means absent, and so does an optional name that is blank: an empty field costs nobody a password reset.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.input.link import MAX_LINK, is_link_allowed
from mailer.message.address import Address, InvalidAddress, parse_address
from mailer.problem import Problem
from mailer.project import ProjectId, parse_project_id

MAX_EVENT = 256 * 1024
MAX_NAME = 200
MAX_REQUEST_ID = 256
LINK_NOT_ALLOWED = "link-not-allowed"

_DETAIL_FIELDS = (
    "requestId", "projectId", "user", "link", "code", "expiresAt", "projectName", "invitedBy",
)  # fmt: skip
_USER_FIELDS = ("email", "name", "locale")
_MAX_LOCALE = 64
_CODE = re.compile(r"[A-Za-z0-9-]{4,12}\Z")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.IGNORECASE | re.ASCII,
)
# Milliseconds taken for seconds lie far behind.
_LAST_SECOND = datetime.fromisoformat("2100-01-01T00:00:00Z").timestamp()


class EventType(StrEnum):
    """The detail-types that a system e-mail follows from."""

    USER_INVITED = "UserInvited"
    PASSWORD_RESET_REQUESTED = "PasswordResetRequested"  # noqa: S105 -- a name of an event
    EMAIL_VERIFICATION_REQUESTED = "EmailVerificationRequested"
    MFA_RESET = "MfaReset"
    MFA_CODE_REQUESTED = "MfaCodeRequested"
    EMAIL_ADDRESS_CHANGED = "EmailAddressChanged"


_NEEDS_LINK = frozenset({EventType.USER_INVITED})
_NEEDS_CODE = frozenset({EventType.MFA_CODE_REQUESTED})
_NEEDS_EITHER = frozenset({EventType.PASSWORD_RESET_REQUESTED, EventType.EMAIL_VERIFICATION_REQUESTED})


class User(msgspec.Struct, frozen=True):
    """Whom the e-mail is for."""

    email: Address
    name: str | None = None
    locale: str | None = None


class LifecycleEvent(msgspec.Struct, frozen=True):
    """Something that happened to a user's account, and what the user is to be told.

    `request_id` is the business key: one e-mail for each, however often the event comes. `link` is one that the
    operator's policy allows. `expires_at` is seconds since the epoch.
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


def parse_event(body: bytes | str, *, app_base_url: str) -> LifecycleEvent:
    """Return the event that EventBridge put into the queue; raises `InvalidRequest`, and nothing else."""
    envelope = decode_event(body)
    inspection = Inspection()
    if envelope.get("version", "0") != "0":
        inspection.report("/version", "unknown-version", "Send events of EventBridge's version 0.")
    type_ = _read_type(envelope.get("detail-type"), inspection)
    detail = inspection.members(envelope.get("detail"), "/detail", _DETAIL_FIELDS)
    request_id = _read_request_id(detail, inspection)
    user = _read_user(detail, inspection)
    event = LifecycleEvent(
        type=type_ or EventType.USER_INVITED,
        request_id=request_id,
        user=user or User(Address("", "")),
        project_id=_read_project_id(detail, inspection),
        link=_read_link(detail, app_base_url, inspection),
        code=_read_code(detail, inspection),
        expires_at=_read_time(detail, inspection),
        project_name=_read_name(detail, "projectName", "/detail", inspection),
        invited_by=_read_name(detail, "invitedBy", "/detail", inspection),
    )
    if type_ is not None:
        _demand_purpose(type_, detail, inspection)
    inspection.finish()
    return event


def decode_event(body: bytes | str) -> Mapping[str, object]:
    """Return the event's envelope, of which nothing is checked yet; raises `InvalidRequest`."""
    if len(body) > MAX_EVENT:
        raise InvalidRequest(Problem("body-too-large", f"Send at most {MAX_EVENT // 1024} KB.", pointer=""))
    value = decode_body(body)
    if not isinstance(value, dict):
        raise InvalidRequest(Problem("wrong-type", "Give an object.", pointer=""))
    return value


def _read_type(value: object, inspection: Inspection) -> EventType | None:
    for type_ in EventType:
        if value == type_.value:
            return type_
    inspection.report("/detail-type", "unknown-event-type", f"Use one of {', '.join(EventType)}.")
    return None


def _read_request_id(detail: Mapping[str, object], inspection: Inspection) -> str:
    pointer = "/detail/requestId"
    if "requestId" not in detail:
        inspection.report(pointer, "required", "Give the request's own id: the same id is the same e-mail, once.")
        return ""
    text = inspection.text(detail["requestId"], pointer, maximum=MAX_REQUEST_ID)
    if text is not None and not text.isprintable():
        inspection.report(pointer, "control-character", "Use printable characters only.")
    return text or ""


def _read_user(detail: Mapping[str, object], inspection: Inspection) -> User | None:
    if "user" not in detail:
        inspection.report("/detail/user", "required", "Give the user as an object with an email.")
        return None
    members = inspection.members(detail["user"], "/detail/user", _USER_FIELDS)
    name = _read_name(members, "name", "/detail/user", inspection)
    locale = _read_name(members, "locale", "/detail/user", inspection, maximum=_MAX_LOCALE)
    pointer = "/detail/user/email"
    email = members.get("email")
    if email is None:
        inspection.report(pointer, "required", "Give the address that is stored for the user.")
    elif not isinstance(email, str):
        inspection.report(pointer, "wrong-type", "Give a string.")
    else:
        try:
            return User(parse_address(email), name, locale)
        except InvalidAddress as invalid:
            inspection.report(pointer, invalid.code, invalid.detail)
    return None


def _read_name(
    members: Mapping[str, object], name: str, parent: str, inspection: Inspection, *, maximum: int = MAX_NAME
) -> str | None:
    value = members.get(name)
    if value is None or value == "" or (isinstance(value, str) and len(value) <= maximum and value.isspace()):
        return None
    text = inspection.text(value, f"{parent}/{name}", maximum=maximum)
    return text and text.strip()


def _read_project_id(detail: Mapping[str, object], inspection: Inspection) -> ProjectId | None:
    if "projectId" not in detail:
        return None
    value = detail["projectId"]
    project_id = parse_project_id(value) if isinstance(value, str) else None
    if project_id is None:
        inspection.report(
            "/detail/projectId",
            "project-id-malformed",
            "Give 1 to 64 letters, digits, hyphens and underscores; leave it out for what the platform itself sends.",
        )
    return project_id


def _read_link(detail: Mapping[str, object], app_base_url: str, inspection: Inspection) -> str | None:
    if "link" not in detail:
        return None
    link = detail["link"]
    if not isinstance(link, str):
        inspection.report("/detail/link", "wrong-type", "Give a string.")
        return None
    if not is_link_allowed(link, app_base_url):
        inspection.report(
            "/detail/link",
            LINK_NOT_ALLOWED,
            f"Give an absolute URL of at most {MAX_LINK} ASCII characters that begins with the operator's AppBaseUrl: "
            "same scheme, host, port and path, no user name, no dot segments, no encoded slashes or dots in the path.",
        )
        return None
    return link


def _read_code(detail: Mapping[str, object], inspection: Inspection) -> str | None:
    if "code" not in detail:
        return None
    code = detail["code"]
    if not isinstance(code, str):
        inspection.report("/detail/code", "wrong-type", "Give a string: a number loses its leading zeros.")
        return None
    if not _CODE.match(code):
        inspection.report("/detail/code", "code-malformed", "Give 4 to 12 letters, digits and hyphens.")
        return None
    return code


def _read_time(detail: Mapping[str, object], inspection: Inspection) -> float | None:
    if "expiresAt" not in detail:
        return None
    value = detail["expiresAt"]
    seconds: float | None = None
    if isinstance(value, str) and _TIME.match(value):
        try:
            seconds = datetime.fromisoformat(value.upper()).timestamp()
        except ValueError:
            seconds = None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    if seconds is None or not 0 <= seconds < _LAST_SECOND:
        inspection.report(
            "/detail/expiresAt",
            "time-malformed",
            "Give an RFC 3339 time with its offset, as in 2026-01-02T03:04:05Z, or seconds since 1970; before 2100.",
        )
        return None
    return float(seconds)


def _demand_purpose(type_: EventType, detail: Mapping[str, object], inspection: Inspection) -> None:
    """Without its link or code the user could do nothing with the e-mail."""
    if type_ in _NEEDS_LINK and "link" not in detail:
        inspection.report("/detail/link", "required", "Give the link that the user is to follow.")
    if type_ in _NEEDS_CODE and "code" not in detail:
        inspection.report("/detail/code", "required", "Give the code that the user is to enter.")
    if type_ in _NEEDS_EITHER and not {"link", "code"} & detail.keys():
        inspection.report("/detail/link", "required", "Give a link, a code or both.")
