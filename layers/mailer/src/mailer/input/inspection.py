"""Check decoded JSON and collect every problem, so that a caller sees all of them at once.

The input is untrusted. A problem has the JSON pointer (RFC 6901) and the remedy, never a value.
"""

from collections.abc import Callable, Collection, Mapping

from mailer.errors import InvalidRequest
from mailer.message.address import FORBIDDEN
from mailer.problem import InvalidText, Problem

MAX_PROBLEMS = 100
_MAX_NAME_SHOWN = 64


class Inspection:
    """Collects problems; its readers return None after a problem and for an absent value."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self.place = ""

    def at(self, pointer: str) -> "Inspection":
        """Return an inspection of a part of the value, with pointers from there and the same list of problems."""
        part = Inspection()
        part._problems = self._problems
        part.place = self.place + pointer
        return part

    def report(self, pointer: str, code: str, detail: str) -> None:
        """Add a problem; after a hundred, more are dropped."""
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(Problem(code, detail, pointer=self.place + pointer))

    def finish(self) -> None:
        """Raise `InvalidRequest` with every problem, in the order of reading, if there are any."""
        if self._problems:
            raise InvalidRequest(*self._problems)

    def finish_with[T](self, value: T | None) -> T:
        """Finish, and return a required value, which is None only after a problem."""
        self.finish()
        if value is None:
            msg = "a required value is missing without a problem"
            raise AssertionError(msg)
        return value

    def members(self, value: object, pointer: str, known: Collection[str]) -> Mapping[str, object]:
        """Return the known members of an object without null ones, and report unknown members."""
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
        """Return a text unchanged: one line, not blank, not too long."""
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
        """Return the items of a list; none if it is absent. `name` is what the list is of."""
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
        """Return what `parse` makes of a string; `required` is the remedy for null where the value is required."""
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
    """Return the pointer to a member, or to its parent if the name is too long or not printable."""
    if not isinstance(name, str) or len(name) > _MAX_NAME_SHOWN or not name.isprintable():
        return parent
    return f"{parent}/{name.replace('~', '~0').replace('/', '~1')}"
