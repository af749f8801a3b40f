"""Field types of the lifecycle events: what each accepts, and its JSON Schema.

A validator raises `PydanticCustomError` with one of our stable codes and a remedy. It never quotes the value.
"""

import re
from datetime import datetime
from typing import Annotated, cast

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from mailer.input.link import MAX_LINK, is_link_allowed
from mailer.message.address import FORBIDDEN, MAX_ADDRESS, Address, InvalidAddress, parse_address
from mailer.project import ProjectId, parse_project_id
from mailer.system_email.event import LINK_NOT_ALLOWED, MAX_REQUEST_ID

MAX_NAME = 200

_MAX_LOCALE = 64
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z",
    re.IGNORECASE | re.ASCII,
)
# A time in milliseconds lies after this.
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
    """Require the validation context: the operator's `AppBaseUrl`."""
    if not is_link_allowed(link, cast("str", info.context)):
        raise PydanticCustomError(
            LINK_NOT_ALLOWED,
            f"Give an absolute URL of at most {MAX_LINK} ASCII characters that begins with the operator's AppBaseUrl: "
            "same scheme, host, port and path, no user name, no dot segments, no encoded slashes or dots in the path.",
        )
    return link


def _seconds(value: object) -> float:
    seconds: float | None = None
    if isinstance(value, str) and _TIME.match(value):
        try:
            seconds = datetime.fromisoformat(value.upper()).timestamp()
        except ValueError:
            seconds = None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    if seconds is None or not 0 <= seconds < _LAST_SECOND:
        raise PydanticCustomError(
            "time-malformed",
            "Give an RFC 3339 time with its offset, as in 2026-01-02T03:04:05Z, or seconds since 1970; before 2100.",
        )
    return float(seconds)


RequestId = Annotated[
    str, Field(min_length=1, max_length=MAX_REQUEST_ID), AfterValidator(_one_line), AfterValidator(_printable)
]
Name = Annotated[str, Field(max_length=MAX_NAME), AfterValidator(_one_line), AfterValidator(str.strip)]
Locale = Annotated[str, Field(max_length=_MAX_LOCALE), AfterValidator(_one_line), AfterValidator(str.strip)]
Project = Annotated[
    ProjectId,
    PlainValidator(_project_id),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}),
]
Email = Annotated[
    Address,
    PlainValidator(_address),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": MAX_ADDRESS}),
]
Link = Annotated[
    str,
    AfterValidator(_link),
    WithJsonSchema({"type": "string", "format": "uri", "maxLength": MAX_LINK}),
]
Code = Annotated[str, Field(pattern="^[A-Za-z0-9-]{4,12}$")]
Time = Annotated[
    float,
    PlainValidator(_seconds),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number", "minimum": 0}]}),
]
BLANK_IS_ABSENT = BeforeValidator(_blank_to_none)
