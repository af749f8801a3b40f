"""The published contract of the lifecycle events: one pydantic model for each detail-type.

docs/events/ holds the JSON Schemas of these models. pydantic takes longer to import than a caller may wait, so only the
function that reads lifecycle events from their queue imports this module.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from mailer.errors import InvalidRequest
from mailer.input.inspection import MAX_PROBLEMS, member_pointer
from mailer.problem import Problem
from mailer.system_email.event import EventType, LifecycleEvent, User, decode_event
from mailer.system_email.fields import BLANK_IS_ABSENT, Code, Email, Link, Locale, Name, Project, RequestId, Time

_LINK_OR_CODE: Final = "link_or_code_missing"
_CODE: Final = "The code that the user types. The subject and the preview do not show it."


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

    name: Annotated[Name | None, BLANK_IS_ABSENT] = Field(None, description="Shown in the greeting and the To field.")
    locale: Annotated[Locale | None, BLANK_IS_ABSENT] = Field(
        None, description="For example de or de-AT. The e-mail is in German or, for all other languages, in English."
    )
    email: Email = Field(description="The address that is stored for the account.")


class Detail(_Object):
    """The fields that all lifecycle events have."""

    request_id: RequestId = Field(description="Identifies the e-mail within the project: one e-mail for each id.")
    user: UserDetail
    project_id: Project | None = Field(
        None,
        description="The project that sends the e-mail. Without it, the platform sends it by the server transport.",
    )
    link: Link | None = Field(None, description="An absolute URL that begins with the stack's AppBaseUrl.")
    code: Code | None = Field(None, description=_CODE)
    expires_at: Time | None = Field(
        None, description="RFC 3339 with an offset, or seconds since 1970. Nothing is sent after this time."
    )
    project_name: Annotated[Name | None, BLANK_IS_ABSENT] = Field(
        None, description="The name of the project, as its users know it."
    )
    invited_by: Annotated[Name | None, BLANK_IS_ABSENT] = Field(
        None, description="The name of the inviter, or of the administrator who made the change."
    )

    def to_event(self, type_: EventType) -> LifecycleEvent:
        """Return the event as the core's value."""
        return LifecycleEvent(
            type=type_,
            request_id=self.request_id,
            user=User(self.user.email, self.user.name, self.user.locale),
            project_id=self.project_id,
            link=self.link,
            code=self.code,
            expires_at=self.expires_at,
            project_name=self.project_name,
            invited_by=self.invited_by,
        )


def _demand_link_or_code(code: str | None, info: ValidationInfo) -> str | None:
    # A link that is present but invalid is missing from `info.data`, and has its own problem.
    if code is None and info.data.get("link", "") is None:
        raise PydanticCustomError(_LINK_OR_CODE, "Give a link, a code or both.")
    return code


class _LinkOrCode(Detail):
    """A detail that needs a link, a code or both."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["link"]}, {"required": ["code"]}]})

    code: Annotated[Code | None, AfterValidator(_demand_link_or_code)] = Field(
        None, validate_default=True, description=_CODE
    )


class UserInvited(Detail):
    """A user was invited. The link leads to the invitation."""

    link: Link = Field(description="An absolute URL that begins with the stack's AppBaseUrl.")


class PasswordResetRequested(_LinkOrCode):
    """A new password was requested, by the user or by the administrator in `invitedBy`."""


class EmailVerificationRequested(_LinkOrCode):
    """An address must be confirmed by its owner."""


class MfaReset(Detail):
    """The second factor of an account was removed. The link leads to the page that sets it up again."""


class MfaCodeRequested(Detail):
    """A user is signing in and needs a code."""

    code: Code = Field(description=_CODE)


class EmailAddressChanged(Detail):
    """The address of an account was changed. The link leads to the page that shows the change."""


# Each model has the name of its detail-type.
CONTRACT: Final[Mapping[EventType, type[Detail]]] = {
    EventType(model.__name__): model
    for model in (
        UserInvited,
        PasswordResetRequested,
        EmailVerificationRequested,
        MfaReset,
        MfaCodeRequested,
        EmailAddressChanged,
    )
}

# pydantic's error types, as our codes and remedies. Every other type is a code of `fields`, with its remedy.
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

    Raises `InvalidRequest` with all problems, each with the JSON pointer of its field and none with a value.
    """
    envelope = decode_event(body)
    problems: list[Problem] = []
    if envelope.get("version", "0") != "0":
        problems.append(Problem("unknown-version", "Send events of EventBridge's version 0.", pointer="/version"))
    type_ = next((each for each in EventType if envelope.get("detail-type") == each.value), None)
    if type_ is None:
        known = ", ".join(EventType)
        problems.append(Problem("unknown-event-type", f"Use one of {known}.", pointer="/detail-type"))
    try:
        # An unknown detail-type is reported together with the problems of the fields that all events have.
        model = CONTRACT[type_] if type_ is not None else Detail
        detail = model.model_validate(envelope.get("detail"), context=app_base_url)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)
        problems.extend(map(_problem, sorted(errors, key=_rank)))
    else:
        if type_ is not None and not problems:
            return detail.to_event(type_)
    raise InvalidRequest(*problems[:MAX_PROBLEMS])


def _rank(error: ErrorDetails) -> list[int]:
    """Sort problems by the order of the fields; unknown fields come first."""
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
