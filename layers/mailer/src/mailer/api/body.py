"""The base of request and answer bodies, and the types of their members.

Parsers and views use these types, and docs/openapi.json is generated from them. API callers read the docstring of a
body and the `Meta` of its members, so both say what a caller needs to know.
"""

from collections.abc import Callable, Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, UnsetType


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON object with these members and no others.

    In an answer `UNSET` leaves a member out. In a request null means the same as a member that is left out.
    """


def fill[B: Body](kind: type[B], *values: object, **members: object) -> B:
    """Return an answer of this type, made of `members` and of the values' attributes with the members' names.

    A member that has a default is left out if it is None. All attributes of a value that is None count as None.
    """
    make: Callable[..., B] = kind
    filled: dict[str, object] = {}
    for member in msgspec.structs.fields(kind):
        source = next((each for each in values if each is None or hasattr(each, member.name)), members)
        if source is not members or member.name in members:
            found = members[member.name] if member.name in members else getattr(source, member.name, None)
            if found is not None or member.required:
                filled[member.name] = found
    return make(**filled)


def present[T](value: T | UnsetType) -> T | None:
    """Return the value of an optional member; None if it is left out."""
    return None if isinstance(value, UnsetType) else value


def field_names(body: type[Body]) -> tuple[str, ...]:
    """Return the names of a body's members as they are in JSON, in the order of the type."""
    return body.__struct_encode_fields__


def one_of(values: Iterable[str], description: str | None = None) -> Meta:
    """Describe a string that is one of these values."""
    return Meta(description=description, extra_json_schema={"enum": [str(value) for value in values]})


def matches(pattern: str, description: str | None = None) -> Meta:
    """Describe a string that matches the whole pattern."""
    return Meta(description=description, extra_json_schema={"pattern": f"^{pattern.removesuffix(r'\Z')}$"})


# An object with any members.
type Object = dict[str, object]
type Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
type Always = Annotated[bool, Meta(extra_json_schema={"const": True})]
type Count = Annotated[int, Meta(ge=0)]
type ErrorStatus = Annotated[int, Meta(ge=400, le=599)]
