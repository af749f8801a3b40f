"""The published contract of the lifecycle events: one pydantic model for each detail-type.

docs/events/ holds the JSON Schemas of these models. Importing pydantic takes too long for a function that
a caller waits for. So only the function that reads lifecycle events from their queue imports this module.

A validator raises `PydanticCustomError` with one of our stable codes and a remedy. It never quotes the value.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Final, cast

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from mailer.errors import InvalidRequest
from mailer.input.inspection import MAX_PROBLEMS, member_pointer
from mailer.input.link import MAX_LINK, is_link_allowed
from mailer.message.address import FORBIDDEN, MAX_ADDRESS, Address, InvalidAddress, parse_address
from mailer.problem import Problem
from mailer.project import ProjectId, parse_project_id
from mailer.system_email.event import (
    LINK_NOT_ALLOWED,
    MAX_REQUEST_ID,
    UNKNOWN_EVENT_TYPE,
    EventType,
    LifecycleEvent,
    decode_event,
)

_LINK_OR_CODE: Final = "link_or_code_missing"
_CODE_MEANING: Final = "The code that the user types. The subject and the preview do not show it."
_MAX_NAME = 200
_MAX_LOCALE = 64
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.IGNORECASE | re.ASCII,
)
# No time may be later. This refuses a time in milliseconds, which reads as a far later time in seconds.
_LAST_SECOND = datetime.fromisoformat("2100-01-01T00:00:00Z").timestamp()


def _one_line(text: str) -> str:
    if FORBIDDEN.search(text):
        raise PydanticCustomError("control-character", "Remove line breaks, control and bidirectional characters.")
    if not text.strip():
        raise PydanticCustomError("blank", "Give at least one character that is not a space.")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("control-character", "Use printable characters only.")
    return text


def _blank_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _project_id(value: object) -> ProjectId:
    project_id = parse_project_id(value) if isinstance(value, str) else None
    if project_id is None:
        raise PydanticCustomError(
            "project-id-malformed",
            "Give 1 to 64 letters, digits, hyphens and underscores. Leave the field out for the platform's own e-mail.",
        )
    return project_id


def _address(value: object) -> Address:
    if not isinstance(value, str):
        raise PydanticCustomError("wrong-type", "Give a string.")
    try:
        return parse_address(value)
    except InvalidAddress as invalid:
        raise PydanticCustomError(invalid.code, invalid.detail) from None


def _link(link: str, info: ValidationInfo) -> str:
    """Check the link against the operator's `AppBaseUrl`, which the validation context must contain."""
    if not is_link_allowed(link, cast("str", info.context)):
        raise PydanticCustomError(
            LINK_NOT_ALLOWED,
            f"Give an absolute URL of at most {MAX_LINK} ASCII characters that begins with the operator's AppBaseUrl: "
            "same scheme, host, port and path, no user name, no dot segments, no encoded slashes or dots in the path.",
        )
    return link


def _seconds(value: object) -> float:
    seconds: float = -1
    if isinstance(value, str) and _TIME.match(value):
        with suppress(ValueError):
            seconds = datetime.fromisoformat(value.upper()).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    if not 0 <= seconds < _LAST_SECOND:
        raise PydanticCustomError(
            "time-malformed",
            "Give an RFC 3339 time with its offset, as in 2026-01-02T03:04:05Z, or seconds since 1970; before 2100.",
        )
    return float(seconds)


_RequestId = Annotated[
    str, Field(min_length=1, max_length=MAX_REQUEST_ID), AfterValidator(_one_line), AfterValidator(_printable)
]
_Name = Annotated[str, Field(max_length=_MAX_NAME), AfterValidator(_one_line), AfterValidator(str.strip)]
_OptionalName = Annotated[_Name | None, BeforeValidator(_blank_to_none)]
_Locale = Annotated[str, Field(max_length=_MAX_LOCALE), AfterValidator(_one_line), AfterValidator(str.strip)]
_Project = Annotated[
    ProjectId, PlainValidator(_project_id), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})
]
_Email = Annotated[
    Address, PlainValidator(_address), WithJsonSchema({"type": "string", "format": "email", "maxLength": MAX_ADDRESS})
]
_Link = Annotated[
    str, AfterValidator(_link), WithJsonSchema({"type": "string", "format": "uri", "maxLength": MAX_LINK})
]
_Code = Annotated[str, Field(pattern="^[A-Za-z0-9-]{4,12}$")]
_Time = Annotated[
    float,
    PlainValidator(_seconds),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}]}),
]


