"""Check decoded JSON and collect every problem, so that a caller sees all problems at once.

The input is untrusted. A problem has the JSON pointer (RFC 6901) and the remedy; it never quotes a value.
"""

from collections.abc import Callable, Collection, Mapping

from mailer.errors import InvalidRequest
from mailer.message.address import FORBIDDEN
from mailer.problem import InvalidText, Problem

MAX_PROBLEMS = 100
_MAX_NAME_SHOWN = 64


class Inspection:
    """Collects problems. A method that reads a value returns None if the value is absent or has a problem."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self.place = ""

    def at(self, pointer: str) -> "Inspection":
        """Return an inspection of the part of the value at `pointer`. Both inspections share one list of problems."""
        part = Inspection()
        part._problems = self._problems
        part.place = self.place + pointer
        return part

    def report(self, pointer: str, code: str, detail: str) -> None:
        """Add a problem; only the first hundred problems are kept."""
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(code, detail, pointer=self.place + pointer))

    def finish(self) -> None:
        """If there are problems, raise `InvalidRequest` with all of them, in the order of reading."""
        if self._problems:
            raise InvalidRequest(*self._problems)

    def finish_with[T](self, value: T | None) -> T:
        """Finish, and return a required value. It can be None only if there is a problem, and then `finish` raises."""
        self.finish()
        if value is None:
            msg = "a required value is missing without a problem"
            raise AssertionError(msg)
        return value

    def members(self, value: object, pointer: str, known: Collection[str]) -> Mapping[str, object]:
        """Return the known members of an object that are not null, and report unknown members."""
        if not isinstance(value, dict):
            self.report(pointer, "wrong-type", "Give an object.")
            return {}
        found: dict[str, object] = {}
        for name, member in value.items():
            if name not in known:
                self.report(
                    member_pointer(pointer, name),
                    "unknown-field",
                    f"Remove the field. Known fields: {', '.join(known)}.",
                )
            elif member is not None:
                found[name] = member
        return found

    def text(self, value: object, pointer: str, *, maximum: int) -> str | None:
        """Return a text unchanged. It must be one line, not blank and not too long."""
        if not isinstance(value, str):
            self.report(pointer, "wrong-type", "Give a string.")
        elif len(value) > maximum:
            self.report(pointer, "too-long", f"Give at most {maximum} characters.")
        elif FORBIDDEN.search(value):
            self.report(pointer, "control-character", "Remove line breaks, control and bidirectional characters.")
        elif not value.strip():
            self.report(pointer, "blank", "Give at least one character that is not a space.")
        else:
            return value
        return None

    def items(self, value: object, pointer: str, *, maximum: int, name: str) -> list[object]:
        """Return the items of a list, or an empty list if it is absent. `name` is the noun for the items."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.report(pointer, "wrong-type", f"Give a list of {name}.")
        elif len(value) > maximum:
            self.report(pointer, f"too-many-{name}", f"Give at most {maximum} {name}.")
        else:
            return value
        return []

    def parsed[T](
        self,
        value: object,
        pointer: str,
        parse: Callable[[str], T],
        *,
        required: str | None = None,
        wrong_type: str = "Give a string.",
    ) -> T | None:
        """Return the result of `parse` for a string. If the value is required, `required` is the remedy for null."""
        if isinstance(value, str):
            try:
                return parse(value)
            except InvalidText as invalid:
                self.report(pointer, invalid.code, invalid.detail)
        elif value is not None:
            self.report(pointer, "wrong-type", wrong_type)
        elif required is not None:
            self.report(pointer, "required", required)
        return None


def member_pointer(parent: str, name: object) -> str:
    """Return the pointer to a member; if its name is too long or not printable, the pointer to its parent."""
    if not isinstance(name, str) or len(name) > _MAX_NAME_SHOWN or not name.isprintable():
        return parent
    return f"{parent}/{name.replace('~', '~0').replace('/', '~1')}"
