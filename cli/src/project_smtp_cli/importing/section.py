"""Parts of another system's configuration file, as pydantic models.

Null and the empty text count as absent. Members that a model does not know are kept in `unknown`, for the notes.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from project_smtp_cli.importing.imported import NotImportable

_MAX_PROBLEMS: Final = 10
_MAX_MILLISECONDS: Final = 24 * 3600 * 1000
_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is missing.",
    "model_type": "must be an object.",
    "dict_type": "must be an object.",
    "int_type": "must be a whole number.",
}


class Section(BaseModel):
    """An object of the file."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        known = {field.alias for field in cls.model_fields.values()}
        return {name: member for name, member in value.items() if name not in known or member not in (None, "")}

    @property
    def unknown(self) -> Mapping[str, object]:
        """The members that the model does not know."""
        return self.model_extra or {}


def read_section[SectionT: Section](model: type[SectionT], value: object, place: str) -> SectionT:
    """Return this part of the file as a model; raises `NotImportable`, whose text never quotes a value."""
    try:
        return model.model_validate(value)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_input=False)[:_MAX_PROBLEMS]
        problems = (f"{_path(place, error['loc'])} {_MESSAGES.get(error['type'], error['msg'])}" for error in errors)
        raise NotImportable(" ".join(problems)) from None


def _path(place: str, names: tuple[int | str, ...]) -> str:
    return ".".join((place, *map(str, names)))


def _scalar(value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            raise PydanticCustomError("scalar", "must be a text or a number.")


def _flag(value: object) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if word is True or word == "true":
        return True
    if word is False or word == "false":
        return False
    raise PydanticCustomError("flag", "must be true or false.")


def _milliseconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_MILLISECONDS:
        raise PydanticCustomError("milliseconds", "must be milliseconds, as a whole number.")
    return value


def _certificates(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return _scalar(value)


# A text, a number or a boolean, converted to the text of an entry.
Scalar = Annotated[str, BeforeValidator(_scalar)]
# True or false, which may be written as a text.
Flag = Annotated[bool, BeforeValidator(_flag)]
Milliseconds = Annotated[int, BeforeValidator(_milliseconds)]
# PEM, as one text or a list of texts.
Certificates = Annotated[str, BeforeValidator(_certificates)]