class _Object(BaseModel):
    """A JSON object without unknown fields. A null field is an absent field."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        known = {field.alias for field in cls.model_fields.values()}
        return {name: member for name, member in value.items() if member is not None or name not in known}


class UserDetail(_Object):
    """The recipient of the e-mail."""

    name: _OptionalName = Field(None, description="Shown in the greeting and the To field.")
    locale: Annotated[_Locale | None, BeforeValidator(_blank_to_none)] = Field(
        None, description="For example de or de-AT. The e-mail is in German or, for all other languages, in English."
    )
    email: _Email = Field(description="The address that is stored for the account.")


class Detail(_Object):
    """The fields that all lifecycle events have."""

    request_id: _RequestId = Field(description="Identifies the e-mail within the project: one e-mail for each id.")
    user: UserDetail
    project_id: _Project | None = Field(
        None,
        description="The project that sends the e-mail. Without it, the platform sends it by the server transport.",
    )
    link: _Link | None = Field(None, description="An absolute URL that begins with the stack's AppBaseUrl.")
    code: _Code | None = Field(None, description=_CODE_MEANING)
    expires_at: _Time | None = Field(
        None, description="RFC 3339 with an offset, or seconds since 1970. Nothing is sent after this time."
    )
    project_name: _OptionalName = Field(None, description="The name of the project, as its users know it.")
    invited_by: _OptionalName = Field(
        None, description="The name of the inviter, or of the administrator who made the change."
    )

    @property
    def type(self) -> EventType:
        """The detail-type, which is the name of the model."""
        return EventType(type(self).__name__)


def _demand_link_or_code(code: str | None, info: ValidationInfo) -> str | None:
    # An invalid link is missing from `info.data`, and has its own problem.
    if code is None and info.data.get("link", "") is None:
        raise PydanticCustomError(_LINK_OR_CODE, "Give a link, a code or both.")
    return code


class _LinkOrCode(Detail):
    """A detail that needs a link, a code or both."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["link"]}, {"required": ["code"]}]})

    code: Annotated[_Code | None, AfterValidator(_demand_link_or_code)] = Field(
        None, validate_default=True, description=_CODE_MEANING
    )


class UserInvited(Detail):
    """A user was invited. The link leads to the invitation."""

    link: _Link = Field(description="An absolute URL that begins with the stack's AppBaseUrl.")


class PasswordResetRequested(_LinkOrCode):
    """A new password was requested, by the user or by the administrator in `invitedBy`."""


class EmailVerificationRequested(_LinkOrCode):
    """An address must be confirmed by its owner."""


class MfaReset(Detail):
    """The second factor of an account was removed. The link leads to the page that sets it up again."""


class MfaCodeRequested(Detail):
    """A user is signing in and needs a code."""

    code: _Code = Field(description=_CODE_MEANING)


class EmailAddressChanged(Detail):
    """The address of an account was changed. The link leads to the page that shows the change."""


_MODELS: Final = (
    UserInvited, PasswordResetRequested, EmailVerificationRequested, MfaReset, MfaCodeRequested, EmailAddressChanged
)  # fmt: skip
CONTRACT: Final[Mapping[EventType, type[Detail]]] = {EventType(model.__name__): model for model in _MODELS}

# Our codes and remedies for pydantic's error types. Every other error type is already one of our codes.
_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("required", "Give this field."),
    "extra_forbidden": ("unknown-field", "Remove the field: this event has no field of this name."),
    "model_type": ("wrong-type", "Give an object."),
    "string_type": ("wrong-type", "Give a string."),
    "string_too_short": ("blank", "Give at least one character that is not a space."),
    "string_too_long": ("too-long", "Give at most {max_length} characters."),
    "string_pattern_mismatch": ("code-malformed", "Give 4 to 12 letters, digits and hyphens."),
    _LINK_OR_CODE: ("required", "Give a link, a code or both."),
}
_ORDER: Final = {
    field.alias: position
    for model in (Detail, UserDetail)
    for position, field in enumerate(model.model_fields.values())
}


def parse_event(body: bytes | str, *, app_base_url: str) -> LifecycleEvent:
    """Return the event that EventBridge put into the queue.

    Raises `InvalidRequest` with all problems. Each has the JSON pointer of its field; none contains a value.
    """
    envelope = decode_event(body)
    problems: list[Problem] = []
    if envelope.get("version", "0") != "0":
        problems.append(Problem("unknown-version", "Send events of EventBridge's version 0.", pointer="/version"))
    type_ = next((each for each in EventType if envelope.get("detail-type") == each.value), None)
    if type_ is None:
        known = ", ".join(EventType)
        problems.append(Problem(UNKNOWN_EVENT_TYPE, f"Use one of {known}.", pointer="/detail-type"))
    try:
        # The unknown detail-type is reported together with problems in the fields that all events have.
        model = CONTRACT[type_] if type_ is not None else Detail
        detail = model.model_validate(envelope.get("detail"), context=app_base_url)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        problems.extend(map(_problem, sorted(errors, key=_rank)))
    else:
        if type_ is not None and not problems:
            return msgspec.convert(detail, LifecycleEvent, from_attributes=True)
    raise InvalidRequest(*problems[:MAX_PROBLEMS])


def _rank(error: ErrorDetails) -> list[int]:
    """Return the sort key of a problem: the order of the fields, unknown fields first."""
    return [_ORDER.get(str(name), -1) for name in error["loc"]]


def _problem(error: ErrorDetails) -> Problem:
    names = error["loc"]
    if error["type"] == _LINK_OR_CODE:
        names = (*names[:-1], "link")
    pointer = "/detail"
    for name in names:
        pointer = member_pointer(pointer, name)
    code, remedy = _PROBLEMS.get(error["type"], (error["type"], error["msg"]))
    return Problem(code, remedy.format_map(error.get("ctx", {})) if code == "too-long" else remedy, pointer=pointer)
